"""examples/: what a team would start from is clean, complete and tested as it says."""
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from .support.server import HIKESHI

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
RUNBOOKS = sorted(path for path in (EXAMPLES / "runbooks").glob("*.md"))


def hikeshi(*args, cwd=EXAMPLES):
    return subprocess.run([HIKESHI, *args], cwd=cwd, capture_output=True, text=True, timeout=120, env=dict(os.environ, NO_COLOR="1"))


def front_matter(path):
    return yaml.safe_load(path.read_text().split("---\n")[1])


def cases(path):
    return yaml.safe_load(path.with_suffix(".test.yaml").read_text())["cases"]


def alerts():
    return {rule["alert"] for file in (EXAMPLES / "alerts").glob("*.yaml") for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]}


def test_lint_finds_nothing():
    done = hikeshi("lint", "--alerts", "alerts", "--json", ".")
    answer = json.loads(done.stdout)
    assert done.returncode == 0 and answer["findings"] == [], done.stdout
    assert answer["runbooks"] >= 15 and answer["tests"] == answer["runbooks"]


def test_everything_is_covered():
    done = hikeshi("coverage", "--strict", "--manifests", "deploy", "--alerts", "alerts", "--runbooks", "runbooks", "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == 0 and answer["summary"]["percent"] == 100, done.stdout


def test_all_cases_pass_and_reach_every_step_and_branch():
    done = hikeshi("test", "--coverage")
    assert done.returncode == 0, done.stdout + done.stderr
    steps, of_steps, branches, of_branches = map(int, re.search(r"cases run (\d+) of (\d+) steps and (\d+) of (\d+) branches", done.stdout).groups())
    assert (steps, branches) == (of_steps, of_branches), done.stdout
    assert steps >= 50 and branches >= 80


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_each_runbook_has_the_cases_that_matter(path):
    front, text, tests = front_matter(path), path.read_text(), cases(path)
    expected = [case["expect"] for case in tests]
    assert any(expect.get("state", "succeeded") == "succeeded" for expect in expected)
    assert any(answer.get("error") for case in tests for answers in case["hosts"].values() for answer in answers), "no host is away"
    if "approve:" in text:
        assert any(expect.get("state") in ("denied", "expired") for expect in expected), "nobody refuses"
        assert any(expect.get("verified") is False for expect in expected), "it always helps"
        assert any("skipped" in expect.get("steps", {}).values() and expect.get("state", "succeeded") == "succeeded" for expect in expected), "there is always something to do"
        assert re.search(r"shows: \[", text) and "verify: true" in text
    for trigger in (trigger for trigger in front["triggers"] if trigger["kind"] == "incident"):
        names = trigger["match"]["alert"]
        names = names if isinstance(names, list) else [names]
        assert set(names) <= alerts()
        assert any(case.get("alert", {}).get("name") in names for case in tests), "no case comes from the alert"


def test_each_runbook_reads_well():
    for path in RUNBOOKS:
        prose = re.sub(r"```.*?```", "", path.read_text().split("---\n", 2)[2], flags=re.S)
        assert len(prose.split()) >= 60, f"{path.name} says too little"


def test_the_readme_names_every_runbook():
    readme = (EXAMPLES / "README.md").read_text()
    for path in RUNBOOKS:
        assert f"](runbooks/{path.name})" in readme, path.name
    for name in re.findall(r"\]\((runbooks/[^)]+)\)", readme):
        assert (EXAMPLES / name).is_file(), name


def test_a_newcomer_can_follow_the_readme(tmp_path):
    """Every command of its list that needs no host, in a copy with a host of theirs."""
    ops = tmp_path / "ops"
    shutil.copytree(EXAMPLES, ops)
    subprocess.run(["git", "init", "-q", str(ops)], check=True)
    readme = (EXAMPLES / "README.md").read_text()
    mine = re.search(r"^    (mine: .*)$", readme, re.M)[1]
    with open(ops / "hikeshi/inventory.yaml", "a") as inventory:
        inventory.write(f"  {mine}\n")
    lines = [line.strip() for line in readme.splitlines() if line.startswith("    hikeshi ")]
    tried = 0
    for line in lines:
        for command in line.split(" && "):
            words = command.split()[1:]
            if words[0] in ("lint", "test", "coverage") and "runbooks/mine.test.yaml" not in words:
                done = hikeshi(*words, cwd=ops)
                assert done.returncode == 0, command + "\n" + done.stdout + done.stderr
                tried += 1
    assert tried >= 6
