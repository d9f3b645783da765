"""hikeshi coverage: what has no runbook, in every form, and never a crash on somebody else's YAML."""
import json
import os
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from .support.server import HIKESHI

DEPLOYMENT = """apiVersion: apps/v1
kind: {kind}
metadata: {{name: {name}, namespace: prod, labels: {{owner: payments, severity: SEV1}}}}
"""
RULES = """apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: rules}
spec:
  groups:
    - name: g
      rules:
        - record: x
          expr: y
        - alert: NodeDiskFull
          labels: {severity: critical, env: prod}
          annotations: {runbook_url: "https://runbooks.example.com/node/nodediskfull/#top"}
        - alert: ByTrigger
          labels: {env: prod}
        - alert: ByName
        - alert: ByCovers
        - alert: Nobody
"""
RUNBOOK = """---
hikeshi: 1
title: T
triggers: [{kind: incident, match: {alert: ByTrigger, labels.env: prod}, for_each: alert}]
---
# T
```lua {step=go effect=read}
log("x")
```
"""


@pytest.fixture
def tree(tmp_path):
    def write(name, text, newline=None):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "w", newline=newline) as f:
            f.write(text)
    os.mkdir(tmp_path / ".git")
    write("deploy/checkout.yaml", DEPLOYMENT.format(kind="Deployment", name="checkout"))
    write("deploy/many.yaml", "# first\n---\n" + DEPLOYMENT.format(kind="StatefulSet", name="db") + "---\n" +
          DEPLOYMENT.format(kind="ConfigMap", name="left-alone") + "---\n\n" + DEPLOYMENT.format(kind="CronJob", name="nightly"))
    write("deploy/list.yaml", "kind: List\nitems:\n  - &d {kind: DaemonSet, metadata: {name: agent}}\n  - *d\n")
    write("deploy/crlf.yaml", "\ufeff" + DEPLOYMENT.format(kind="Job", name="import").replace("\n", "\r\n"), newline="")
    write("deploy/template.yaml", "kind: Deployment\nmetadata:\n  name: {{ .Values.name }}\n  {{- if .x }}\n")
    write("deploy/rules.yaml", RULES)
    write("runbooks/checkout.md", "# checkout\n")
    write("runbooks/databases.md", "---\ncovers: [statefulset/prod/db, daemonset/agent, alert/ByCovers]\n---\n# db\n")
    write("runbooks/node/NodeDiskFull.md", "# disk\n")
    write("runbooks/byname.md", "# by name\n")
    write("runbooks/auto.md", RUNBOOK)
    write("runbooks/stale.md", "---\ncovers: [deployment/gone]\n---\n# gone\n")
    return tmp_path


def coverage(tree, *args):
    return subprocess.run([HIKESHI, "coverage", "--manifests", "deploy", "--alerts", "deploy", "--runbooks", "runbooks", *args], cwd=tree,
                          capture_output=True, text=True, timeout=120)


def test_json(tree):
    done = coverage(tree, "--json")
    assert done.returncode == 1, done.stderr
    answer = json.loads(done.stdout)
    by = {(w["kind"], w["name"]): [(c["file"], c["by"]) for c in w["covered_by"]] for w in answer["workloads"]}
    assert by == {("Deployment", "checkout"): [("runbooks/checkout.md", "name")], ("StatefulSet", "db"): [("runbooks/databases.md", "covers")],
                  ("CronJob", "nightly"): [], ("DaemonSet", "agent"): [("runbooks/databases.md", "covers")], ("Job", "import"): []}
    lines = {w["name"]: (w["file"], w["line"]) for w in answer["workloads"]}
    assert lines["checkout"] == ("deploy/checkout.yaml", 1) and lines["db"] == ("deploy/many.yaml", 3), lines
    assert lines["nightly"] == ("deploy/many.yaml", 12) and lines["import"] == ("deploy/crlf.yaml", 1), lines
    first = next(w for w in answer["workloads"] if w["name"] == "checkout")
    assert (first["owner"], first["severity"], first["namespace"]) == ("payments", "SEV1", "prod")
    alerts = {a["name"]: [(c["file"], c["by"]) for c in a["covered_by"]] for a in answer["alerts"]}
    assert alerts == {"NodeDiskFull": [("runbooks/node/NodeDiskFull.md", "name")], "ByTrigger": [("runbooks/auto.md", "trigger")],
                      "ByName": [("runbooks/byname.md", "name")], "ByCovers": [("runbooks/databases.md", "covers")], "Nobody": []}
    assert {d["file"]: d["orphan"] for d in answer["documents"]}["runbooks/stale.md"] is True
    assert [s["file"] for s in answer["skipped"]] == ["deploy/template.yaml"] and "template" in answer["skipped"][0]["reason"]
    assert answer["summary"] == {"workloads": 6, "covered": 4, "alerts": 5, "alerts_covered": 4, "percent": pytest.approx(100 * 8 / 11)}


def test_url_prefixes(tree):
    (tree / "hikeshi").mkdir()
    (tree / "runbooks/node/NodeDiskFull.md").rename(tree / "runbooks/node/disk-is-full.md")
    (tree / "hikeshi/coverage.yaml").write_text('url_prefixes: {"https://runbooks.example.com/node/nodediskfull": runbooks/node/disk-is-full}\n')
    answer = json.loads(coverage(tree, "--json").stdout)
    alert = next(a for a in answer["alerts"] if a["name"] == "NodeDiskFull")
    assert alert["covered_by"] == [{"file": "runbooks/node/disk-is-full.md", "by": "runbook_url"}]
    (tree / "hikeshi/coverage.yaml").write_text("url_prefix: {}\n")
    done = coverage(tree)
    assert done.returncode == 2 and "hikeshi/coverage.yaml:1:1: error: unknown key 'url_prefix' in this file (did you mean 'url_prefixes'?)" in done.stderr


def test_exit_codes_and_baseline(tree):
    assert coverage(tree, "--min", "70").returncode == 0
    assert coverage(tree, "--min", "73").returncode == 1
    assert coverage(tree, "--min", "70", "--strict").returncode == 1, "a template was skipped"
    assert coverage(tree, "--min", "x").returncode == 2
    assert subprocess.run([HIKESHI, "coverage", "--runbooks", "."], cwd=tree, capture_output=True).returncode == 2
    assert coverage(tree, "--manifests", "nowhere").returncode == 2
    assert coverage(tree, "--baseline", "known.json", "--write-baseline").returncode == 0
    assert json.loads((tree / "known.json").read_text())["gaps"] == ["alert/Nobody", "cronjob/prod/nightly", "job/prod/import"]
    assert coverage(tree, "--baseline", "known.json").returncode == 0
    (tree / "deploy/new.yaml").write_text(DEPLOYMENT.format(kind="Deployment", name="new"))
    assert coverage(tree, "--baseline", "known.json").returncode == 1
    assert coverage(tree, "--baseline", "other.json", "--write-baseline", "--strict").returncode == 1, "a template was skipped"


def test_an_answer_that_does_not_arrive_is_no_success(tree):
    for name in ("text", "json", "sarif"):
        with open("/dev/full", "w") as full:
            done = subprocess.run([HIKESHI, "coverage", "--manifests", "deploy", "--runbooks", "runbooks", "--min", "0", "--format", name], cwd=tree,
                                  stdout=full, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 1 and "cannot write the output" in done.stderr, (name, done.stderr)


def test_formats(tree):
    text = coverage(tree).stdout
    assert "cronjob/prod/nightly SEV1  deploy/many.yaml:12" in text and "72.7% covered" in text, text
    github = coverage(tree, "--format", "github").stdout
    assert "::error file=deploy/many.yaml,line=12,col=1,title=uncovered-workload::CronJob 'nightly' has no runbook" in github, github
    markdown = coverage(tree, "--format", "markdown").stdout
    assert "| `cronjob/prod/nightly` | `SEV1` | `payments` | `deploy/many.yaml:12` |" in markdown, markdown
    junit = ElementTree.fromstring(coverage(tree, "--format", "junit").stdout)
    suite = junit.find("testsuite")
    assert suite.get("failures") == str(len(junit.findall(".//failure"))) and int(suite.get("tests")) == len(junit.findall(".//testcase"))
    sarif = json.loads(coverage(tree, "--format", "sarif").stdout)
    results = sarif["runs"][0]["results"]
    rules = {r["id"] for r in sarif["runs"][0]["tool"]["driver"]["rules"]}
    assert sarif["version"] == "2.1.0" and {r["ruleId"] for r in results} <= rules
    assert all(r["locations"][0]["physicalLocation"]["region"]["startLine"] >= 1 for r in results)


def test_hostile_names_stay_text(tree):
    (tree / "deploy/evil.yaml").write_text('kind: Deployment\nmetadata: {name: "x\\n::error::pwned `|` \\e[31m"}\n')
    github = coverage(tree, "--format", "github").stdout
    assert "%0A::error::pwned" in github
    text = coverage(tree).stdout
    assert "\x1b" not in text and "\n::error" not in text
    assert "x�::error::pwned `\\|` �[31m ``" in coverage(tree, "--format", "markdown").stdout
