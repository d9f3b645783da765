"""hikeshi coverage --format and --report: the answer arrives in other programs as it was meant, whatever names hold."""
import json
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import jsonschema
import junitparser
import pytest

from .support import actions_log
from .support.server import HIKESHI

SCHEMA = json.loads((Path(__file__).parent / "schemas/sarif-2.1.0.json").read_text())
HOSTILE = ["a|b", "a\\|b", "a\\\\|b", "`", "``x```", "a`", "<img src=x onerror=alert(1)>", "@octocat", "x\n::error::pwned", "x\r::add-mask::a",
           "##[add-mask]secret", "::stop-commands::endtoken", "%0A::error::x", "a:b,c", "\u202egnp.exe", "\x1b[31mred\x07", "| - |", " lead",
           "[x](javascript:y)", "**b** _i_ ~~s~~", "#1 https://example.com", "&lt;", "\ufffe", "]]>", "]]><!--", "\\", "\\`", "$(id)", "名前"]


def deployment(name, namespace="prod", owner="payments"):
    return "---\n" + json.dumps({"kind": "Deployment", "metadata": {"name": name, "namespace": namespace, "labels": {"owner": owner}}}) + "\n"


def coverage(tree, *args):
    return subprocess.run([HIKESHI, "coverage", "--manifests", "deploy", "--runbooks", "runbooks", *args], cwd=tree,
                          capture_output=True, encoding="utf-8", timeout=300)


@pytest.fixture
def tree(tmp_path):
    for folder in (".git", "deploy", "runbooks"):
        (tmp_path / folder).mkdir()
    (tmp_path / "runbooks/covered.md").write_text("# covered\n")
    (tmp_path / "runbooks/old.md").write_text("---\ncovers: ['deployment/<b>|`gone`']\n---\n# old\n")
    (tmp_path / "deploy/a.yaml").write_text(deployment("covered"))
    return tmp_path


def test_github_annotations_survive_hostile_names(tree):
    for number, name in enumerate(HOSTILE):
        (tree / "deploy/a.yaml").write_text(deployment(name) + deployment("covered"))
        done = coverage(tree, "--format", "github")
        commands, lines = actions_log.read(done.stdout)
        assert done.returncode == 1
        assert [(kind, properties["title"]) for kind, properties, _ in commands] == [
            ("error", "uncovered-workload"), ("warning", "orphan-document")], (name, done.stdout)
        kind, properties, message = commands[0]
        assert properties == {"file": "deploy/a.yaml", "line": "2", "col": "1", "title": "uncovered-workload"}
        assert message.startswith(f"Deployment '{name}' has no runbook"), (number, message)
        assert any("workloads 1 of 2" in line for line in lines)


def test_github_hostile_file_names(tree):
    name = "deploy/a,line=9::error file=x::%0A b.yaml"
    (tree / name).parent.mkdir(parents=True, exist_ok=True)
    (tree / name).write_text(deployment("x"))
    commands, _ = actions_log.read(coverage(tree, "--format", "github").stdout)
    assert [properties["file"] for kind, properties, _ in commands if kind == "error"] == [name]
    sarif = json.loads(coverage(tree, "--format", "sarif").stdout)
    uris = {r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for r in sarif["runs"][0]["results"]}
    assert name in {unquote(uri) for uri in uris} and all(re.fullmatch(r"[A-Za-z0-9_.~/%-]+", uri) for uri in uris)


def test_github_ten_of_a_kind_and_the_rest_in_the_summary(tree):
    (tree / "deploy/a.yaml").write_text("".join(deployment(f"w{n:03}") for n in range(40)))
    for n in range(12):
        (tree / f"runbooks/stale{n}.md").write_text(f"---\ncovers: [deployment/gone{n}]\n---\n# x\n")
    done = coverage(tree, "--format", "github", "--report", "markdown=summary.md")
    commands, lines = actions_log.read(done.stdout)
    assert [kind for kind, _, _ in commands] == ["error"] * 10 + ["warning"] * 10
    assert lines[-2].startswith("33 more findings are not shown as annotations"), lines[-3:]
    summary = (tree / "summary.md").read_text()
    assert all(f"`deployment/prod/w{n:03}`" in summary for n in range(40))
    assert all(f"runbooks/stale{n}.md" in summary for n in range(12))


class Table(HTMLParser):
    """The rows of a page's tables: texts of the cells, and every tag that is there."""

    def __init__(self, page):
        super().__init__()
        self.rows, self.tags = [], set()
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.rows and self.rows[-1] and data.strip("\n"):
            self.rows[-1][-1] += data


def rendered(markdown):
    done = subprocess.run(["cmark-gfm", "--unsafe", "-e", "table", "-e", "autolink", "-e", "strikethrough", "-e", "tagfilter"],
                          input=markdown, capture_output=True, encoding="utf-8", timeout=60, check=True)
    return Table(done.stdout)


def test_markdown_cells_hold_hostile_names(tree):
    (tree / "deploy/a.yaml").write_text("".join(deployment(name, owner=name) for name in HOSTILE))
    table = rendered(coverage(tree, "--format", "markdown").stdout)
    assert table.tags <= {"h2", "h3", "p", "strong", "table", "thead", "tbody", "tr", "th", "td", "code"}, table.tags
    missing = [row for row in table.rows if len(row) == 4 and row[0].startswith("deployment/prod/")]
    assert len(missing) == len(HOSTILE) and {len(row) for row in table.rows} <= {2, 3, 4}
    shown = {row[0].removeprefix("deployment/prod/") for row in missing}
    for name in HOSTILE:
        plain = "".join(c if c.isprintable() else "\ufffd" for c in name)
        assert {plain, plain.replace("\\|", "\\\\|"), plain.replace("\\\\|", "\\\\\\|")} & shown, (plain, shown)


def test_markdown_fits_a_step_summary(tree):
    (tree / "deploy/a.yaml").write_text("".join(deployment(f"{'x' * 200}-{n}", owner=f"owner-{n}") for n in range(3000)))
    (tree / "deploy/b.yaml").write_text("".join(deployment(f"{'ü' * 200}-{n}", owner="one") for n in range(3000)))
    done = coverage(tree, "--format", "markdown")
    page = done.stdout.encode()
    assert 900 * 1024 < len(page) <= 1024 * 1024
    *rows, last = done.stdout.rstrip("\n").split("\n")
    said = re.match(r"\*\*(\d+) more rows are not shown\*\*", last)
    assert said, last[:200]
    table = rendered(done.stdout)
    assert {len(row) for row in table.rows} <= {3, 4}, "a row was cut in its middle"
    shown = sum(1 for row in table.rows if row[0].startswith("deployment/")) + sum(1 for row in table.rows if len(row) == 3 and row[0] != "owner")
    assert shown + int(said[1]) == 6000 + 3001 + 1, "6,000 gaps, 3,001 owners, one orphan"


def test_sarif_is_valid(tree):
    (tree / "deploy/a.yaml").write_text("".join(deployment(name) for name in HOSTILE) * 2)
    (tree / "deploy/broken.yaml").write_text("a: [\n")
    sarif = json.loads(coverage(tree, "--format", "sarif").stdout)
    validator = jsonschema.Draft4Validator(SCHEMA)
    assert [error.message for error in validator.iter_errors(sarif)] == []
    results = sarif["runs"][0]["results"]
    marks = [r["partialFingerprints"]["primaryLocationLineHash"] for r in results]
    assert len(results) == 2 * len(HOSTILE) + 2 and len(set(marks)) == len(marks)
    rules = {rule["id"]: rule for rule in sarif["runs"][0]["tool"]["driver"]["rules"]}
    assert {r["ruleId"] for r in results} == set(rules)
    assert all(rule["shortDescription"]["text"] and rule["fullDescription"]["text"] and rule["help"]["text"] for rule in rules.values())
    for r in results:  # what GitHub code scanning asks for beyond the schema
        place = r["locations"][0]["physicalLocation"]
        assert not place["artifactLocation"]["uri"].startswith(("/", "file:")) and place["region"]["startLine"] >= 1
    del sarif["runs"][0]["tool"]
    assert list(validator.iter_errors(sarif)), "the schema must be able to refuse"


def test_sarif_fingerprints_survive_edits_above(tree):
    (tree / "deploy/a.yaml").write_text(deployment("x") + deployment("y"))

    def marks():
        results = json.loads(coverage(tree, "--format", "sarif").stdout)["runs"][0]["results"]
        return {r["message"]["text"]: r["partialFingerprints"]["primaryLocationLineHash"] for r in results}
    before = marks()
    (tree / "deploy/a.yaml").write_text("# comment\n\n" + deployment("new") + deployment("x") + deployment("y"))
    after = marks()
    assert {text: after[text] for text in before} == before and len(after) == len(before) + 1


def test_junit_is_read_by_others(tree):
    (tree / "deploy/a.yaml").write_text("".join(deployment(name) for name in HOSTILE) + deployment("covered") + deployment("known"))
    (tree / "known.json").write_text('{"gaps": ["deployment/prod/known"]}')
    text = coverage(tree, "--format", "junit", "--baseline", "known.json").stdout
    root = ElementTree.fromstring(text)
    suite = root.find("testsuite")
    for element in (root, suite):
        assert int(element.get("tests")) == len(root.findall(".//testcase")) == len(HOSTILE) + 3
        assert int(element.get("failures")) == len(root.findall(".//failure")) == len(HOSTILE) + 1
        assert int(element.get("skipped")) == len(root.findall(".//skipped")) == 1 and element.get("errors") == "0"
    assert all(case.get("name") and case.get("classname") and case.get("time") is not None for case in root.findall(".//testcase"))
    (tree / "junit.xml").write_text(text)
    report = junitparser.JUnitXml.fromfile(str(tree / "junit.xml"))
    cases = {case.name: case.result for one in report for case in one}
    assert cases["deployment/prod/covered"] == [] and type(cases["deployment/prod/known"][0]).__name__ == "Skipped"
    assert type(cases["deployment/prod/a|b"][0]).__name__ == "Failure"


def test_reports_are_what_formats_print(tree):
    names = ["text", "json", "markdown", "sarif", "junit"]
    done = coverage(tree, "--min", "50", *[arg for name in names for arg in ("--report", f"{name}=out.{name}")])
    assert done.returncode == 0, done.stderr
    for name in names:
        assert (tree / f"out.{name}").read_text() == coverage(tree, "--format", name).stdout, name
    for wrong in ("text", "=x", "xml=x", "text="):
        done = coverage(tree, "--report", wrong)
        assert done.returncode == 2 and "expected text|json|github|markdown|sarif|junit=FILE" in done.stderr and not done.stdout
    done = coverage(tree, "--report", "json=nowhere/x")
    assert done.returncode == 1 and "cannot write 'nowhere/x': No such file or directory" in done.stderr
