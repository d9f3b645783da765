"""Approvals: a wait that is real, decided once, over what was shown."""
import json

import pytest

from .support.process import wait_for

RUNBOOK = """---
hikeshi: 1
title: Change
owner: storage
hosts: "role=db"
params: {{file: {{type: string, required: true}}}}
triggers: [{{kind: manual}}]
---
# Change
```lua {{step=look effect=read}}
data.seen = "evidence"
```
```lua {{step=change approve={policy} hosts="name=db-1" shows="data.seen"}}
ssh("db-1"):run{{"touch", params.file}}
```
"""


@pytest.fixture
def asked(site, tmp_path):
    """A run that waits: (site, run id, approval, the file that the step would make)."""
    def make(policy="one"):
        text = RUNBOOK.format(policy=policy).replace('shows="data.seen"}', '}\n--| shows: [data.seen]')
        site.publish({"runbooks/change.md": text})
        file = tmp_path / f"made-by-{policy}"
        run = site.server.start_run("change", {"file": str(file)})
        site.server.wait_run(run, {"waiting"})
        approval = wait_for(lambda: [a for a in site.server.items("/approvals?state=waiting") if a["run"] == run], "the request")[0]
        return run, site.server.get(f"/approvals/{approval['id']}"), file
    return make


def token(site, name, role="approver"):
    return site.server.cli("token", "create", "--data", site.server.data, "--name", name, "--role", role).stdout.split()[-1]


def decide(site, approval, verdict="approve", digest=None, who=None, reason=None):
    return site.server.request("POST", f"/api/v1/approvals/{approval['id']}/decisions",
                               {"verdict": verdict, "digest": digest or approval["digest"], "reason": reason}, token=who or "")


def test_shows_what_would_run_and_runs_after_yes(site, asked):
    run, approval, file = asked()
    assert approval["digest"].startswith("v1:sha256:") and approval["hosts"] == ["db-1"] and approval["state"] == "waiting"
    assert '"touch", params.file' in approval["step_text"] and approval["params"] == {"file": str(file)}
    assert "evidence" in json.dumps(approval["shows"]) and not file.exists()
    assert decide(site, approval, who=token(site, "aiko@example.com"))[0] in (200, 201)
    assert site.server.wait_run(run)["state"] == "succeeded" and file.exists()


def test_survives_a_restart_of_everything(site, asked):
    run, approval, file = asked()
    site.server.restart(kill=True)
    site.server.wait_ready()
    assert site.server.run(run)["state"] == "waiting"
    assert decide(site, approval, who=token(site, "aiko@example.com"))[0] in (200, 201)
    assert site.server.wait_run(run)["state"] == "succeeded" and file.exists()


def test_deny(site, asked):
    run, approval, file = asked()
    assert decide(site, approval, "deny", reason="not now", who=token(site, "aiko@example.com"))[0] in (200, 201)
    ended = site.server.wait_run(run)
    assert (ended["state"], ended["reason"]) == ("denied", "denied") and not file.exists()
    assert decide(site, approval, who=token(site, "ben@example.com"))[0] == 409, "decided is decided"
    assert [a["state"] for a in site.server.items(f"/approvals?run={run}")] == ["denied"], "every state, unless asked for one"
    assert site.server.cli("approvals", "list").stdout == "nothing waits for approval\n"
    assert not file.exists()


def test_expiry_denies(site, asked):
    run, approval, file = asked("short")
    ended = site.server.wait_run(run)
    assert (ended["state"], ended["reason"]) == ("expired", "expired") and not file.exists()
    assert decide(site, approval, who=token(site, "aiko@example.com"))[0] == 409


def test_who_may_not(site, asked):
    run, approval, file = asked()
    assert decide(site, approval, who=token(site, "vic", "viewer"))[0] == 403
    assert decide(site, approval, who=token(site, "op", "operator"))[0] == 403
    assert site.server.request("POST", f"/api/v1/approvals/{approval['id']}/decisions", {}, token=None)[0] == 401
    assert decide(site, approval)[0] == 403, "the admin token started the run: no self-approval"
    assert decide(site, approval, digest="v1:sha256:" + "0" * 64, who=token(site, "aiko@example.com"))[0] == 409
    assert site.server.request("GET", f"/api/v1/approvals/{approval['id']}/decisions")[0] == 405, "a GET never decides"
    assert site.server.run(run)["state"] == "waiting" and not file.exists()


def test_two_different_people(site, asked):
    run, approval, file = asked("two")
    aiko, ben = token(site, "aiko@example.com"), token(site, "ben@example.com")
    assert decide(site, approval, who=aiko)[0] in (200, 201)
    assert decide(site, approval, who=aiko)[0] == 409, "the same person twice"
    assert site.server.run(run)["state"] == "waiting" and not file.exists()
    assert decide(site, approval, who=ben)[0] in (200, 201)
    assert site.server.wait_run(run)["state"] == "succeeded"


def test_a_changed_policy_voids(site, asked):
    run, approval, file = asked()
    teams = open(f"{site.repository.path}/hikeshi/teams.yaml").read()
    site.publish({"hikeshi/teams.yaml": teams.replace("one: {need: [{count: 1", "one: {need: [{count: 2")})
    assert decide(site, approval, who=token(site, "aiko@example.com"))[0] == 409
    again = wait_for(lambda: [a for a in site.server.items("/approvals?state=waiting") if a["run"] == run and a["id"] != approval["id"]],
                     "the new request")[0]
    assert again["digest"] != approval["digest"] and not file.exists()


def test_command_line(site, asked):
    run, approval, file = asked()
    shown = site.server.cli("approvals", "show", approval["id"]).stdout
    assert "touch" in shown and "db-1" in shown and approval["digest"] in shown and "evidence" in shown
    env = {"HIKESHI_TOKEN": token(site, "aiko@example.com")}
    site.server.cli("approvals", "approve", approval["id"], "--digest", approval["digest"], "--reason", "looks right", env=env)
    assert site.server.wait_run(run)["state"] == "succeeded" and file.exists()
