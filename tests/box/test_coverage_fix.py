"""hikeshi coverage --fix: skeleton documents, where they belong, and nothing else."""
import json
import os
import subprocess

import pytest

from .support.repository import Repository
from .support.server import HIKESHI

RULES = "groups: [{name: g, rules: [{alert: DiskFull, expr: up, labels: {severity: page, team: storage}}]}]\n"


def workload(name, namespace="prod", kind="Deployment"):
    return "---\n" + json.dumps({"kind": kind, "metadata": {"name": name, "namespace": namespace, "labels": {"owner": "payments"}}}) + "\n"


@pytest.fixture
def repository(tmp_path):
    r = Repository(tmp_path / "repo")
    r.commit({"deploy/a.yaml": workload("checkout") + workload("checkout", "stage"), "deploy/rules.yaml": RULES, "docs/runbooks/x.md": "# x\n"})
    return r


def coverage(repository, *args):
    return subprocess.run([HIKESHI, "coverage", "--manifests", "deploy", "--runbooks", "docs/runbooks", *args], cwd=repository.path, capture_output=True,
                          text=True, timeout=120)


def files(repository):
    found = set()
    for folder, _, names in os.walk(repository.path):
        found |= {os.path.relpath(os.path.join(folder, n), repository.path) for n in names if "/.git" not in folder}
    return found


def lint(repository):
    return subprocess.run([HIKESHI, "lint", "docs/runbooks", "--format", "json"], cwd=repository.path, capture_output=True, text=True)


def test_fix(repository):
    before = files(repository)
    text = coverage(repository).stdout
    assert "→ docs/runbooks/checkout.md" in text and "→ docs/runbooks/DiskFull.md" in text and files(repository) == before
    done = coverage(repository, "--fix", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["summary"]["percent"] == 100
    assert files(repository) - before == {"docs/runbooks/checkout.md", "docs/runbooks/DiskFull.md"}
    assert sorted(done.stderr.splitlines()) == ["hikeshi coverage: created docs/runbooks/DiskFull.md", "hikeshi coverage: created docs/runbooks/checkout.md"]
    with open(os.path.join(repository.path, "docs/runbooks/checkout.md")) as f:
        page = f.read()
    assert page.startswith('---\ntitle: "checkout"\nowner: "payments"\ncovers:\n  - "deployment/prod/checkout"\n  - "deployment/stage/checkout"\n---\n# `checkout`\n')
    assert json.loads(lint(repository).stdout)["findings"] == []
    again = coverage(repository, "--fix")
    assert again.returncode == 0 and again.stderr == "" and "nobody has written this document yet" in again.stdout


def test_nothing_is_overwritten(repository):
    repository.write("hikeshi/coverage.yaml", "ignore: [checkout.md]\n")
    repository.write("docs/runbooks/checkout.md", "mine\n")
    os.symlink("/nowhere/evil.md", os.path.join(repository.path, "docs/runbooks/DiskFull.md"))
    done = coverage(repository, "--fix")
    assert done.returncode == 1 and done.stderr.count("did not create") == 2
    assert open(os.path.join(repository.path, "docs/runbooks/checkout.md")).read() == "mine\n"
    assert os.path.islink(os.path.join(repository.path, "docs/runbooks/DiskFull.md"))


HOSTILE = ["../../escape", "/etc/passwd", "..", ".hidden", "a/b", "a b", "-rf", "x\n---\nhikeshi: 1", "```lua {step=go}", "é\u202eü", "{{ .Values.x }}", "'\"\\",
           "con: [", "A" * 400, "%2e%2e/", "`tick`", "<script>", "---", "x\r\ny\u0000z"[:4]]


def test_hostile_names_stay_in_the_folder(repository, tmp_path):
    repository.write("deploy/evil.yaml", "".join(workload(name, kind="Job") for name in HOSTILE))
    outside = set(os.listdir(tmp_path))
    before = files(repository)
    done = coverage(repository, "--fix", "--json")
    assert done.returncode == 0, done.stderr
    new = files(repository) - before
    assert len(new) > 10 and all(os.path.dirname(f) == "docs/runbooks" and not os.path.basename(f).startswith((".", "-")) for f in new), new
    assert all(len(os.path.basename(f)) <= 203 for f in new) and set(os.listdir(tmp_path)) == outside
    answer = json.loads(done.stdout)
    assert all(w["covered_by"] for w in answer["workloads"])
    listed = json.loads(lint(repository).stdout)
    assert [f for f in listed["findings"] if f["level"] == "error"] == [] and listed["runbooks"] == 0, "a skeleton is a document, whatever it is called"


def test_only_new_gaps_are_fixed(repository):
    assert coverage(repository, "--baseline", "known.json", "--write-baseline").returncode == 0
    before = files(repository)
    assert coverage(repository, "--baseline", "known.json", "--fix").returncode == 0 and files(repository) == before
    repository.commit()
    repository.git("checkout", "-q", "-b", "change")
    repository.write("deploy/new.yaml", workload("new"))
    assert coverage(repository, "--changed-since", "main", "--fix").returncode == 0
    assert files(repository) - before == {"deploy/new.yaml", "docs/runbooks/new.md"}
    assert coverage(repository, "--baseline", "x", "--write-baseline", "--fix").returncode == 2


def test_a_folder_that_cannot_be_written(repository):
    done = subprocess.run([HIKESHI, "coverage", "--manifests", "deploy", "--runbooks", "/proc/self/task", "--fix"], cwd=repository.path, capture_output=True, text=True)
    assert done.returncode == 1 and "did not create" in done.stderr
