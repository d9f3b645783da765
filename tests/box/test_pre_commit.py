"""The hooks, run by pre-commit itself at a commit: the configuration of docs/lint.md, and .pre-commit-hooks.yaml."""
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from .support.server import HIKESHI

ROOT = Path(__file__).resolve().parents[2]
GOOD = '---\nhikeshi: 1\nhosts: "name=db-1"\n---\n# Look\n```lua {step=look effect=read}\nlog(ssh("db-1"):run{"uptime"}.stdout)\n```\n'
CASE = "cases:\n  - name: looks\n    hosts: {db-1: [{run: [uptime], stdout: up}]}\n    expect: {steps: {look: ok}}\n"


@pytest.fixture
def git(tmp_path):
    (tmp_path / "bin").mkdir()
    os.symlink(os.path.abspath(HIKESHI), tmp_path / "bin/hikeshi")
    env = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "HOME": str(tmp_path), "PRE_COMMIT_HOME": str(tmp_path / "cache"),
           "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.com", "GIT_COMMITTER_NAME": "a",
           "GIT_COMMITTER_EMAIL": "a@example.com"}

    def run(folder, *argv):
        return subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True)
    return run


def of_docs(_tmp_path, _git):
    return re.search(r"^```yaml\n(repos:\n.*?)^```", (ROOT / "docs/lint.md").read_text(), re.M | re.S)[1]


def of_repository(tmp_path, git):
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    shutil.copy(ROOT / ".pre-commit-hooks.yaml", hooks)
    for argv in (["git", "init", "-q"], ["git", "add", "-A"], ["git", "commit", "-qm", "hooks"]):
        assert git(hooks, *argv).returncode == 0
    commit = git(hooks, "git", "rev-parse", "HEAD").stdout.strip()
    return f"repos:\n  - repo: {hooks}\n    rev: {commit}\n    hooks: [{{id: hikeshi-lint}}, {{id: hikeshi-test}}]\n"


@pytest.mark.skipif(not shutil.which("pre-commit"), reason="pre-commit is not installed")
@pytest.mark.parametrize("configuration", [of_docs, of_repository])
def test_a_commit_with_findings_is_refused(tmp_path, git, configuration):
    root = tmp_path / "ops"
    for name, text in {".pre-commit-config.yaml": configuration(tmp_path, git), "hikeshi/inventory.yaml": "hosts: {db-1: {}}\n",
                       "runbooks/look.md": GOOD, "runbooks/look.test.yaml": CASE}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)

    def commit():
        git(root, "git", "add", "-A")
        return git(root, "git", "commit", "-m", "change")

    assert git(root, "git", "init", "-q").returncode == 0
    assert git(root, "pre-commit", "install").returncode == 0
    done = commit()
    assert done.returncode == 0, done.stdout + done.stderr
    (root / "runbooks/look.md").write_text(GOOD.replace("log(", "logg("))
    done = commit()
    assert done.returncode != 0 and "there is no 'logg' here" in done.stdout + done.stderr
    (root / "runbooks/look.md").write_text(GOOD.replace("uptime", "w"))
    done = commit()
    assert done.returncode != 0 and "the step asks for something else than the case" in done.stdout + done.stderr
    (root / "runbooks/look.md").write_text(GOOD.replace("# Look", "# Look around"))
    assert commit().returncode == 0
    (root / "notes.txt").write_text("no hook looks at this")
    done = commit()
    assert done.returncode == 0 and "Skipped" in done.stdout + done.stderr
