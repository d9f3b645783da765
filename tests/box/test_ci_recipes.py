"""The recipes of docs/coverage.md and the pre-commit hooks: what people copy does what the page says."""
import os
import re
import shlex
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import yaml

from .support import actions_runner
from .support.server import HIKESHI

ROOT = actions_runner.ACTION.parent
DEPLOYMENT = "kind: Deployment\nmetadata: {{name: {}, namespace: prod}}\n"


def recipe(name):
    """The YAML block of docs/coverage.md that begins with "# NAME"."""
    blocks = re.findall(r"^```yaml\n# (\S+)\n(.*?)^```$", (ROOT / "docs/coverage.md").read_text(), re.M | re.S)
    return yaml.safe_load(dict(blocks)[name])


@pytest.fixture
def repository(tmp_path):
    """Covered but for one debt that is in the baseline; then a commit that adds a gap. `hikeshi` is on PATH."""
    bin_folder, root = tmp_path / "bin", tmp_path / "repository"
    for folder in (bin_folder, root, root / "deploy", root / "alerts", root / "runbooks", root / "hikeshi"):
        folder.mkdir()
    (bin_folder / "hikeshi").symlink_to(HIKESHI)
    env = {**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}", "HOME": str(tmp_path), "GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_0": "user.name",
           "GIT_CONFIG_VALUE_0": "t", "GIT_CONFIG_KEY_1": "user.email", "GIT_CONFIG_VALUE_1": "t@example.com"}

    def run(*command):
        return subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, timeout=120)
    run("git", "init", "-q", "-b", "main")
    (root / "deploy/debt.yaml").write_text(DEPLOYMENT.format("debt"))
    (root / "runbooks/a.md").write_text("# a\n")
    (root / "hikeshi/coverage-baseline.json").write_text('{"gaps": ["deployment/prod/debt"]}')
    run("git", "add", "-A")
    run("git", "commit", "-q", "-m", "first")
    run("git", "update-ref", "refs/remotes/origin/main", "HEAD")
    return root, run


def test_github(repository, tmp_path):
    root, _ = repository
    job = recipe(".github/workflows/runbooks.yaml")["jobs"]["coverage"]
    checkout, coverage = job["steps"]
    assert checkout["with"]["fetch-depth"] == 0
    done = actions_runner.run(root, tmp_path, {**coverage["with"], "binary": HIKESHI}, {"GITHUB_EVENT_NAME": "push"})
    assert done.status == 0 and done.outputs["gaps"] == "1"
    (root / "deploy/new.yaml").write_text(DEPLOYMENT.format("new"))
    done = actions_runner.run(root, tmp_path, {**coverage["with"], "binary": HIKESHI}, {"GITHUB_EVENT_NAME": "push"})
    assert done.status == 1 and done.outputs["gaps"] == "2"


def test_github_inputs_and_outputs_are_documented():
    action = actions_runner.load()
    rows = {}
    for kind, body in re.findall(r"^\| (input|output) \| is \|\n\|---\|---\|\n((?:\|.*\n)+)", (ROOT / "docs/coverage.md").read_text(), re.M):
        rows[kind] = set(re.findall(r"`([a-z0-9-]+)`", " ".join(line.split("|")[1] for line in body.splitlines())))
    assert rows == {"input": set(action["inputs"]), "output": set(action["outputs"])}


def test_gitlab(repository):
    root, run = repository
    job = recipe(".gitlab-ci.yml")["runbook-coverage"]
    base = run("git", "rev-parse", "HEAD").stdout.strip()
    script = ["bash", "-c", "set -eo pipefail; export CI_MERGE_REQUEST_DIFF_BASE_SHA=" + base + "\n" + "\n".join(job["script"])]
    report = root / job["artifacts"]["reports"]["junit"]
    assert run(*script).returncode == 0 and ElementTree.parse(report).getroot().get("tests") == "0"
    (root / "deploy/new.yaml").write_text(DEPLOYMENT.format("new"))
    assert run(*script).returncode == 1
    failed = [case.get("name") for case in ElementTree.parse(report).iter("testcase") if case.find("failure") is not None]
    assert failed == ["deployment/prod/new"]


def test_pre_commit(repository):
    root, run = repository
    hooks = {hook["id"]: hook for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}
    (used,) = recipe(".pre-commit-config.yaml")["repos"]
    assert {hook["id"] for hook in used["hooks"]} <= set(hooks)

    def commit(given):
        hook = hooks[given["id"]]
        assert hook["language"] == "system" and hook["pass_filenames"] is False
        assert re.search(hook["files"], "runbooks/a.md") and re.search(hook["files"], "deploy/a.yaml") and not re.search(hook["files"], "a.c")
        return run(*shlex.split(hook["entry"]), *given.get("args", []))
    for given in used["hooks"]:
        done = commit(given)
        assert done.returncode == 0, (given, done.stdout, done.stderr)
    (root / "deploy/new.yaml").write_text(DEPLOYMENT.format("new"))
    (root / "runbooks/bad.md").write_text("---\nhikeshi: 1\nnonsense: 1\n---\n# bad\n")
    for given in used["hooks"]:
        assert commit(given).returncode == 1, given
