"""The commands over the API, against a real server, a real repository and a real sshd."""
import json
import os
import pty
import subprocess

import pytest

from .support.process import wait_for
from .support.server import HIKESHI

CHANGE = """---
hikeshi: 1
title: Change a file
owner: storage
hosts: "role=db"
params:
  file: {type: string, required: true}
  text: {type: string, default: "-"}
triggers: [{kind: manual}, {kind: schedule, id: daily, cron: "@daily", params: {file: /tmp/x}}]
---
## Look
```lua {step=look effect=read}
data.seen = ssh("db-1"):run{"echo", "\\27[2Jhostile " .. params.text}.stdout
report.metric("seen", 1)
note("looked at {file}", {file = params.file})
```
## Change
```lua {step=change}
--| approve: one
--| hosts: name=db-1
--| shows: [data.seen]
ssh("db-1"):run{"touch", params.file}
```
"""

FAILS = """---
hikeshi: 1
owner: storage
---
## Fail
```lua {step=fail}
fail("on purpose")
```
"""


@pytest.fixture
def ready(site):
    site.publish({"runbooks/change.md": CHANGE, "runbooks/fails.md": FAILS, "runbooks/notes.md": "# Notes\n"})
    return site.server


def as_approver(server, tmp_path):
    """Options for somebody who did not start the run."""
    file = tmp_path / "approver-token"
    file.write_text(server.cli("token", "create", "--data", server.data, "--name", "ben", "--role", "approver").stdout)
    return ["--token-file", str(file)]


def test_start_follow_approve_and_the_exit_statuses(ready, tmp_path):
    file = tmp_path / "made"
    text = tmp_path / "text"
    text.write_text("from a file\n")
    out = ready.cli("start", "change", "-p", f"file={file}", "-p", f"text=@{text}", "--wait", "--follow", check=False)
    assert out.returncode == 5, (out.stdout, out.stderr)  # it waits for a person
    assert "[look] db-1: hostile from a file\n" in out.stdout and "\x1b" not in out.stdout
    assert "[change] waits for approval (policy one)" in out.stdout
    approval = out.stdout.split("hikeshi approvals approve ")[1].split()[0]
    run = out.stdout.split()[0]

    shown = ready.cli("approvals", "show", approval).stdout
    assert "0 of 1 given by role approver or role admin" in shown
    assert 'ssh("db-1"):run{"touch", params.file}' in shown and str(file) in shown and "\x1b" not in shown
    digest = json.loads(ready.cli("approvals", "show", approval, "--json").stdout)["digest"]
    assert ready.cli("approvals", "approve", approval, check=False).returncode == 2  # no terminal, no digest
    void = ready.cli("approvals", "approve", approval, "--digest", "v1:sha256:" + "0" * 64, check=False)
    assert void.returncode == 4 and not file.exists()
    live = subprocess.Popen([HIKESHI, "runs", "log", run, "--follow"], stdout=subprocess.PIPE, text=True,
                            env=dict(os.environ, HIKESHI_SERVER=ready.url, HIKESHI_TOKEN=ready.token))
    ready.cli("approvals", "approve", approval, "--digest", digest, "--reason", "fine", *as_approver(ready, tmp_path))
    assert live.communicate(timeout=60)[0].endswith("run succeeded\n") and live.returncode == 0  # followed through the wait

    end = ready.cli("runs", "log", run, "--follow", "--json")
    events = [json.loads(line) for line in end.stdout.splitlines()]
    assert events[0]["kind"] in ("run", "run_start") and {"kind": "note"}.items() <= [e for e in events if e["kind"] == "note"][0].items()
    assert file.exists() and ready.cli("runs", "log", run, "--follow").returncode == 0
    page = ready.cli("runs", "show", run).stdout
    assert "looked at" in page and "succeeded" in page and "Look" in page
    again = ready.cli("runs", "rerun", run, "--reason", "again", "--json")
    assert json.loads(again.stdout)["rerun_of"] == run or json.loads(again.stdout)["id"] != run


def test_a_failed_run_is_exit_status_1(ready):
    out = ready.cli("start", "fails", "--wait", "--json", check=False)
    assert out.returncode == 1
    assert json.loads(out.stdout)["state"] == "failed"
    assert ready.cli("start", "fails", "-p", "x=1", check=False).returncode == 2  # no such param
    assert ready.cli("start", "nothing", check=False).returncode == 1
    assert ready.cli("runs", "show", "run_nothing", check=False).returncode == 1


def test_approving_on_a_terminal_shows_and_asks(ready, tmp_path):
    file = tmp_path / "made"
    run = ready.start_run("change", {"file": str(file)})
    ready.wait_run(run, {"waiting"})
    approval = wait_for(lambda: [a for a in ready.items("/approvals") if a["run"] == run], "the request")[0]["id"]

    options = as_approver(ready, tmp_path)

    def answer(words):
        leader, follower = pty.openpty()
        env = dict(os.environ, HIKESHI_SERVER=ready.url, HIKESHI_TOKEN=ready.token, TERM="xterm")
        process = subprocess.Popen([HIKESHI, "approvals", "approve", approval, *options], stdin=follower, stdout=follower, stderr=follower, env=env)
        os.close(follower)
        seen = b""
        try:
            while b"Type 'approve'" not in seen:
                seen += os.read(leader, 4096)
            os.write(leader, words)
            while process.poll() is None:
                seen += os.read(leader, 4096)
        except OSError:  # the other side is closed
            pass
        os.close(leader)
        return process.wait(timeout=30), seen.decode()

    status, seen = answer(b"yes\n")
    assert status == 1 and "nothing was decided" in seen and not file.exists()
    status, seen = answer(b"approve\n")
    assert status == 0 and '"touch", params.file' in seen
    assert ready.wait_run(run)["state"] == "succeeded"


def test_deny_and_cancel(ready, tmp_path):
    run = ready.start_run("change", {"file": str(tmp_path / "never")})
    ready.wait_run(run, {"waiting"})
    approval = json.loads(ready.cli("approvals", "list", "--json").stdout)["items"][0]
    ready.cli("approvals", "deny", approval["id"], "--digest", approval["digest"])
    assert ready.cli("runs", "log", run, "--follow", check=False).returncode == 4
    run = ready.start_run("change", {"file": str(tmp_path / "never")})
    ready.wait_run(run, {"waiting"})
    ready.cli("runs", "cancel", run, "--reason", "not now")
    assert ready.wait_run(run)["state"] == "cancelled" and not (tmp_path / "never").exists()


def test_listings(ready):
    for words in (["runs"], ["approvals"], ["incidents"], ["sources"], ["sources", "deliveries"], ["runbooks"], ["runbooks", "findings"],
                  ["schedules"], ["hosts"], ["token"]):
        assert ready.cli(*words).stdout.strip(), words
        assert isinstance(json.loads(ready.cli(*words, "--json").stdout)["items"], list), words
    books = {b["id"]: b["kind"] for b in json.loads(ready.cli("runbooks", "list", "--json").stdout)["items"]}
    assert books == {"change": "runbook", "fails": "runbook", "notes": "document"}
    assert "daily" in ready.cli("schedules", "list").stdout
    assert "Look" in ready.cli("runbooks", "show", "change").stdout
    assert "db-1" in ready.cli("hosts", "list", "--filter", "role=db").stdout
    assert ready.cli("hosts", "list", "--filter", "role=", check=False).returncode == 2


def test_tokens(ready, tmp_path):
    made = ready.cli("token", "create", "--name", "temp", "--role", "viewer", "--expires", "1d").stdout.strip()
    as_viewer = ["--token-file", str(tmp_path / "token")]
    (tmp_path / "token").write_text(made)
    assert ready.cli("runs", *as_viewer).returncode == 0
    assert ready.cli("start", "fails", *as_viewer, check=False).returncode == 4
    (tmp_path / "wrong").write_text("hks_wrong\n")
    assert ready.cli("runs", "--token-file", str(tmp_path / "wrong"), check=False).returncode == 4
    token = [t for t in json.loads(ready.cli("token", "list", "--json").stdout)["items"] if t["name"] == "temp"][0]
    assert made not in json.dumps(token)
    ready.cli("token", "revoke", token["id"])
    assert ready.cli("runs", *as_viewer, check=False).returncode == 4
    local = ready.cli("token", "create", "--data", ready.data, "--name", "local", "--role", "admin").stdout
    (tmp_path / "local").write_text(local)
    # a server reads tokens that others made at most once a second
    wait_for(lambda: ready.cli("token", "list", "--token-file", str(tmp_path / "local"), check=False).returncode == 0, "the local token")
    assert ready.cli("token", "create", "--name", "x", "--role", "king", check=False).returncode == 2


def test_explain_says_why(site):
    site.publish({"runbooks/disk.md": """---
triggers: [{kind: incident, match: {alert: NodeDiskFull, labels.env: prod}, for_each: alert}]
---
```lua {step=a}
```
"""})
    server = site.server
    alert = {"status": "firing", "labels": {"alertname": "NodeDiskFull", "env": "stage"}, "annotations": {}, "generatorURL": "",
             "startsAt": "2026-01-01T00:00:00Z", "endsAt": "0001-01-01T00:00:00Z", "fingerprint": "1"}
    body = {"version": "4", "groupKey": "g", "status": "firing", "receiver": "r", "groupLabels": {}, "commonLabels": {},
            "commonAnnotations": {}, "externalURL": "", "truncatedAlerts": 0, "alerts": [alert]}
    status, _ = server.request("POST", "/hooks/am", body, token=None, headers={"Authorization": "Bearer am-token"})
    assert status == 200

    def explained():
        items = json.loads(server.cli("sources", "deliveries", "--json").stdout)["items"]
        return items and items[0]["incident"] and items[0]["id"]
    delivery = wait_for(explained, "the delivery to be worked on")
    said = server.cli("sources", "explain", delivery).stdout
    assert "no  labels.env: wanted prod, got stage" in said and "yes alert: wanted NodeDiskFull, got NodeDiskFull" in said
    server.cli("sources", "replay", delivery)
    incident = json.loads(server.cli("incidents", "list", "--json").stdout)["items"][0]["id"]
    assert "NodeDiskFull" in server.cli("incidents", "show", incident).stdout
