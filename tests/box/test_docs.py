"""Every code block of README.md and docs/*.md is what it claims to be. A block says its language, or shows it:

    markdown  a runbook, or steps of one: linted; with a test file below it on the page, tested
    lua       compiles and uses only names that exist; run, when it needs no host
    yaml      read by the program that reads such a file
    sh        commands and options that exist; those that need no server are run in a copy of examples/
    json      parses;    python  compiles;    text, dockerfile: no example of hikeshi's, so nothing is checked
"""
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from .support import examples, yaml12
from .support.examples import ROOT
from .support.process import Process
from .support.server import HIKESHI

INVENTORY = "hosts:\n" + "".join(f"  {name}: {{labels: {{role: {role}, env: prod, site: tokyo}}}}\n" for name, role in [
    ("db-1", "db"), ("db-2", "db"), ("web-1", "web"), ("web-2", "web"), ("web-3", "web"), ("lb-1", "lb"), ("bastion", "bastion")])
TEAMS = """teams:
  storage: {members: [aiko, ben]}
  web: {members: [chika]}
policies:
  storage-oncall: {need: [{from: [{team: storage}]}]}
  web-oncall: {need: [{from: [{team: web}]}]}
  anybody: {need: [{from: [{role: approver}]}]}
"""
LANGUAGES = {"markdown", "lua", "yaml", "sh", "json", "python", "text", "dockerfile"}


def hikeshi(folder, *args):
    return subprocess.run([HIKESHI, *args], cwd=folder, capture_output=True, text=True, timeout=120)


def lint(folder):
    return json.loads(hikeshi(folder, "lint", "--json", ".").stdout)["findings"]


@pytest.fixture
def repository(tmp_path):
    (tmp_path / "runbooks").mkdir()
    shutil.copytree(ROOT / "examples/hikeshi/lib", tmp_path / "hikeshi/lib")
    (tmp_path / "hikeshi/inventory.yaml").write_text(INVENTORY)
    (tmp_path / "hikeshi/teams.yaml").write_text(TEAMS)
    for path, text in modules().items():
        (tmp_path / path).write_text(text)
    return tmp_path


def test_each_block_has_a_language():
    assert [block.place for block in examples.all_blocks() if block.language not in LANGUAGES] == []
    assert len(examples.all_blocks()) > 100


# ---- runbooks ------------------------------------------------------------------------------------------------------

def is_whole(block):
    return block.text.startswith("---\n")


def modules():
    """A Lua block that begins with the path of a module is that module."""
    found = re.compile(r"-- (hikeshi/lib/[\w/]+\.lua)\n")
    return {found.match(block.text)[1]: block.text for block in examples.all_blocks("lua") if found.match(block.text)}


def whole_of(block):
    """Steps get the settings that they need around them."""
    if is_whole(block):
        return block.text
    params = "".join(f"  {name}: {{type: string, default: x}}\n" for name in sorted(set(re.findall(r"params\.(\w+)", block.text))))
    data = "".join(f"data.{name} = 1\n" for name in sorted(set(re.findall(r"data\.(\w+)", block.text))))
    handlers = re.findall(r"on_error[=:]\s*(\w+)", block.text)
    extra = "".join(f"```lua {{step={name} handler=true}}\nlog(1)\n```\n" for name in handlers if f"step={name}" not in block.text)
    return (f"---\nhikeshi: 1\n{'params:' + chr(10) + params if params else ''}---\n"
            f"# Steps\n```lua {{step=before_these effect=read}}\n{data}log(params)\n```\n{block.text}{extra}")


def runbooks():
    """(name of the file, block, its test files) of every runbook: tests stand below it on the page."""
    found = []
    for block in examples.all_blocks():
        if block.language == "markdown":
            found.append((f"{Path(block.page).stem}-{block.line}", block, []))
        elif block.language == "yaml" and block.text.startswith("cases:") and found and found[-1][1].page == block.page:
            found[-1][2].append(block)
    return found


def test_runbooks_have_no_findings(repository):
    for name, block, _ in runbooks():
        (repository / f"runbooks/{name}.md").write_text(whole_of(block))
    findings = [finding for finding in lint(repository) if finding["level"] != "note"]
    assert [f"{f['file']}:{f['line']}: {f['message']}" for f in findings] == []
    assert len(runbooks()) > 15


def test_runbooks_pass_the_tests_below_them(repository):
    count = 0
    for name, block, tests in runbooks():
        for number, test in enumerate(tests):
            (repository / f"runbooks/{name}.md").write_text(whole_of(block))
            (repository / f"runbooks/{name}-{number}.test.yaml").write_text(f"runbook: ./{name}.md\n{test.text}")
            count += 1
    result = hikeshi(repository, "test")
    assert result.returncode == 0, result.stdout + result.stderr
    assert [f["message"] for f in lint(repository) if f["level"] == "error"] == []
    assert count > 12


def test_each_recipe_has_a_test():
    without = [block.place for _, block, tests in runbooks() if block.page == "docs/cookbook.md" and is_whole(block) and not tests]
    assert without == []


# ---- Lua -----------------------------------------------------------------------------------------------------------

def step_of(block, number):
    """The block as a step of its own runbook; what it reads is there."""
    text = block.text
    params = "".join(f"  {name}: {{type: string, default: db-1}}\n" for name in sorted(set(re.findall(r"params\.(\w+)", text)) | {"used"}))
    secrets = ", ".join(sorted(set(re.findall(r'secret\("([\w-]+)"\)', text))))
    data = "".join(f"data.{name} = 1\n" for name in sorted(set(re.findall(r"data\.(\w+)", text))))
    locals_ = "".join(f'local {name} = {made}\n' for name, made in MADE.items()
                      if re.search(rf"(?<![\w.:\"])({name})[.:]", text) and f"local {name} =" not in text)
    return (f"---\nhikeshi: 1\nsecrets: [{secrets}]\nparams:\n{params}---\n# {block.place}\n"
            f"```lua {{step=before effect=read}}\n{data}log(params.used)\n```\n```lua {{step=example effect=read}}\n{locals_}{text}```\n")


# What a page of the standard library has made above: one block goes on where the last one ended.
MADE = {"systemd": 'require("hikeshi.systemd")', "psql": 'require("hikeshi.psql")', "kubectl": 'require("hikeshi.kubectl")',
        "httpcheck": 'require("hikeshi.httpcheck")'}


def test_lua_compiles_and_knows_its_names(repository):
    blocks = examples.all_blocks("lua")
    for number, block in enumerate(blocks):
        (repository / f"runbooks/lua{number}.md").write_text(step_of(block, number))
    findings = [f for f in lint(repository) if f["level"] != "note"]
    assert [f"{blocks[int(re.search('lua([0-9]+)', f['file'])[1])].place}: {f['message']}" for f in findings] == []
    assert len(blocks) > 60


NEEDS_MORE = re.compile(r"\b(ssh|http|exec|secret|incidents|notify|systemd|psql|kubectl|httpcheck)\b|\bfail\(|report\.file")


def test_lua_that_needs_no_host_runs(repository):
    blocks = [block for block in examples.all_blocks("lua") if not NEEDS_MORE.search(block.text) and "disk.used" not in block.text]
    ended = {}
    for number, block in enumerate(blocks):
        path = repository / f"runbooks/lua{number}.md"
        path.write_text(step_of(block, number).replace("ssh(h)", "log(h)"))
        run = json.loads(hikeshi(repository, "run", path, "--json").stdout)
        ended[block.place] = (run["state"], (run["steps"][1]["error"] or {}).get("message"))
    assert {place: end for place, end in ended.items() if end != ("succeeded", None)} == {}
    assert len(blocks) > 25


# ---- YAML ----------------------------------------------------------------------------------------------------------

CONFIGURATION = set(re.findall(r'^X\([A-Z_]+, "([a-z_]+)', (ROOT / "core/config_keys.def").read_text(), re.M)) | \
    set(re.findall(r'"([a-z_]+)(?:\.[a-z_.]+)?"', (ROOT / "core/config_keys.def").read_text()))


def read_configuration(block, folder):
    """A server starts with it. Files that it names are there."""
    def file(match):
        path = folder / match[1].lstrip("/").replace("/", "-")
        path.write_text("a-long-secret-0123456789\n")
        path.chmod(0o600)
        return "file:" + str(path)
    text = re.sub(r"file:(/[\w/.-]+)", file, block.text)
    text = re.sub(r"(known_hosts: )/\S+", lambda match: match[1] + str(folder / "known_hosts"), text)
    env = {name: "a-long-secret-0123456789" for name in re.findall(r"env:([A-Z_]+)", text)}
    if "rules:" in text and "repositories:" not in text:
        text += "repositories: {ops: {url: .}}\n"
    (folder / "hikeshi.yaml").write_text(text)
    subprocess.run(["git", "init", "-q", "-b", "main", "."], cwd=folder, check=True)
    server = Process([HIKESHI, "serve", "--config", "hikeshi.yaml", "--data", "data", "--listen", "127.0.0.1:0", "--no-runner"],
                     folder / "serve.log", env=env, cwd=folder)
    try:
        server.wait_output(r"listening on http")
    finally:
        server.stop()


def linted(name, before=""):
    def read(block, folder):
        for file, text in {"runbooks/r.md": "---\nhikeshi: 1\n---\n# R\n```lua {step=clean effect=read}\nlog(1)\n```\n",
                           name: before + block.text}.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(text)
        findings = [f["message"] for f in lint(folder) if f["rule"] in ("yaml", "unknown-key", "missing-key", "bad-value", "host-filter", "cron")]
        assert findings == [], block.place
    return read


def of_runbook(block, folder):
    text = block.text
    if text.startswith("- "):
        text = "triggers:\n" + text
    text += "".join(f"params: {{{name}: {{type: host, default: db-1}}}}\n" for name in set(re.findall(r"params\.(\w+)|params: {(\w+):", text))
                    for name in name if name and "\nparams:" not in "\n" + text)
    path = folder / "r.md"
    path.write_text(f"---\nhikeshi: 1\n{text}---\n# R\n```lua {{step=s effect=read}}\nlog(params)\n```\n")
    assert [f["message"] for f in lint(folder) if f["level"] == "error" and f["rule"] != "params"] == [], block.place


def of_case(block, folder):
    text = "runbook: r\ncases:\n  - name: n\n" + "".join(f"    {line}\n" for line in block.text.rstrip().split("\n"))
    linted("runbooks/r.test.yaml")(examples.Block(block.page, block.line, "yaml", text), folder)


def of_coverage(block, folder):
    (folder / "coverage.yaml").write_text(block.text)
    (folder / "runbooks").mkdir()
    result = hikeshi(folder, "coverage", "--runbooks", "runbooks", "--manifests", "runbooks", "--config", "coverage.yaml")
    assert result.returncode == 0, (block.place, result.stderr)


def of_alertmanager(block, folder):
    if not shutil.which("amtool"):
        pytest.skip("amtool is not installed")
    (folder / "alertmanager.yml").write_text(block.text.replace("receivers:\n", "receivers:\n  - name: default\n"))
    result = subprocess.run(["amtool", "check-config", "alertmanager.yml"], cwd=folder, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def of_others(_block, _folder):
    """Read by test_ci_recipes.py and test_pre_commit.py, with what runs them."""


READERS = [  # all of the block's top-level keys are among these
    ({"defaults", "hosts"}, linted("hikeshi/inventory.yaml")),
    ({"teams", "policies"}, linted("hikeshi/teams.yaml")),
    ({"runbook", "cases"}, linted("runbooks/r.test.yaml", "runbook: r\n")),
    ({"http", "exec", "approvals", "secrets"}, of_case),
    ({"title", "owner", "params", "triggers", "limits", "inputs"}, of_runbook),
    ({"ignore", "ignore_kinds", "owner_labels", "severity_labels", "url_prefixes", "findings", "stale_after", "run_within"}, of_coverage),
    ({"receivers", "route"}, of_alertmanager),
    ({"name", "on", "permissions", "jobs"}, of_others),
    ({"runbook-coverage"}, of_others),
    ({"repos"}, of_others),
    (CONFIGURATION, read_configuration),
]
YAML = examples.all_blocks("yaml")


@pytest.mark.parametrize("block", YAML, ids=[block.place for block in YAML])
def test_yaml_is_read(block, tmp_path):
    document = yaml12.load(block.text)
    if isinstance(document, list):
        return of_runbook(block, tmp_path)
    for keys, read in READERS:
        if set(document) <= keys:
            return read(block, tmp_path)
    pytest.fail(f"{block.place}: nothing here reads a file with the keys {', '.join(document)}")


# ---- shell ---------------------------------------------------------------------------------------------------------

def options_of(command, subcommand):
    """{option: takes a value} and the usage lines, as help has them."""
    text = hikeshi(".", "help", command, *([subcommand] if subcommand else [])).stdout
    found = {}
    for letter, name, value in re.findall(r"^ +(?:-(\w), )?--([\w-]+)( [^\s]+)?  ?", text, re.M):
        found["--" + name] = found["-" + letter] = bool(value)
    return found, text


COMMANDS = set(re.findall(r"^  ([\w-]+) ", subprocess.run([HIKESHI, "help"], capture_output=True, text=True).stdout, re.M))


def check_command(words):
    """None, or what is wrong with a hikeshi command."""
    if len(words) == 1 or words[1] == "help" or words[1].startswith("--"):
        return None
    command, rest = words[1], words[2:]
    if command not in COMMANDS:
        return f"there is no command {command}"
    _, overview = options_of(command, None)
    subcommands = re.findall(r"^  ([a-z]+) ", overview, re.M) if "SUBCOMMAND" in overview else []
    subcommand = rest.pop(0) if subcommands and rest and not rest[0].startswith("-") else None
    if subcommand and subcommand not in subcommands:
        return f"there is no {command} {subcommand}"
    options, text = options_of(command, subcommand)
    arguments = []
    while rest:
        word = rest.pop(0)
        if word == "--":
            arguments += rest
            break
        if word.startswith("-") and word != "-":
            name, _, value = word.partition("=")
            if name not in options:
                return f"{command} has no option {name}"
            if options[name] and not value:
                if not rest:
                    return f"{name} needs a value"
                rest.pop(0)
        else:
            arguments.append(word)
    usage = re.search(rf"^usage: hikeshi {command}(?: {subcommand})?(?: \[OPTIONS\])?(.*)$", text, re.M)[1].split()
    least = len([word for word in usage if not word.startswith("[")])
    if len(arguments) < least or (len(arguments) > len(usage) and not (usage and "..." in usage[-1])):
        return f"{command} takes {' '.join(usage) or 'nothing'}, not {' '.join(arguments) or 'nothing'}"
    return None


SHELL = [(block, words) for block in examples.all_blocks("sh") for words in examples.commands(block.text)]


def plain(words):
    """Without redirections and variables in front."""
    while words and re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    return words[:words.index(">")] if ">" in words else words


def test_commands_exist():
    wrong = []
    for block, words in SHELL:
        words = plain(words)
        if words and words[0] == "hikeshi":
            problem = check_command(words)
            if problem:
                wrong.append(f"{block.place}: {problem}")
        elif words and words[0].startswith("scripts/") and not (ROOT / words[0]).exists():
            wrong.append(f"{block.place}: there is no {words[0]}")
    assert wrong == []
    assert sum(words[0] == "hikeshi" for _, words in SHELL) > 40


def is_local(words):
    return words[0] == "hikeshi" and (words[1] in ("lint", "test", "editor", "version") or words[1:3] == ["schedules", "next"]
                                      or "--dry-run" in words)


def test_commands_that_need_no_server_run(tmp_path):
    shutil.copytree(ROOT / "examples", tmp_path / "ops")
    seen = 0
    for block, words in SHELL:
        words = plain(words)
        if words and is_local(words):
            result = hikeshi(tmp_path / "ops", *words[1:])
            assert result.returncode == 0, (block.place, words, result.stdout, result.stderr)
            seen += 1
    assert seen > 6


# ---- the rest ------------------------------------------------------------------------------------------------------

def test_json_and_python():
    for block in examples.all_blocks("json"):
        json.loads(block.text)
    for block in examples.all_blocks("python"):
        compile(block.text, block.place, "exec")


def test_links_lead_somewhere():
    """Links between the pages, and to their headings."""
    def anchors(page):
        text = re.sub(r"^(`{3,}).*?^\1$", "", page.read_text(), flags=re.M | re.S)
        return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.*)$", text, re.M)}
    wrong = []
    for page in examples.PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
            path, _, anchor = target.partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            to = (page.parent / path).resolve() if path else page
            if not to.exists() or (anchor and to.suffix == ".md" and anchor not in anchors(to)):
                wrong.append(f"{page.name}: {target}")
    assert wrong == []
