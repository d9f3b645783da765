"""serve: start, credentials, the runner beside it, restart, drain. What is HTTP alone is in tests/unit/test_server.c and test_routes.c."""
import json
import os
import signal
import stat
import subprocess
import urllib.request

import pytest

from .support.process import wait_for
from .support.repository import Repository
from .support.server import HIKESHI, Server

READ_STEP = "---\ntitle: Nothing\n---\n# Nothing\n\n```lua {step=look effect=read}\nlog('hello')\n```\n"


@pytest.fixture
def repository(tmp_path):
    repository = Repository(tmp_path / "ops")
    repository.commit({"runbooks/nothing.md": READ_STEP, "runbooks/db/deep.md": "# Deep\n\nA document.\n"})
    return repository


@pytest.fixture
def server(tmp_path, repository):
    server = Server(tmp_path / "serve", f'repositories: {{ops: {{url: "{repository.path}", branch: main, path: runbooks}}}}\n')
    server.wait_ready()
    yield server
    server.stop()


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [int(child) for child in f.read().split()]


def runner_of(server):
    for pid in children(server.process.pid):
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            if b"runner" in f.read().split(b"\0"):
                return pid
    return None


def test_the_first_token_is_printed_once(server):
    printed = server.process.output()
    assert server.token in printed and "admin token" in printed
    mode = stat.S_IMODE(os.stat(os.path.join(server.data, "admin-token")).st_mode)
    assert mode == 0o600
    server.restart()
    assert server.token not in server.process.output()
    assert server.request("GET", "/api/v1/runs")[0] == 200


def test_no_token_no_answer(server):
    assert server.request("GET", "/api/v1/runs", token=None)[0] == 401
    assert server.request("GET", "/api/v1/runs", token="hks_nonsense")[0] == 401
    status, problem = server.request("GET", "/", token=None)
    assert status == 404 and problem["code"] == "not_found"


def test_a_token_of_the_command_line_works_at_once(server):
    made = subprocess.run([HIKESHI, "token", "create", "--data", server.data, "--role", "viewer", "--name", "box"],
                          capture_output=True, text=True, check=True)
    token = made.stdout.split()[-1]
    assert server.request("GET", "/api/v1/runs", token=token)[0] == 200
    assert server.request("POST", "/api/v1/runs", {"runbook": "nothing"}, token=token)[0] == 403


def test_runbooks_with_slashes(server):
    assert [item["id"] for item in server.items("/runbooks")] == ["db/deep", "nothing"]
    assert server.get("/runbooks/db/deep")["title"] == "Deep"
    assert server.get("/runbooks/db%2Fdeep")["title"] == "Deep"


def test_the_log_follows_to_the_end(server):
    run_id = server.start_run("nothing")
    ask = urllib.request.Request(f"{server.url}/api/v1/runs/{run_id}/log",
                                 headers={"Authorization": f"Bearer {server.token}", "Accept": "text/event-stream"})
    with urllib.request.urlopen(ask, timeout=60) as stream: # reads on until the server ends it
        said = stream.read().decode().splitlines()
    names = [line.split(": ")[1] for line in said if line.startswith("event: ")]
    ids = [int(line.split(": ")[1]) for line in said if line.startswith("id: ")]
    events = [json.loads(line[6:]) for line in said if line.startswith("data: ")]
    assert names[-1] == "end" and "step_end" in names and "output" in names
    assert ids == sorted(set(ids))
    assert any(e.get("text", "").startswith("hello") for e in events)
    assert server.run(run_id)["state"] == "succeeded"
    assert {e["n"] for e in events if "n" in e} == {e["n"] for e in server.items(f"/runs/{run_id}/log")}


@pytest.mark.parametrize("expires", [None, "1s"])
def test_a_stream_ends_with_its_token(server, repository, expires):
    repository.commit({"runbooks/long.md": READ_STEP.replace("effect=read", "effect=read wait=1h")})
    server.request("POST", "/api/v1/repositories/fetch")
    wait_for(lambda: "long" in [item["id"] for item in server.items("/runbooks")], "the runbook")
    run_id = server.start_run("long")
    server.wait_run(run_id, {"waiting"})
    made = server.request("POST", "/api/v1/tokens", {"name": "box", "role": "viewer", **({"expires": expires} if expires else {})})[1]
    ask = urllib.request.Request(f"{server.url}/api/v1/runs/{run_id}/log",
                                 headers={"Authorization": f"Bearer {made['token']}", "Accept": "text/event-stream"})
    with urllib.request.urlopen(ask, timeout=60) as stream:
        assert stream.readline().startswith(b"retry:")
        if not expires:
            assert server.request("DELETE", f"/api/v1/tokens/{made['id']}")[0] in (200, 204)
        rest = stream.read().decode() # until the server ends it
    assert "event: run" in rest and "event: end" not in rest
    assert server.request("GET", "/api/v1/runs", token=made["token"])[0] == 401


def test_an_idempotent_start_is_one_run(server):
    first = server.start_run("nothing", **{"Idempotency-Key": "once"})
    assert server.start_run("nothing", **{"Idempotency-Key": "once"}) == first
    assert server.start_run("nothing", **{"Idempotency-Key": "twice"}) != first


def test_a_dead_runner_is_started_again(server):
    for _ in range(2):
        pid = wait_for(lambda: runner_of(server), "a runner")
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: runner_of(server) not in (None, pid), "another runner")
    run_id = server.start_run("nothing")
    assert server.wait_run(run_id)["state"] == "succeeded"


def test_a_killed_server_leaves_no_runner(server):
    pid = runner_of(server)
    server.process.kill()
    server.process.child.wait()
    wait_for(lambda: not os.path.exists(f"/proc/{pid}") or open(f"/proc/{pid}/stat").read().split(") ")[1][0] == "Z", "the runner's end")
    server.start()
    server.wait_ready()


def test_hangup_fetches_at_once(tmp_path, repository):
    server = Server(tmp_path / "serve", f'repositories: {{ops: {{url: "{repository.path}", branch: main, path: runbooks, poll: 1h}}}}\n',
                    args=["--no-runner"])
    try:
        wait_for(lambda: len(server.items("/runbooks")) == 2, "the first fetch")
        repository.commit({"runbooks/new.md": "# New\n"})
        server.process.kill(signal.SIGHUP)
        wait_for(lambda: len(server.items("/runbooks")) == 3, "the fetch after SIGHUP")
    finally:
        server.stop()


def test_wrong_configuration_is_told_with_its_place(tmp_path):
    path = tmp_path / "hikeshi.yaml"
    path.write_text("listen: 127.0.0.1:0\nlisen: x\n")
    done = subprocess.run([HIKESHI, "serve", "--config", str(path), "--data", str(tmp_path / "data")], capture_output=True, text=True, timeout=30)
    assert done.returncode != 0
    assert "hikeshi.yaml:2" in done.stderr and "listen" in done.stderr


def test_an_address_in_use_is_told(server, tmp_path):
    done = subprocess.run([HIKESHI, "serve", "--listen", server.listen, "--data", str(tmp_path / "other"), "--no-runner"],
                          capture_output=True, text=True, timeout=30, cwd=tmp_path)
    assert done.returncode != 0
    assert server.listen in done.stderr and "in use" in done.stderr
