"""Crashes: serve, runner and worker are killed (SIGKILL) at random moments of runs with a diagnostic step, an approval and a step
that is not idempotent. No run is lost, none runs twice, every interrupted step that is not idempotent is unknown.

HIKESHI_CRASH_ROUNDS=100 scripts/test box tests/box/test_crash.py   is the long form."""
import os
import random
import signal
import time

import pytest

from .support.process import wait_for
from .support.repository import Repository
from .support.server import ENDED, Server
from .support.sshd import Sshd

ROUNDS = int(os.environ.get("HIKESHI_CRASH_ROUNDS", "15"))
SEED = int(os.environ.get("HIKESHI_CRASH_SEED", "0")) or random.randrange(1, 1 << 30)

RUNBOOK = """---
hikeshi: 1
title: Crash
owner: storage
params:
  file: {type: string, required: true}
  mark: {type: string, required: true}
triggers: [{kind: manual}]
---
# Crash

```lua {step=look effect=read}
local out = ssh("db-1"):run{"uname", "-n"}
data.seen = out.stdout
```

```lua {step=change approve=anyone hosts="name=db-1"}
ssh("db-1"):run{"sh", "-c", "echo start:$1 >> $2; sleep 0.2; echo end:$1 >> $2", "sh", params.mark, params.file}
```

```lua {step=after effect=read}
ssh("db-1"):run{"true"}
```
"""
TEAMS = """teams: {storage: {members: [aiko@example.com]}}
policies: {anyone: {need: [{count: 1, from: [{role: admin}]}], expires: 30m, self_approval: true}}
"""


def children(pid, word):
    """Pids of the children of pid whose command line holds word."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat") as f:
                parent = int(f.read().rsplit(")", 1)[1].split()[1])
            with open(f"/proc/{entry}/cmdline", "rb") as f:
                line = f.read().split(b"\0")
        except (OSError, IndexError):
            continue
        if parent == pid and word.encode() in line:
            found.append(int(entry))
    return found


def victim(server, kind):
    """The pid to kill, or None when there is none at this moment."""
    if kind == "serve":
        return server.process.pid
    runners = children(server.process.pid, "runner")
    if kind == "runner" or not runners:
        return runners[0] if runners else None
    workers = children(runners[0], "runner-worker")
    return workers[0] if workers else None


def marks(path):
    try:
        with open(path) as f:
            return f.read().split()
    except FileNotFoundError:
        return []


def settle(server, run_id):
    """Approves whatever waits until the run has ended."""
    def look():
        run = server.run(run_id)
        if run["state"] in ENDED:
            return run
        for approval in server.items("/approvals?state=waiting"):
            if approval["run"] == run_id:
                server.request("POST", f"/api/v1/approvals/{approval['id']}/decisions",
                               {"verdict": "approve", "digest": approval["digest"]})
        return None
    return wait_for(look, f"run {run_id} to end", timeout=120, step=0.05)


@pytest.fixture
def parts(tmp_path):
    sshd = Sshd(str(tmp_path / "sshd"))
    repository = Repository(tmp_path / "ops")
    repository.commit({"runbooks/crash.md": RUNBOOK, "hikeshi/teams.yaml": TEAMS, "hikeshi/inventory.yaml":
                       f'hosts: {{db-1: {{address: 127.0.0.1, port: {sshd.port}, user: {sshd.user}, host_key: "{sshd.fingerprint}"}}}}\n'})
    server = Server(tmp_path / "serve", f"""repositories: {{ops: {{url: "{repository.path}", branch: main, path: runbooks}}}}
runner:
  ssh: {{user: {sshd.user}, identities: ["file:{sshd.client_key}"], known_hosts: "{tmp_path}/known_hosts"}}
""")
    server.wait_ready()
    yield server, tmp_path
    server.stop()
    sshd.stop()


def crash_once(server, rng, kind, run_id):
    """Kills one process somewhere on the run's way."""
    # The one wait by time: the moment of the crash is what is random here.
    time.sleep(rng.random() * 0.25)
    if rng.random() < 0.6:  # half of the crashes hit the second half of the run, after the approval
        approval = wait_for(lambda: [a for a in server.items("/approvals?state=waiting") if a["run"] == run_id] or
                            server.run(run_id)["state"] in ENDED, "the approval", 60)
        if approval is not True:
            server.request("POST", f"/api/v1/approvals/{approval[0]['id']}/decisions",
                           {"verdict": "approve", "digest": approval[0]["digest"]})
            time.sleep(rng.random() * 0.4)
    os.kill(wait_for(lambda: victim(server, kind), f"a {kind} to kill"), signal.SIGKILL)
    if kind == "serve":
        server.process.child.wait()
        server.start()


def test_killed_at_random_moments(parts):
    server, folder = parts
    rng, started = random.Random(SEED), time.monotonic()
    runs, kills = {}, {"serve": 0, "runner": 0, "worker": 0}
    for n in range(ROUNDS):
        mark, file = f"mark{n}", str(folder / f"marks-{n}")
        run_id = server.start_run("crash", {"mark": mark, "file": file})
        runs[run_id] = (mark, file)
        kind = ("serve", "runner", "worker")[n % 3]
        crash_once(server, rng, kind, run_id)
        kills[kind] += 1
    results = {run_id: settle(server, run_id) for run_id in runs}  # together: a crash need not wait for the run before it
    listed = {r["id"] for r in server.items("/runs?limit=1000")}
    states = {s: sum(r["state"] == s for r in results.values()) for s in sorted(ENDED)}
    twice = [run_id for run_id, (mark, file) in runs.items() if marks(file).count(f"start:{mark}") > 1]
    print(f"seed {SEED}: {ROUNDS} rounds, kills {kills}, states { {s: n for s, n in states.items() if n} }, "
          f"lost {len(set(runs) - listed)}, twice {len(twice)}, {time.monotonic() - started:.1f} s")
    for run_id, (mark, file) in runs.items():
        run, seen = results[run_id], marks(file)
        context = f"seed {SEED} run {run_id} {run['state']} {run['reason']} {seen} {[(s['id'], s['state'], s['result']) for s in run['steps']]}"
        assert run_id in listed, context
        change = next(s for s in run["steps"] if s["id"] == "change")
        assert seen.count(f"start:{mark}") <= 1, "ran twice: " + context
        if run["state"] == "succeeded":
            assert seen == [f"start:{mark}", f"end:{mark}"], context
        else:
            assert run["state"] == "unknown" and run["reason"] == "lost_runner" and change["result"] == "unknown", context
        if seen and change["result"] != "ok":
            assert change["result"] == "unknown", context
    with open(server.process.log_path) as log:  # of every start: whoever had a lease was known to be dead, not just silent
        assert "a lease ended unheard" not in log.read()
