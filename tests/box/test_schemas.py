"""The JSON Schemas that `hikeshi editor` writes, against the program itself: what lint takes, they take; what is of a
wrong kind or has an unknown key, both refuse. And the snippets are runbooks that work."""
import json
import re
import subprocess
from pathlib import Path

import jsonschema
import pytest

from .support import examples, yaml12
from .support.server import HIKESHI

ROOT = Path(__file__).resolve().parents[2]
RUNBOOK = "---\nhikeshi: 1\n{front}\n---\n# R\n```lua {{step=s{braces}}}\n{lines}\nlog(1)\n```\n"
POLICY = "one: {need: [{from: [{role: approver}]}]}"
VALUES = ["word", "3", "-1", "1.5", "true", "null", "30s", "[a]", "[1, 2]", "[]", "{a: b}", "{}", '"9 * * * *"', "[{a: b}]", "x y"]


@pytest.fixture(scope="module")
def schemas(tmp_path_factory):
    folder = tmp_path_factory.mktemp("editor")
    subprocess.run([HIKESHI, "editor", folder], check=True, capture_output=True)
    found = {path.name.split(".")[0]: json.loads(path.read_text()) for path in folder.glob("schemas/*.json")}
    for schema in found.values():
        jsonschema.Draft7Validator.check_schema(schema)
    return found


def refusals(schema, document):
    return [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(document)]


FORM = ("yaml", "unknown-key", "bad-value", "missing-key", "not-enforced", "attributes", "cron", "host-filter", "duplicate")


def lint(folder):
    """Errors of form: not names that do not exist, or what only the whole says."""
    result = subprocess.run([HIKESHI, "lint", "--json", "."], cwd=folder, capture_output=True, text=True)
    return [finding for finding in json.loads(result.stdout)["findings"] if finding["level"] == "error" and finding["rule"] in FORM]


def repository(folder, files):
    defaults = {"hikeshi/inventory.yaml": "hosts: {db-1: {}}\n", "hikeshi/teams.yaml": f"policies: {{{POLICY}}}\n"}
    for name, text in {**defaults, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


# Every map of every format: the schema, the place of its keys in it, and a file of one line or one file that has KEY: VALUE there.
def runbook(front="", braces="", lines=""):
    return RUNBOOK.format(front=front, braces=braces, lines=lines)


SITES = {
    "front": ("runbook", [], lambda key, value: runbook(front=f"{key}: {value}")),
    "param": ("runbook", ["params", "p"], lambda key, value: runbook(front=f"params: {{p: {{type: string, {key}: {value}}}}}")),
    "limits": ("runbook", ["limits"], lambda key, value: runbook(front=f"limits: {{{key}: {value}}}")),
    "incident": ("runbook", ["triggers", 0], lambda key, value: runbook(
        front=f"triggers: [{{kind: incident, {'match: {alert: A}, ' if key != 'match' else ''}{key}: {value}}}]")),
    "schedule": ("runbook", ["triggers", 0], lambda key, value: runbook(
        front=f"triggers: [{{kind: schedule, {'cron: 0 1 * * *, ' if key != 'cron' else ''}{key}: {value}}}]")),
    "step": ("step", [], lambda key, value: runbook(lines=f"--| {key}: {value}")),
    "shell step": ("step", [], lambda key, value: (
        f"---\nhikeshi: 1\n---\n# R\n```sh {{step=s{'' if key == 'hosts' else ' hosts=name=db-1'}}}\n#| {key}: {value}\ntrue\n```\n")),
}
CASES = {
    "case": lambda key, value: f"cases: [{{name: n, {key}: {value}}}]",
    "answer": lambda key, value: f"cases: [{{name: n, hosts: {{db-1: [{{{'' if key in ASKS else 'run: [x], '}{key}: {value}}}]}}}}]",
    "http": lambda key, value: f"cases: [{{name: n, http: [{{{'' if key in METHODS else 'get: http://x, '}{key}: {value}}}]}}]",
    "approval": lambda key, value: f"cases: [{{name: n, approvals: {{s: {{{'' if key == 'decision' else 'decision: approve, '}{key}: {value}}}}}}}]",
    "expect": lambda key, value: f"cases: [{{name: n, expect: {{{key}: {value}}}}}]",
}
ASKS = ["run", "script", "step", "upload", "download", "reachable"]
METHODS = ["get", "head", "post", "put", "patch", "delete"]
LINES = {
    "host": ("inventory", "hikeshi/inventory.yaml", "hosts:\n", lambda number, key, value: f"  h{number}: {{{key}: {value}}}\n"),
    "team": ("teams", "hikeshi/teams.yaml", f"policies: {{{POLICY}}}\nteams:\n", lambda number, key, value: f"  t{number}: {{{key}: {value}}}\n"),
    "policy": ("teams", "hikeshi/teams.yaml", "policies:\n", lambda number, key, value: (
        f"  p{number}: {{{'' if key == 'need' else 'need: [{from: [{role: admin}]}], '}{key}: {value}}}\n")),
    "need": ("teams", "hikeshi/teams.yaml", "policies:\n", lambda number, key, value: (
        f"  p{number}: {{need: [{{{'' if key == 'from' else 'from: [{role: admin}], '}{key}: {value}}}]}}\n")),
}


def keys_of(schema, place):
    """The properties of the map at a place of a schema."""
    for part in place:
        schema = schema["properties"][part] if part in schema.get("properties", {}) else schema
        while "additionalProperties" in schema and schema["additionalProperties"] and "properties" not in schema:
            schema = schema["additionalProperties"]
        schema = schema.get("items", schema)
    return schema["properties"]


def compare(taken, refused, cases):
    """cases: (key, value, what lint says, what the schema says). The schema may take more, never less."""
    narrower = [case for case in cases if not case[2] and case[3]]
    assert narrower == [], "lint takes these, and the schema does not"
    assert sum(1 for case in cases if not case[2]) >= taken
    assert sum(1 for case in cases if case[2] and case[3]) >= refused


def in_files(tmp_path, schemas, site, name, write, schema, keys, read):
    files, cases = {}, []
    for key, described in keys.items():
        for value in VALUES + described.get("enum", []):
            files[name.format(len(files))] = (key, value, write(key, value))
    found = {}
    for finding in lint(repository(tmp_path, {path: text for path, (_, _, text) in files.items()} | {"runbooks/r.md": runbook()})):
        found.setdefault(finding["file"].removeprefix("./"), []).append(finding["message"])
    for path, (key, value, text) in files.items():
        said = [message for document in read(text) for message in refusals(schemas[schema], document)]
        cases.append((key, value, found.get(path, []), said))
    return cases


TRIGGER_KEYS = {"incident": 0, "schedule": 1}


@pytest.mark.parametrize("site", SITES)
def test_runbooks(tmp_path, schemas, site):
    schema, place, write = SITES[site]
    if site in TRIGGER_KEYS:
        keys = schemas["runbook"]["properties"]["triggers"]["items"]["allOf"][TRIGGER_KEYS[site]]["then"]["properties"]
    else:
        keys = keys_of(schemas[schema], place)
    keys = {key: keys[key] for key in keys if key not in ("kind", "hikeshi", "step") and not (site == "param" and key == "type")}
    read = (lambda text: [yaml12.front_matter(text)]) if schema == "runbook" else (lambda text: list(yaml12.attributes(text)))
    cases = in_files(tmp_path, schemas, site, "runbooks/f{}.md", write, schema, {**keys, "no_such_key": {}}, read)
    compare(len(keys) / 2, len(keys) * 4, cases)
    assert all(said and found for key, _, found, said in cases if key == "no_such_key")


@pytest.mark.parametrize("site", CASES)
def test_test_files(tmp_path, schemas, site):
    case = schemas["test"]["properties"]["cases"]["items"]["properties"]
    keys = {
        "case": case,
        "answer": case["hosts"]["additionalProperties"]["items"]["properties"],
        "http": case["http"]["items"]["properties"],
        "approval": case["approvals"]["additionalProperties"]["anyOf"][1]["properties"],
        "expect": case["expect"]["properties"],
    }[site]
    keys = {key: keys[key] for key in keys if key != "name"}
    cases = in_files(tmp_path, schemas, site, "runbooks/f{}.test.yaml", lambda key, value: "runbook: r\n" + CASES[site](key, value) + "\n",
                     "test", {**keys, "no_such_key": {}}, lambda text: [yaml12.load(text)])
    compare(len(keys) / 2, len(keys) * 3, cases)
    assert all(said and found for key, _, found, said in cases if key == "no_such_key")


@pytest.mark.parametrize("site", LINES)
def test_inventory_and_teams(tmp_path, schemas, site):
    schema, file, head, write = LINES[site]
    places = {"host": ["hosts", "h"], "team": ["teams", "t"], "policy": ["policies", "p"], "need": ["policies", "p", "need"]}
    keys = [*keys_of(schemas[schema], places[site]), "no_such_key"]
    rows = [(key, value) for key in keys for value in VALUES]
    lines = [write(number, key, value) for number, (key, value) in enumerate(rows)]
    found = {}
    for finding in lint(repository(tmp_path, {file: head + "".join(lines), "runbooks/r.md": runbook()})):
        if finding["file"].endswith(file):
            found.setdefault(finding["line"], []).append(finding["message"])
    cases = []
    for number, (key, value) in enumerate(rows):
        said = refusals(schemas[schema], yaml12.load(head + lines[number]))
        cases.append((key, value, found.get(head.count("\n") + number + 1, []), said))
    compare(1, len(keys), cases)
    assert all(said and found for key, _, found, said in cases if key == "no_such_key")


def test_every_key_says_what_it_is_for(schemas):
    def walk(node, path):
        for key, value in node.get("properties", {}).items():
            if key != "kind":
                assert value.get("description"), f"{path}.{key}"
            walk(value, f"{path}.{key}")
        for name in ("items", "additionalProperties", "then"):
            if isinstance(node.get(name), dict):
                walk(node[name], path)
        for name in ("anyOf", "allOf"):
            for part in node.get(name, []):
                walk(part, path)

    assert sorted(schemas) == ["inventory", "runbook", "step", "teams", "test"]
    for name, schema in schemas.items():
        walk(schema, name)


def documents():
    """(schema, where, document) of every YAML file and runbook of examples/."""
    for path in sorted((ROOT / "examples").rglob("*")):
        where = str(path.relative_to(ROOT))
        if path.name.endswith(".test.yaml"):
            yield "test", where, yaml12.load(path.read_text())
        elif where.endswith(("hikeshi/inventory.yaml", "hikeshi/teams.yaml")):
            yield path.stem, where, yaml12.load(path.read_text())
        elif path.suffix == ".md" and "hikeshi" in (yaml12.front_matter(path.read_text()) or {}):
            yield "runbook", where, yaml12.front_matter(path.read_text())
            for step in yaml12.attributes(path.read_text()):
                yield "step", where, step


KINDS = [("inventory", {"defaults", "hosts"}), ("teams", {"teams", "policies"}), ("test", {"runbook", "cases"}),
         ("runbook", {"title", "owner", "params", "triggers", "limits", "inputs"})]


def documents_of_docs():
    for block in examples.all_blocks("yaml"):
        document = yaml12.load(block.text)
        document = {"triggers": document} if isinstance(document, list) else document
        for name, keys in KINDS:
            if set(document) <= keys:
                yield name, block.place, document
    for block in examples.all_blocks("markdown"):
        yield "runbook", block.place, yaml12.front_matter(block.text)
        for step in yaml12.attributes(block.text):
            yield "step", block.place, step


def test_examples_fit(schemas):
    seen = set()
    for name, where, document in [*documents(), *documents_of_docs()]:
        seen.add(name)
        assert refusals(schemas[name], document) == [], where
    assert seen == set(schemas)


def expand(snippet):
    """A snippet as it stands before anything is filled in."""
    text = "\n".join(snippet["body"])
    defaults = dict(re.findall(r"\$\{(\d+):([^}]*)\}", text))
    text = re.sub(r"\$\{(\d+)\|([^,|]*)[^}]*\}", r"\2", text)
    text = re.sub(r"\$\{(\d+)(?::[^}]*)?\}", lambda match: defaults.get(match[1], ""), text)
    return re.sub(r"(?<!\\)\$\d+", "", text).replace("\\$", "$")


def test_snippets_are_runbooks_that_work(tmp_path):
    snippets = json.loads((ROOT / "editor/hikeshi.code-snippets").read_text())
    text = {name: expand(snippet) for name, snippet in snippets.items()}
    steps = "\n\n".join(text[name] for name in ("Step that looks", "Step that waits for an approval", "Step that verifies", "Shell step", "Handler"))
    repository(tmp_path, {
        "hikeshi/inventory.yaml": "hosts: {db-1: {labels: {role: db}}}\n",
        "hikeshi/teams.yaml": "teams: {storage: {members: [a]}}\npolicies: {storage-oncall: {need: [{from: [{team: storage}]}]}}\n",
        "runbooks/service.md": text["Runbook"] + "\n",
        "runbooks/service.test.yaml": text["Test file"] + "\n",
        "runbooks/steps.md": "---\nhikeshi: 1\nowner: storage\nparams:\n  host: {type: host, required: true}\n  " + text["Param"]
                             + "\ntriggers:\n" + text["Trigger: incident"] + "\n" + text["Trigger: schedule"] + "\n---\n# S\n" + steps + "\n",
    })
    assert lint(tmp_path) == []
    result = subprocess.run([HIKESHI, "test"], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
    yaml12.load(text["Answer of a host"])
