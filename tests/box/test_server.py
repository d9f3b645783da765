"""The server around the main job: credentials, schedules, the outbox, Git, one data folder, draining."""
import os
import subprocess
from datetime import datetime, timedelta, timezone

from .conftest import PD_SECRET, Site
from .support.process import wait_for
from .support.server import HIKESHI

TRUE = """---
hikeshi: 1
title: True
owner: storage
triggers:
{triggers}
---
# True
```lua {{step=go effect=read}}
ssh("db-1"):run{{"true"}}
```
"""
MANUAL = TRUE.format(triggers="  - kind: manual")


def test_first_start_makes_one_admin_token(site):
    server = site.server
    path = os.path.join(server.data, "admin-token")
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert server.process.output().count(server.token) == 1, "printed once"
    server.restart()
    server.wait_ready()
    assert server.process.output().count(server.token) == 0, "not printed at the second start"
    assert server.request("GET", "/api/v1/runs", token=None)[0] == 401
    assert server.request("GET", "/api/v1/runs", token="hks_wrong")[0] == 401
    assert server.request("GET", "/api/v1/runs")[0] == 200


def test_roles(site):
    server = site.server
    site.publish({"runbooks/true.md": MANUAL})
    lost = server.cli("token", "create", "--data", server.data + "-typo", "--name", "v", "--role", "viewer", check=False)
    assert lost.returncode == 1 and "holds no hikeshi.db" in lost.stderr and not os.path.exists(server.data + "-typo")
    viewer = server.cli("token", "create", "--data", server.data, "--name", "v", "--role", "viewer").stdout.split()[-1]
    assert server.request("GET", "/api/v1/runs", token=viewer)[0] == 200
    server.cli("token", "create", "--data", server.data, "--name", "short", "--role", "viewer", "--expires", "1h")
    short = wait_for(lambda: [t for t in server.items("/tokens") if t["name"] == "short"], "the token")[0]
    left = datetime.fromisoformat(short["expires_at"].replace("Z", "+00:00")) - datetime.now(timezone.utc)
    assert timedelta(minutes=50) < left < timedelta(minutes=61), short
    status, problem = server.request("POST", "/api/v1/runs", {"runbook": "true", "params": {}}, token=viewer)
    assert status == 403 and problem["code"] == "forbidden"


def test_a_mistyped_state_is_refused(site):
    for path in ("/runs?state=", "/approvals?state=", "/incidents?status=", "/deliveries?state=", "/outbox?state="):
        status, problem = site.server.request("GET", f"/api/v1{path}runing")
        assert status == 400 and "must be one of" in problem["detail"] and "'runing'" in problem["detail"], problem
    assert site.server.cli("runs", "list", "--state", "runing", check=False).returncode == 2


def test_idempotency_key(site):
    site.publish({"runbooks/true.md": MANUAL})
    one = site.server.start_run("true", **{"Idempotency-Key": "k1"})
    assert site.server.start_run("true", **{"Idempotency-Key": "k1"}) == one
    assert site.server.start_run("true", **{"Idempotency-Key": "k2"}) != one


def test_schedule_fires_once_a_slot_and_not_after_removal(site):
    server = site.server
    site.publish({"runbooks/every.md": TRUE.format(triggers='  - {kind: schedule, cron: "* * * * *", timezone: Asia/Tokyo}')})
    listed = wait_for(lambda: server.items("/schedules"), "the schedule")[0]
    assert listed["next"][0].endswith(":00.000Z"), listed
    runs = server.wait_runs(1, timeout=75)
    server.restart(kill=True)
    server.wait_ready()
    slots = [r["trigger"] for r in server.items("/runs")]
    assert len(slots) <= 2 and runs[0]["trigger"]["kind"] == "schedule" and runs[0]["requested_by"]["kind"] == "schedule"
    site.repository.git("rm", "-q", "runbooks/every.md")
    site.publish({"runbooks/true.md": MANUAL})
    wait_for(lambda: server.items("/schedules") == [], "the schedule to go")


def test_a_dead_channel_changes_nothing(tmp_path, sshd):
    # nobody listens on the discard port of loopback: every note fails
    site = Site(tmp_path, sshd, pagerduty_url="http://127.0.0.1:9")
    try:
        server = site.server
        server.wait_ready()
        site.publish({"runbooks/disk.md": TRUE.format(triggers="  - {kind: incident, match: {source: pd}, for_each: incident}")})
        assert server.pagerduty("pd", PD_SECRET)[0] == 202
        assert server.wait_runs(1)[0]["state"] == "succeeded"
        pending = wait_for(lambda: [o for o in server.items("/outbox") if o["tries"] > 0], "a try of the outbox")
        assert pending[0]["last_error"], pending
    finally:
        site.stop()


def test_a_broken_file_keeps_its_last_good_version(site):
    server = site.server
    site.publish({"runbooks/true.md": MANUAL})
    site.publish({"runbooks/true.md": MANUAL.replace("title: True", "titel: True")})
    run = server.wait_run(server.start_run("true"))
    assert run["state"] == "succeeded" and run["title"] == "True"
    findings = server.items("/findings")
    assert any(f["file"].endswith("true.md") and "titel" in f["message"] and f["suggestion"] for f in findings), findings


def test_a_file_that_was_never_good_is_spoken_of(site):
    site.publish({"runbooks/new.md": MANUAL.replace("title: True", "titel: True")})
    assert "new.md:3" in site.server.process.output() and "titel" in site.server.process.output()
    refused = site.server.cli("start", "new", check=False)
    assert refused.returncode == 1 and "no runbook 'new' in service; some files have errors" in refused.stderr, refused.stderr
    assert "titel" in site.server.cli("runbooks", "findings").stdout


def test_a_run_is_pinned_to_its_commit(site, tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    slow = MANUAL.replace('{"true"}', f'{{"sh", "-c", "read x < {gate}; echo old"}}')
    first = site.publish({"runbooks/true.md": slow})
    run = site.server.start_run("true")
    site.server.wait_run(run, {"running"})
    site.publish({"runbooks/true.md": MANUAL})
    with open(gate, "w") as f:
        f.write("go\n")
    ended = site.server.wait_run(run)
    assert ended["commit"] == first and ended["state"] == "succeeded"


def test_cancel_stops_the_command_on_the_host(site, tmp_path):
    pid_file = tmp_path / "pid"
    site.publish({"runbooks/long.md": MANUAL.replace('{"true"}', f'{{"sh", "-c", "echo $$ > {pid_file}; exec sleep 1000"}}')})
    run = site.server.start_run("long")
    wait_for(lambda: pid_file.exists() and pid_file.read_text().strip(), "the command to start")
    pid = int(pid_file.read_text())
    status, _ = site.server.request("POST", f"/api/v1/runs/{run}/cancel", {"reason": "enough"})
    assert status in (200, 202)
    ended = site.server.wait_run(run)
    assert (ended["state"], ended["reason"]) == ("cancelled", "person"), ended
    wait_for(lambda: not os.path.exists(f"/proc/{pid}"), "the command to be gone")
    assert "stopped on db-1" in str(ended["steps"][0]["error"]["message"])


def test_one_data_folder_one_server(site):
    done = subprocess.run([HIKESHI, "serve", "--data", site.server.data, "--listen", "127.0.0.1:0", "--repo", site.repository.path],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and site.server.data in done.stderr, done


def test_drain_lets_the_run_finish(site, tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    site.publish({"runbooks/true.md": MANUAL.replace('{"true"}', f'{{"sh", "-c", "read x < {gate}; echo $x"}}')})
    run = site.server.start_run("true")
    site.server.wait_run(run, {"running"})
    site.server.process.child.terminate()
    with open(gate, "w") as f:
        f.write("done\n")
    assert site.server.process.child.wait(60) == 0
    site.server.start()
    assert site.server.wait_run(run)["state"] == "succeeded"


def test_metrics_and_health(site):
    server = site.server
    assert server.request("GET", "/healthz", token=None)[0] == 200
    status, text = server.request("GET", "/metrics", token=None)
    assert status == 200 and "# TYPE hikeshi_" in text
    status, problem = server.request("GET", "/api/v1/runs/run_nothere")
    assert status == 404 and problem["code"] == "not_found" and problem["status"] == 404
