"""Inputs: what a step asks its approver for, from every door: API, command line, terminal, options of `run`, test files."""
import json
import os
import pty
import subprocess

import pytest

from .support.process import wait_for
from .support.server import HIKESHI
from .test_run import Folder

FRONT = """hosts: "role=db"
inputs:
  primary: {type: choice, choices: data.candidates, description: who takes over}
  lag: {type: integer, default: 5, minimum: 0, maximum: 60}
"""
STEPS = """## Look
```lua {step=look effect=read}
data.candidates = {"db-2", "db-3"}
```
## Fail over
```lua {step=failover approve=POLICY}
--| hosts: name=db-1
--| asks: [primary, lag]
data.chosen = approval.inputs.primary .. "/" .. approval.inputs.lag
```
## Tell
```sh {step=tell approve=POLICY hosts="name=db-1"}
#| asks: [primary]
echo "to $INPUT_PRIMARY, not '$INPUT_LAG'"
```
"""
RUNBOOK = f"---\nhikeshi: 1\ntitle: Fail over\nowner: storage\n{FRONT}triggers: [{{kind: manual}}]\n---\n# Fail over\n" + STEPS


@pytest.fixture
def folder(tmp_path, sshd):
    return Folder(tmp_path, sshd)


def token(site, name):
    return site.server.cli("token", "create", "--data", site.server.data, "--name", name, "--role", "approver").stdout.split()[-1]


def waiting(site, run, step):
    return wait_for(lambda: [a for a in site.server.items("/approvals?state=waiting") if a["run"] == run and a["step"] == step], step)[0]


def decide(site, approval, who, **more):
    return site.server.request("POST", f"/api/v1/approvals/{approval['id']}/decisions",
                               {"verdict": "approve", "digest": approval["digest"], **more}, token=who)


def test_a_quorum_approves_the_values_of_the_first(site):
    site.publish({"runbooks/failover.md": RUNBOOK.replace("POLICY", "two")})
    aiko, ben = token(site, "aiko@example.com"), token(site, "ben@example.com")
    run = site.server.start_run("failover", {})
    asked = waiting(site, run, "failover")
    assert [(a["name"], a["choices"]) for a in asked["asks"]] == [("primary", ["db-2", "db-3"]), ("lag", None)] and asked["inputs"] is None
    for inputs, problem in (({}, "input 'primary' is missing"), ({"primary": "db-1"}, "input 'primary' must be one of"),
                            ({"primary": "db-2", "lag": 61}, "input 'lag' must be at most 60"),
                            ({"primary": "db-2", "leg": 1}, "input 'leg' is not asked for, did you mean 'lag'?"), ([], "'inputs' must be an object")):
        status, answer = decide(site, asked, aiko, inputs=inputs)[:2]
        assert status == 422 or status == 400, answer
        assert problem in json.dumps(answer), answer
    assert decide(site, asked, aiko, inputs={"primary": "db-3"})[0] == 200
    now = site.server.get(f"/approvals/{asked['id']}")
    assert now["inputs"] == {"primary": "db-3", "lag": 5} and now["digest"] != asked["digest"] and now["state"] == "waiting"
    assert decide(site, asked, ben)[0] == 409, "ben has not seen the values"
    assert decide(site, now, ben, inputs={"primary": "db-2"})[0] == 409, "and may not put in others"
    assert decide(site, now, ben)[0] == 200
    tell = waiting(site, run, "tell")
    env = {"HIKESHI_TOKEN": aiko}
    shown = site.server.cli("approvals", "show", tell["id"]).stdout
    assert "primary, one of db-2, db-3: who takes over" in shown
    said = site.server.cli("approvals", "approve", tell["id"], "--digest", tell["digest"], "-i", "primary=db-2", env=env).stdout
    digest = site.server.get(f"/approvals/{tell['id']}")["digest"]
    assert "primary = db-2" in said and digest in said, "what the others approve is told"
    site.server.cli("approvals", "approve", tell["id"], "--digest", digest, env={"HIKESHI_TOKEN": ben})
    ended = site.server.wait_run(run)
    assert ended["state"] == "succeeded" and ended["data"]["chosen"] == "db-3/5"
    assert "to db-2, not ''" in site.server.cli("runs", "log", run).stdout


def test_the_command_asks_on_a_terminal(site):
    site.publish({"runbooks/failover.md": RUNBOOK.replace("POLICY", "one").split("## Tell")[0]})
    run = site.server.start_run("failover", {})
    asked = waiting(site, run, "failover")
    own, theirs = pty.openpty()
    env = dict(os.environ, HIKESHI_SERVER=site.server.url, HIKESHI_TOKEN=token(site, "aiko@example.com"), TERM="xterm")
    child = subprocess.Popen([HIKESHI, "approvals", "approve", asked["id"]], stdin=theirs, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    seen = b""
    try:
        for question, line in ((b"one of db-2, db-3: ", b"db-9\n"), (b"one of db-2, db-3: ", b"db-2\n"), (b"integer [5]: ", b"7\n"),
                               (b"Type 'approve' to approve: ", b"approve\n")):
            seen = b""
            while question not in seen:
                seen += os.read(own, 4096)
            os.write(own, line)
        while child.poll() is None:
            seen += os.read(own, 4096)
    except OSError:  # the other side is closed
        pass
    os.close(own)
    assert child.wait(timeout=30) == 0 and site.server.wait_run(run)["data"]["chosen"] == "db-2/7"


def test_choices_that_are_no_list_fail_the_step(site):
    site.publish({"runbooks/failover.md": RUNBOOK.replace("POLICY", "one").replace('{"db-2", "db-3"}', "{}")})
    ended = site.server.wait_run(site.server.start_run("failover", {}))
    assert ended["state"] == "failed"
    assert "input 'primary': 'data.candidates' must be a list" in json.dumps(ended["steps"][1]["error"])


def test_given_in_advance(folder):
    file = folder.runbook(STEPS.replace("POLICY", "one"), FRONT)
    approve = ("--approve", "failover", "--approve", "tell")
    status, run = folder.run_json(file, *approve, "-i", "primary=db-2", "-i", "lag=9")
    assert status == 0 and run["data"]["chosen"] == "db-2/9"
    for more, problem in (((), "input 'primary' is missing"), (("-i", "primary=db-9"), "input 'primary' must be one of")):
        done = folder.run(file, *approve, *more)
        assert done.returncode == 5 and problem in done.stderr and "-i NAME=VALUE" in done.stderr
    done = folder.run(file, "-i", "primry=db-2")
    assert done.returncode == 2 and "no input 'primry'" in done.stderr


def test_typed_on_the_terminal(folder):
    file = folder.runbook(STEPS.replace("POLICY", "one").split("## Tell")[0], FRONT)
    own, theirs = pty.openpty()
    child = subprocess.Popen(folder.argv(file), stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=folder.path,
                             env=folder.env, text=True)
    os.close(theirs)
    said = ""
    for question, line in (("one of db-2, db-3: ", "db-1\n"), ("one of db-2, db-3: ", "db-3\n"), ("lag, integer [5]: ", "\n"), ("[y/N] ", "y\n")):
        said = ""
        while not said.endswith(question):
            piece = child.stdout.read(1)
            assert piece, said
            said += piece
        os.write(own, line.encode())
    rest = child.communicate(timeout=60)[0]
    os.close(own)
    assert child.returncode == 0 and "succeeded" in rest


CASES = """cases:
  - name: fails over
    approvals: {{failover: {{decision: approve, inputs: {inputs}}}}}
    expect: {{data: {{chosen: db-3/5}}}}
"""


@pytest.mark.parametrize("inputs,problem", [
    ("{primary: db-3}", None),
    ("{}", "the approval of 'failover': input 'primary' is missing"),
    ("{primary: db-1}", "input 'primary' must be one of"),
    ("{primary: db-3, primry: 1}", "input 'primry' is not asked for, did you mean 'primary'?"),
])
def test_in_test_files(folder, inputs, problem):
    folder.runbook(STEPS.replace("POLICY", "one").split("## Tell")[0], FRONT)
    folder.write("runbooks/try.test.yaml", CASES.format(inputs=inputs))
    done = subprocess.run([HIKESHI, "test"], capture_output=True, text=True, cwd=folder.path / "ops", timeout=60)
    assert (done.returncode, (problem or "") in done.stdout) == (1 if problem else 0, True), done.stdout + done.stderr


def test_recorded(folder):
    file = folder.runbook(STEPS.replace("POLICY", "one").split("## Tell")[0], FRONT)
    case = folder.path / "ops" / "runbooks" / "try.test.yaml"
    assert folder.run(file, "--approve", "failover", "-i", "primary=db-3", "--record", str(case)).returncode == 0
    assert "primary: db-3" in case.read_text()
    done = subprocess.run([HIKESHI, "test"], capture_output=True, text=True, cwd=folder.path / "ops", timeout=60)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("old,new,problem", [
    ("asks: [primary, lag]", "asks: [primry, lag]", "there is no input 'primry'"),
    ("asks: [primary, lag]", "asks: [lag, lag]", "the input 'lag' is asked for twice"),
    ("asks: [primary, lag]", "asks: [primary]", "this step does not ask for an input 'lag'"),
    ("approve=POLICY}\n--|", "effect=read}\n--|", "'asks' needs 'approve'"),
    ("data.candidates = ", "data.others = ", "no step up to here sets data.candidates"),
    ("choices: data.candidates", "choices: params.x", "'params.x' must be a path that begins with data."),
    ("choices: data.candidates", "from: alert.labels.x", "an input is filled in by the approver and has no 'from'"),
    ("asks: [primary]\n", "timeout: 9s\n", None),
])
def test_lint(folder, old, new, problem):
    assert old in RUNBOOK
    folder.write("runbooks/failover.md", RUNBOOK.replace(old, new).replace("POLICY", "one"))
    done = subprocess.run([HIKESHI, "lint", "--format", "json"], capture_output=True, text=True, cwd=folder.path / "ops", timeout=60)
    messages = [f["message"] for f in json.loads(done.stdout)["findings"] if f["file"].endswith("failover.md") and f["level"] != "note"]
    assert any(problem in m for m in messages) if problem else not messages, messages
