"""Limits between runs that really run: a lock that runbooks share, and the run that replaces another."""
import json

from .support.process import wait_for

RUNBOOK = """---
hikeshi: 1
title: {title}
owner: storage
hosts: "role=db"
params: {{file: {{type: string, required: true}}}}
triggers: [{{kind: manual}}]
limits: {limits}
---
# {title}
```lua {{step=work}}
ssh("db-1"):script([[echo began > "$FILE"; while [ ! -e "$FILE.go" ]; do sleep 0.05; done; echo ended >> "$FILE"]], {{env = {{FILE = params.file}}}})
```
"""


def begun(file):
    wait_for(file.exists, f"{file} begun")


def test_a_lock_is_shared_between_runbooks(site, tmp_path):
    site.publish({f"runbooks/{name}.md": RUNBOOK.format(title=name, limits="{lock: storage}") for name in ("one", "two")})
    first, second = tmp_path / "first", tmp_path / "second"
    one = site.server.start_run("one", {"file": str(first)})
    begun(first)
    two = site.server.start_run("two", {"file": str(second)})
    assert site.server.run(two)["state"] == "queued" and not second.exists()
    (tmp_path / "second.go").touch()
    (tmp_path / "first.go").touch()
    assert site.server.wait_run(one)["state"] == "succeeded" and site.server.wait_run(two)["state"] == "succeeded"
    assert site.server.run(two)["started_at"] >= site.server.run(one)["ended_at"]


def test_a_lock_survives_a_restart(site, tmp_path):
    site.publish({f"runbooks/{name}.md": RUNBOOK.format(title=name, limits="{lock: storage}") for name in ("one", "two")})
    first, second = tmp_path / "first", tmp_path / "second"
    one = site.server.start_run("one", {"file": str(first)})
    begun(first)
    two = site.server.start_run("two", {"file": str(second)})
    site.server.restart()
    site.server.wait_ready()
    assert site.server.run(two)["state"] == "queued" or site.server.run(one)["ended_at"], "not both at a time"
    (tmp_path / "second.go").touch()
    (tmp_path / "first.go").touch()
    site.server.wait_run(one)
    assert site.server.wait_run(two)["state"] == "succeeded"


def test_a_new_run_replaces_the_one_that_runs(site, tmp_path):
    site.publish({"runbooks/one.md": RUNBOOK.format(title="one", limits="{concurrency: 1, overflow: replace}")})
    first, second = tmp_path / "first", tmp_path / "second"
    (tmp_path / "second.go").touch()
    one = site.server.start_run("one", {"file": str(first)})
    begun(first)
    two = site.server.start_run("one", {"file": str(second)})
    old, new = site.server.wait_run(one), site.server.wait_run(two)
    assert (old["state"], old["reason"], new["state"]) == ("cancelled", "concurrency", "succeeded")
    assert first.read_text() == "began\n" and second.read_text() == "began\nended\n"
    log = [json.loads(line) for line in site.server.cli("runs", "log", one, "--json").stdout.splitlines()]
    items = [event for line in log for event in line.get("items", [line])]
    assert [e["stopped"] for e in items if e["kind"] == "host"] == [True], "it ended with proof"
    assert any(f"{two} replaces it" in (e.get("text") or "") for e in items if e["kind"] == "run")
    assert new["started_at"] >= old["ended_at"], "the new one began when the old one had ended"
