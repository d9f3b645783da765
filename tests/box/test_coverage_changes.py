"""hikeshi coverage --changed-since: what a pull request touches, with real Git histories."""
import json
import os
import subprocess

import pytest

from .support.repository import Repository
from .support.server import HIKESHI


def workload(name, kind="Deployment", image="1", namespace="prod"):
    return f"apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {{image: '{image}'}}\n"


def rules(**alerts):
    lines = ["groups:", "  - name: g", "    rules:"]
    for name, labels in alerts.items():
        lines += [f"      - alert: {name}", "        expr: up == 0", f"        labels: {json.dumps(labels)}"]
    return "\n".join(lines) + "\n"


def runbook(match, start="auto", text="x"):
    return (f"---\nhikeshi: 1\ntitle: T\ntriggers: [{{kind: incident, match: {json.dumps(match)}, for_each: alert, start: {start}}}]\n---\n"
            f"# T\n```lua {{step=go effect=read}}\nlog(\"{text}\")\n```\n")


@pytest.fixture
def repository(tmp_path):
    """main with coverage of its own, and a branch `change` that is checked out; main goes on after the branch left it."""
    r = Repository(tmp_path / "repo")
    r.commit({"deploy/checkout.yaml": workload("checkout"), "deploy/debt.yaml": workload("debt"), "deploy/old.yaml": workload("old"),
              "deploy/two.yaml": workload("one") + "---\n" + workload("other"), "deploy/rules.yaml": rules(Disk={"env": "prod"}, Quiet={}),
              "deploy/template.yaml": "a: {{ .b }}\n{{- if }}\n",
              "runbooks/checkout.md": "# c\n", "runbooks/old.md": "---\ncovers: [deployment/old]\n---\n# o\n", "runbooks/disk.md": runbook({"alert": "Disk"})})
    r.git("checkout", "-q", "-b", "change")
    r.git("checkout", "-q", "main")
    r.commit({"deploy/later.yaml": workload("later")})
    r.git("checkout", "-q", "change")
    return r


def coverage(repository, *args, since="main", cwd=None):
    return subprocess.run([HIKESHI, "coverage", "--manifests", "deploy", "--runbooks", "runbooks", "--changed-since", since, *args],
                          cwd=cwd or repository.path, capture_output=True, text=True, timeout=120)


def changes(repository, *args, **kw):
    done = coverage(repository, "--json", *args, **kw)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout)


def told(answer, what="workloads"):
    return {(c["change"], c["name"]) for c in answer["changes"][what]}


def test_nothing_changed(repository):
    code, answer = changes(repository)
    assert code == 0
    assert answer["workloads"] == answer["alerts"] == answer["documents"] == answer["skipped"] == []
    assert answer["summary"] == {"workloads": 0, "covered": 0, "alerts": 0, "alerts_covered": 0, "percent": 100}
    c = answer["changes"]
    assert c["since"] == "main" and c["base"] == repository.git("merge-base", "main", "HEAD") != repository.git("rev-parse", "main")
    assert [c[k] for k in ("workloads", "alerts", "documents", "automation")] == [[], [], [], []]


def test_keys_are_the_same_otherwise(repository):
    _, answer = changes(repository)
    assert set(answer) == {"workloads", "alerts", "documents", "skipped", "summary", "changes"}


def test_workloads(repository):
    """Added, modified, renamed, deleted; existing debt and what main did meanwhile do not count."""
    repository.git("mv", "deploy/old.yaml", "deploy/older.yaml")
    repository.commit({"deploy/new.yaml": workload("new"), "deploy/checkout.yaml": "# comment\n" + workload("checkout", image="2"),
                       "deploy/two.yaml": workload("one") + "---\n" + workload("another", image="9")})
    code, answer = changes(repository)
    assert code == 1
    assert told(answer) == {("added", "new"), ("modified", "checkout"), ("renamed", "old"), ("renamed", "another")}
    by = {c["name"]: c for c in answer["changes"]["workloads"]}
    assert by["old"]["was"] == {"kind": "Deployment", "namespace": "prod", "name": "old", "file": "deploy/old.yaml", "line": 1}
    assert by["another"]["was"]["name"] == "other" and by["another"]["covered"] is False
    assert by["checkout"]["covered"] is True and by["checkout"]["was_covered"] is True and by["checkout"]["was"] is None
    assert by["new"]["was_covered"] is None and (by["new"]["file"], by["new"]["line"]) == ("deploy/new.yaml", 1)
    assert {w["name"] for w in answer["workloads"]} == {"new", "checkout", "old", "another"}
    assert answer["summary"]["workloads"] == 4 and answer["summary"]["covered"] == 2


def test_layout_and_comments_are_no_change(repository):
    repository.commit({"deploy/debt.yaml": "# why\nkind: Deployment\napiVersion: apps/v1\n", "deploy/two.yaml": "---\n# x\n" + workload("one") + "\n---\n" +
                       workload("other")})
    _, answer = changes(repository)
    assert told(answer) == {("deleted", "debt")}


def test_a_deleted_workload_is_told_and_is_no_gap(repository):
    repository.git("rm", "-q", "deploy/old.yaml")
    repository.commit()
    code, answer = changes(repository)
    assert code == 0
    gone = answer["changes"]["workloads"]
    assert [(c["change"], c["name"], c["covered"], c["was_covered"]) for c in gone] == [("deleted", "old", None, True)]
    assert answer["workloads"] == [] and [d["file"] for d in answer["documents"]] == ["runbooks/old.md"], "its runbook is an orphan now"
    assert answer["documents"][0]["orphan"] is True


@pytest.mark.parametrize("how", ["delete", "rename", "edit"])
def test_a_lost_runbook_uncovers(repository, how):
    if how == "delete":
        repository.git("rm", "-q", "runbooks/checkout.md")
    elif how == "rename":
        repository.git("mv", "runbooks/checkout.md", "runbooks/cashier.md")
    else:
        repository.write("runbooks/old.md", "# nothing\n")
        repository.git("mv", "runbooks/old.md", "runbooks/other.md")
    repository.commit()
    code, answer = changes(repository)
    assert code == 1
    assert told(answer) == {("uncovered", "old" if how == "edit" else "checkout")}
    assert answer["summary"] == {"workloads": 1, "covered": 0, "alerts": 0, "alerts_covered": 0, "percent": 0}
    names = {"delete": "deleted", "rename": "renamed", "edit": "deleted"}
    assert names[how] in {d["change"] for d in answer["changes"]["documents"]}


def test_the_whole_runbook_folder_deleted(repository):
    repository.git("rm", "-rq", "runbooks")
    repository.commit()
    code, answer = changes(repository)
    assert code == 1
    assert told(answer) == {("uncovered", "checkout"), ("uncovered", "old")} and told(answer, "alerts") == {("uncovered", "Disk")}
    done = coverage(repository, "--runbooks", "runbook")
    assert done.returncode == 2 and "runbook': it is not there, nor was it in commit" in done.stderr


def test_uncommitted_and_untracked_files_count(repository):
    repository.write(".gitignore", "deploy/generated.yaml\n")
    repository.commit()
    repository.write("deploy/untracked.yaml", workload("untracked"))
    repository.write("deploy/generated.yaml", workload("generated"))
    repository.write("runbooks/untracked.md", "# u\n")
    os.remove(os.path.join(repository.path, "runbooks/checkout.md"))
    code, answer = changes(repository)
    assert code == 1
    assert told(answer) == {("added", "untracked"), ("uncovered", "checkout")}
    assert {w["name"]: len(w["covered_by"]) for w in answer["workloads"]} == {"untracked": 1, "checkout": 0}


def test_alerts_and_automation(repository):
    repository.commit({"deploy/rules.yaml": rules(Disk={"env": "prod"}, Quiet={"env": "prod"}, Noisy={"env": "stage"}),
                       "runbooks/env.md": runbook({"labels.env": "prod"}), "runbooks/disk.md": runbook({"alert": "Disk"}, text="y"),
                       "runbooks/hint.md": runbook({"alert": ["Noisy"]}, start="suggest")})
    _, answer = changes(repository)
    assert told(answer, "alerts") == {("modified", "Quiet"), ("added", "Noisy")}
    rows = {(a["change"], a["alert"], a["runbook"], a["start"], a["was_start"]) for a in answer["changes"]["automation"]}
    assert rows == {("starts", "Quiet", "runbooks/env.md", "auto", None), ("starts", "Disk", "runbooks/env.md", "auto", None),
                    ("starts", "Noisy", "runbooks/hint.md", "suggest", None), ("edited", "Disk", "runbooks/disk.md", "auto", "auto")}


def test_automation_stops_and_follows_renames(repository):
    repository.git("mv", "runbooks/disk.md", "runbooks/disk-full.md")
    repository.commit()
    assert changes(repository)[1]["changes"]["automation"] == [], "the same steps under another name"
    repository.commit({"runbooks/disk-full.md": runbook({"alert": "Disk"}, start="suggest")})
    rows = changes(repository)[1]["changes"]["automation"]
    assert [(a["change"], a["start"], a["was_start"]) for a in rows] == [("stops", "suggest", "auto")]
    repository.git("rm", "-q", "runbooks/disk-full.md")
    repository.commit()
    rows = changes(repository)[1]["changes"]["automation"]
    assert [(a["change"], a["alert"], a["runbook"], a["start"], a["was_start"]) for a in rows] == [("stops", "Disk", "runbooks/disk.md", None, "auto")]


def test_what_a_rule_file_cannot_know(repository):
    """A trigger on the sender alone may hold for every alert: it proves nothing. With an alert beside it, the alert decides; words of severity
    are understood."""
    repository.commit({"deploy/rules.yaml": rules(Disk={"env": "prod"}, Quiet={"severity": "critical"}),
                       "runbooks/any.md": runbook({"source": "am"}), "runbooks/quiet.md": runbook({"source": "am", "alert": "Quiet", "severity": "SEV1"})})
    rows = {(a["change"], a["alert"], a["runbook"]) for a in changes(repository)[1]["changes"]["automation"]}
    assert rows == {("starts", "Quiet", "runbooks/quiet.md")}


def test_skipped_files(repository):
    repository.commit({"deploy/broken.yaml": "a: [\n"})
    code, answer = changes(repository)
    assert code == 0 and [s["file"] for s in answer["skipped"]] == ["deploy/broken.yaml"]
    code, answer = changes(repository, "--strict")
    assert code == 1 and [s["file"] for s in answer["skipped"]] == ["deploy/broken.yaml", "deploy/template.yaml"]


def test_pull_request_merge_commit(repository):
    """What actions/checkout has: a merge of the branch into main, detached."""
    repository.commit({"deploy/new.yaml": workload("new")})
    repository.git("checkout", "-q", "--detach", "main")
    repository.git("merge", "-q", "--no-ff", "-m", "merge", "change")
    assert told(changes(repository)[1]) == {("added", "new")}
    assert told(changes(repository, since="HEAD^1")[1]) == {("added", "new")}


def test_shallow_clones(repository, tmp_path):
    repository.commit({"deploy/new.yaml": workload("new")})
    repository.git("checkout", "-q", "--detach", "main")
    repository.git("merge", "-q", "--no-ff", "-m", "merge", "change")
    repository.git("branch", "merged")
    url = "file://" + repository.path
    repository.git("clone", "-q", "--depth", "1", "--branch", "merged", url, str(tmp_path / "one"))
    done = coverage(repository, since="origin/main", cwd=tmp_path / "one")
    assert done.returncode == 2 and "there is no revision 'origin/main'" in done.stderr and "fetch-depth: 0" in done.stderr
    repository.git("clone", "-q", "--depth", "2", "--branch", "merged", url, str(tmp_path / "two"))
    _, answer = changes(repository, since="HEAD^1", cwd=tmp_path / "two")
    assert told(answer) == {("added", "new")}, "both sides of the merge are there"
    repository.git("clone", "-q", "--depth", "1", "--no-single-branch", "--branch", "change", url, str(tmp_path / "three"))
    done = coverage(repository, since="origin/main", cwd=tmp_path / "three")
    assert done.returncode == 2 and "fetch-depth: 0" in done.stderr, done.stderr


def test_errors(repository, tmp_path):
    done = coverage(repository, since="no/such")
    assert done.returncode == 2 and "there is no revision 'no/such'" in done.stderr and "fetch-depth" not in done.stderr
    assert coverage(repository, since="--all").returncode == 2
    assert coverage(repository, since="HEAD:deploy").returncode == 2, "a tree is no commit"
    repository.git("checkout", "-q", "--orphan", "alone")
    repository.commit({"x": "y"})
    done = coverage(repository)
    assert done.returncode == 2 and "have no commit in common" in done.stderr
    plain = tmp_path / "plain"
    (plain / "deploy").mkdir(parents=True)
    (plain / "runbooks").mkdir()
    done = coverage(repository, cwd=plain)
    assert done.returncode == 2 and "is in no Git repository" in done.stderr
    empty = Repository(tmp_path / "empty")
    empty.write("deploy/x.yaml", workload("x"))
    empty.write("runbooks/x.md", "# x\n")
    done = coverage(empty, since="HEAD")
    assert done.returncode == 2 and "has no commit yet" in done.stderr


def submodule(repository, tmp_path):
    inner = Repository(tmp_path / "inner")
    inner.commit({"deploy/inside.yaml": workload("inside"), "deploy/stays.yaml": workload("stays")})
    repository.git("-c", "protocol.file.allow=always", "submodule", "-q", "add", inner.path, "deploy/vendor")
    repository.commit()
    repository.git("branch", "-f", "main")
    return inner


def test_submodules(repository, tmp_path):
    inner = submodule(repository, tmp_path)
    assert told(changes(repository)[1]) == set()
    inner.commit({"deploy/inside.yaml": workload("inside", image="2"), "deploy/extra.yaml": workload("extra")})
    vendor = os.path.join(repository.path, "deploy/vendor")
    subprocess.run(["git", "-C", vendor, "pull", "-q"], check=True)
    repository.commit()
    _, answer = changes(repository)
    assert told(answer) == {("modified", "inside"), ("added", "extra")}
    assert {c["file"] for c in answer["changes"]["workloads"]} == {"deploy/vendor/deploy/inside.yaml", "deploy/vendor/deploy/extra.yaml"}
    clone = tmp_path / "clone"
    repository.git("clone", "-q", repository.path, str(clone))
    code, answer = changes(repository, since="origin/main", cwd=clone)
    assert code == 0 and [(s["file"], s["reason"]) for s in answer["skipped"]] == [("deploy/vendor", "a submodule that is not checked out")]
    assert changes(repository, "--strict", since="origin/main", cwd=clone)[0] == 1


def test_another_repository_counts_as_unchanged(repository, tmp_path):
    other = Repository(tmp_path / "books")
    other.commit({"checkout.md": "# c\n"})
    inside = Repository(os.path.join(repository.path, "deploy/checked-out"))
    inside.commit({"x.yaml": workload("foreign")})
    repository.commit({"deploy/new.yaml": workload("new")}) if False else repository.write("deploy/new.yaml", workload("new"))
    _, answer = changes(repository, "--runbooks", other.path)
    assert told(answer) == {("added", "new")} and answer["changes"]["documents"] == []


def test_baseline_and_minimum_judge_what_was_touched(repository):
    repository.commit({"deploy/new.yaml": workload("new"), "deploy/checkout.yaml": workload("checkout", image="2")})
    assert coverage(repository).returncode == 1
    assert coverage(repository, "--min", "50").returncode == 0
    assert coverage(repository, "--min", "51").returncode == 1
    repository.write("known.json", '{"gaps": ["deployment/prod/new"]}')
    assert coverage(repository, "--baseline", "known.json").returncode == 0


def test_people_read_it_too(repository):
    repository.git("rm", "-q", "deploy/old.yaml")
    repository.commit({"deploy/new.yaml": workload("new", kind="DaemonSet"), "runbooks/env.md": runbook({"labels.env": "prod"})})
    text = coverage(repository).stdout
    assert "since main" in text and "+ daemonset/prod/new" in text and "- deployment/prod/old" in text, text
    assert "Disk now starts runbooks/env.md" in text
    markdown = coverage(repository, "--format", "markdown").stdout
    assert "| `added` | `daemonset/prod/new` | `deploy/new.yaml:1` |" in markdown, markdown
    assert "| `Disk` | `now starts` | `runbooks/env.md` |" in markdown
    github = coverage(repository, "--format", "github").stdout
    assert "deploy/new.yaml" in github and "debt.yaml" not in github
