"""hikeshi coverage: what is known about documents besides that they exist: age, owners, links, tests, runs."""
import json
import os
import re
import subprocess

import pytest

from .support.repository import Repository
from .support.server import HIKESHI

WORKLOAD = "kind: Deployment\nmetadata: {{name: {name}, namespace: prod, labels: {{owner: {owner}}}}}\nspec: {{image: '{image}'}}\n"
RUNBOOK = "---\nhikeshi: 1\ntitle: T\nowner: storage\ncovers: [deployment/prod/checkout]\n---\n# T\n```lua {step=go effect=read}\nlog('x')\n```\n"


def workload(name, image="1", owner="storage"):
    return WORKLOAD.format(name=name, owner=owner, image=image)


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "repo")


def coverage(repository, *args, cwd=None, env=None):
    return subprocess.run([HIKESHI, "coverage", "--manifests", "deploy", "--runbooks", "runbooks", *args], cwd=cwd or repository.path,
                          capture_output=True, text=True, timeout=120, env=dict(os.environ, **(env or {})))


def findings(repository, *args, **kw):
    """{(rule, file, line): message}; the levels and the exit status besides."""
    done = coverage(repository, "--format", "sarif", *args, **kw)
    assert done.returncode in (0, 1), done.stderr
    results = json.loads(done.stdout)["runs"][0]["results"]
    places = {(r["ruleId"], r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
               r["locations"][0]["physicalLocation"]["region"]["startLine"]): r["message"]["text"] for r in results}
    return places, {r["ruleId"]: r["level"] for r in results}, done


def of(places, rule):
    return {(file, line): text for (r, file, line), text in places.items() if r == rule}


def test_stale_documents(repository):
    """The document's last change against the workload's: commits, not merges; by default after half a year."""
    repository.commit({"deploy/checkout.yaml": workload("checkout"), "deploy/cart.yaml": workload("cart"), "runbooks/checkout.md": "# c\n",
                       "runbooks/cart.md": "# c\n"}, date="2024-01-01T12:00:00Z")
    assert not of(findings(repository)[0], "stale-document")
    repository.commit({"deploy/cart.yaml": workload("cart", image="2")}, date="2024-05-01T12:00:00Z")
    repository.git("checkout", "-q", "-b", "side")
    repository.commit({"deploy/checkout.yaml": workload("checkout", image="2")}, date="2024-08-01T12:00:00Z")
    repository.git("checkout", "-q", "main")
    repository.git("merge", "-q", "--no-ff", "-m", "merge", "side")
    places, levels, done = findings(repository)
    assert of(places, "stale-document") == {("runbooks/checkout.md", 1): "deployment/prod/checkout changed on 2024-08-01, this document last on 2024-01-01"}
    assert levels["stale-document"] == "warning" and done.returncode == 0
    repository.write("runbooks/checkout.md", "# c\nbetter\n")
    assert not of(findings(repository)[0], "stale-document"), "it is being written"
    repository.commit({"hikeshi/coverage.yaml": "stale_after: 90d\nfindings: {stale-document: error}\n"}, date="2024-08-02T12:00:00Z")
    places, levels, done = findings(repository)
    assert set(of(places, "stale-document")) == {("runbooks/cart.md", 1)} and levels["stale-document"] == "error" and done.returncode == 1


def test_shallow_clones_say_that_age_is_not_known(repository, tmp_path):
    repository.commit({"deploy/checkout.yaml": workload("checkout"), "runbooks/checkout.md": "# c\n"}, date="2023-01-01T12:00:00Z")
    repository.commit({"deploy/checkout.yaml": workload("checkout", image="2")}, date="2024-01-01T12:00:00Z")
    repository.git("clone", "-q", "--depth", "1", "file://" + repository.path, str(tmp_path / "clone"))
    places, _, done = findings(repository, cwd=tmp_path / "clone")
    assert not of(places, "stale-document") and "fetch-depth: 0" in done.stderr
    done = coverage(repository)
    assert "stale" in done.stdout and "fetch-depth" not in done.stderr


def test_no_repository_no_history(repository, tmp_path):
    os.makedirs(tmp_path / "plain/deploy")
    os.makedirs(tmp_path / "plain/runbooks")
    (tmp_path / "plain/deploy/checkout.yaml").write_text(workload("checkout"))
    (tmp_path / "plain/runbooks/checkout.md").write_text("# c\n")
    done = coverage(repository, cwd=tmp_path / "plain")
    assert done.returncode == 0 and done.stderr == ""


def test_owners(repository):
    files = {"deploy/checkout.yaml": workload("checkout", owner="strage"), "deploy/cart.yaml": workload("cart"),
             "runbooks/checkout.md": "---\nowner: nobody\n---\n# c\n", "runbooks/cart.md": "---\nowner: storage\n---\n# c\n"}
    repository.commit(files)
    assert not of(findings(repository)[0], "unknown-owner"), "there is no teams file"
    repository.commit({"hikeshi/teams.yaml": "teams: {storage: {members: [a@example.com]}}\n"})
    assert of(findings(repository)[0], "unknown-owner") == {
        ("deploy/checkout.yaml", 1): "there is no team 'strage' in hikeshi/teams.yaml",
        ("runbooks/checkout.md", 1): "there is no team 'nobody' in hikeshi/teams.yaml"}
    repository.commit({"hikeshi/teams.yaml": "teams: []\n"})
    places, _, _ = findings(repository)
    assert not of(places, "unknown-owner") and ("hikeshi/teams.yaml", 1) in of(places, "unreadable-file")


LINKS = """---
title: x
---
# Top title!
[same](#top-title), [other](other.md), [its heading](other.md#what-it-is--why), [second](other.md#twice-1)
and [from the root](/docs/page.md), [a folder](../docs/), ![image](../docs/a%20b.png), <https://example.com/x.md>,
[html](other.md#by-hand), [hugo](other.md#custom), [a page](other), [served](../other/), [mail](mailto:a@b.c), [host](//example.com/a)

[line](other.md?plain=1#top)
[ref]: not-used.md

* [dead](gone.md)
* [dead heading](other.md#nope), [dead own](#nope)
* [out](../../etc/passwd)
  [reference][r]

`[code](no-link.md)`

[r]: missing.md
"""
OTHER = "# What it is & why?\n## Twice\n## Twice\n## Given {#custom}\n<a name=\"by-hand\"></a>\n# Top\n"


def test_links(repository):
    repository.commit({"deploy/checkout.yaml": workload("checkout"), "runbooks/checkout.md": LINKS, "runbooks/other.md": OTHER, "docs/page.md": "x\n",
                       "docs/a b.png": "x"})
    assert of(findings(repository)[0], "dead-link") == {
        ("runbooks/checkout.md", 12): "the link 'gone.md' leads to no file",
        ("runbooks/checkout.md", 13): "the link '#nope' leads to no heading: there is no '#nope'",
        ("runbooks/checkout.md", 14): "the link '../../etc/passwd' leads out of the repository",
        ("runbooks/checkout.md", 15): "the link 'missing.md' leads to no file"}


def test_runbook_urls_and_covers_that_lead_nowhere(repository):
    alert = "groups: [{name: g, rules: [{alert: Disk, expr: up, annotations: {runbook_url: 'https://r.example.com/disk'}}]}]\n"
    repository.commit({"deploy/rules.yaml": alert, "deploy/checkout.yaml": workload("checkout"), "runbooks/checkout.md":
                       "---\ncovers: [deployment/prod/checkout, deployment/prod/gone, alert/Disk, alert/Old, service/x, host/db-1]\n---\n# c\n",
                       "hikeshi/coverage.yaml": 'url_prefixes: {"https://r.example.com/": runbooks}\n'})
    places, _, done = findings(repository)
    assert done.returncode == 0
    assert of(places, "dead-runbook-url") == {
        ("deploy/rules.yaml", 1): "the runbook_url of alert 'Disk' leads to no document: https://r.example.com/disk"}
    assert sorted(json.loads(coverage(repository, "--json").stdout)["documents"][0]["covers"])[0] == "alert/Disk"
    text = coverage(repository).stdout
    assert re.findall(r"this document covers '(.*?)', which", text) == ["deployment/prod/gone", "alert/Old"], text


def test_tests(repository):
    repository.commit({"deploy/checkout.yaml": workload("checkout"), "runbooks/a.md": RUNBOOK, "runbooks/b.md": RUNBOOK, "runbooks/c.md": RUNBOOK,
                       "runbooks/d.md": RUNBOOK, "runbooks/prose.md": "# p\n", "runbooks/a.test.yaml": "cases: [{name: x}]\n",
                       "runbooks/tests/more.test.yaml": "runbook: ../b.md\ncases: []\n", "runbooks/tests/ids.test.yaml": "runbook: c\ncases: []\n"})
    places, levels, _ = findings(repository)
    assert set(of(places, "untested-runbook")) == {("runbooks/d.md", 1)} and levels["untested-runbook"] == "note"
    report = subprocess.run([HIKESHI, "test", "--format", "json"], cwd=repository.path, capture_output=True, text=True).stdout
    repository.write("report.json", report)
    places, _, _ = findings(repository, "--tests", "report.json")
    assert not of(places, "failing-test"), report
    broken = json.loads(report)
    next(f for f in broken["files"] if f["runbook"] == "runbooks/a.md")["cases"][0]["result"] = "failed"
    repository.write("report.json", json.dumps(broken))
    places, _, _ = findings(repository, "--tests", "report.json")
    assert of(places, "failing-test") == {("runbooks/a.md", 1): "a test of this runbook does not pass: x"}
    repository.write("report.json", "{}")
    assert coverage(repository, "--tests", "report.json").returncode == 2
    assert coverage(repository, "--tests", "nowhere.json").returncode == 2


def test_runs_of_a_server(site):
    site.publish({"runbooks/proven.md": RUNBOOK, "runbooks/unproven.md": RUNBOOK, "deploy/checkout.yaml": workload("checkout")})
    site.server.wait_run(site.server.start_run("proven"))
    site.repository.write("runbooks/local.md", RUNBOOK)
    server = ["--server", site.server.url]
    env = {"HIKESHI_TOKEN": site.server.token}
    rows = of(findings(site.repository, *server, env=env)[0], "unproven-runbook")
    rows = {file: text for (file, _), text in rows.items() if file.split("/")[1] in ("proven.md", "unproven.md", "local.md")}
    assert rows == {"runbooks/unproven.md": "no run of this runbook has succeeded", "runbooks/local.md": "the server does not have this runbook in service"}
    site.repository.write("hikeshi/coverage.yaml", "run_within: 0s\n")
    rows = of(findings(site.repository, *server, env=env)[0], "unproven-runbook")
    assert "no run of this runbook has succeeded since 20" in rows[("runbooks/proven.md", 1)]
    done = coverage(site.repository, *server, env={"HIKESHI_TOKEN": "hks_wrong"})
    assert done.returncode == 4 and done.stdout == ""
    done = coverage(site.repository, "--server", "http://127.0.0.1:1", env=env)
    assert done.returncode == 3, done.stderr
    assert coverage(site.repository, "--token-file", "x").returncode == 2


def test_levels(repository):
    repository.commit({"deploy/checkout.yaml": workload("checkout"), "deploy/cart.yaml": workload("cart"), "runbooks/checkout.md": "[x](gone.md)\n",
                       "hikeshi/coverage.yaml": "findings: {dead-link: error, uncovered-workload: warning}\n"})
    _, levels, done = findings(repository)
    assert levels == {"dead-link": "error", "uncovered-workload": "warning"} and done.returncode == 1
    assert coverage(repository, "--min", "10").returncode == 1, "a dead link is none of the gaps that --min counts"
    repository.write("hikeshi/coverage.yaml", "findings: {dead-link: off, uncovered-workload: \"off\"}\n")
    _, levels, done = findings(repository)
    assert levels == {} and done.returncode == 0
    repository.write("hikeshi/coverage.yaml", "findings: {dead-lnk: error, dead-link: loud}\nstale_after: soon\nrun_within: -1d\n")
    done = coverage(repository)
    assert done.returncode == 2
    for wanted in ("hikeshi/coverage.yaml:1:12: error: there is no finding 'dead-lnk' (did you mean 'dead-link'?)", "1:40: error: 'dead-link' must be one of",
                   "2:14: error: 'stale_after' must be a duration", "3:13: error: 'run_within' must be a duration"):
        assert wanted in done.stderr, done.stderr


def test_only_what_a_change_touches(repository):
    repository.commit({"deploy/checkout.yaml": workload("checkout"), "runbooks/checkout.md": "[old](gone.md), [target](target.md#a)\n", "runbooks/target.md": "# A\n",
                       "runbooks/far.md": "[debt](gone.md), [to it](target)\n"})
    repository.git("checkout", "-q", "-b", "change")
    args = ["--changed-since", "main"]
    assert findings(repository, *args)[0] == {}
    repository.git("rm", "-q", "runbooks/target.md")
    repository.commit()
    places, _, _ = findings(repository, *args)
    assert {(file, text) for (_, file, _), text in places.items()} == {
        ("runbooks/checkout.md", "the link 'target.md#a' leads to no file"), ("runbooks/far.md", "the link 'target' leads to no file")}
    repository.commit({"runbooks/new.md": "\n\n[x](nowhere.md)\n", "runbooks/target.md": "# B\n"})
    places, _, _ = findings(repository, *args)
    assert {(file, line, text) for (_, file, line), text in places.items()} == {
        ("runbooks/new.md", 3, "the link 'nowhere.md' leads to no file"),
        ("runbooks/checkout.md", 1, "the link 'target.md#a' leads to no heading: there is no '#a'")}


def test_every_finding_is_documented():
    root = os.path.join(os.path.dirname(__file__), "../..")
    with open(os.path.join(root, "jobs/coverage/rules.c")) as f:
        names = set(re.findall(r'\[RULE_[A-Z_]+\] = "([a-z-]+)"', f.read()))
    with open(os.path.join(root, "docs/coverage.md")) as f:
        documented = set(re.findall(r"^\| `([a-z-]+)` \|", f.read(), re.M))
    assert len(names) > 10 and names <= documented, names - documented
