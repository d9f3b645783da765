"""A thread that cannot be got back from C: its step ends, what it left running on a host is stopped and on the record, its worker
takes no more runs, finishes the others and leaves."""
import os
import signal
import subprocess

import pytest

from .conftest import Site
from .support.process import wait_for
from .test_runner import children, gone, processes

STUCK = os.path.join(os.path.dirname(__file__), "../support/stuck.c")
BOOK = """---
hikeshi: 1
title: T
hosts: "role=db"
triggers: [{{kind: manual}}]
---
# T

```lua {{step=go timeout=1s}}
{text}
```
"""


@pytest.fixture
def site(tmp_path, sshd):
    library = str(tmp_path / "stuck.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, STUCK], check=True)
    made = Site(tmp_path, sshd, extra="  workers: 2\n", env={
        "LD_PRELOAD": library, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"})
    made.server.wait_ready()
    yield made
    made.stop()


def waits_for(folder, name):
    """Lua that says that it has begun and goes on when it may."""
    return (f'ssh("db-1"):script([[echo $$ > {folder}/{name}.new; mv {folder}/{name}.new {folder}/{name}; '
            f'until [ -e {folder}/{name}.go ]; do sleep 0.05; done]])')


def parent(pid):
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rsplit(")", 1)[1].split()[1])


def test_the_worker_of_a_stuck_thread_finishes_the_others_and_leaves(site, tmp_path):
    site.publish({"runbooks/stuck.md": BOOK.format(text='local never = "stuck" < "x"'),
                  "runbooks/fine.md": BOOK.format(text='ssh("db-1"):run{"true"}'),
                  "runbooks/slow.md": BOOK.format(text=waits_for(tmp_path, "slow")).replace("timeout=1s", "timeout=5m")})
    runner, worker = processes(site.server)
    slow = site.server.start_run("slow")
    wait_for((tmp_path / "slow").exists, "the slow run's command")
    stuck = site.server.wait_run(site.server.start_run("stuck"))
    assert (stuck["state"], stuck["steps"][0]["error"]["code"]) == ("failed", "stuck"), stuck
    # It holds a run, so it stays; what is new goes to another one.
    assert site.server.wait_run(site.server.start_run("fine"))["state"] == "succeeded"
    assert len(children(runner)) == 2 and worker in children(runner) and site.server.run(slow)["state"] == "running"
    (tmp_path / "slow.go").touch()
    assert site.server.wait_run(slow)["state"] == "succeeded"
    wait_for(lambda: gone(worker), "the worker's end")
    site.server.process.wait_output('a worker ended how="exit status 0"')  # by itself, and clean
    assert site.server.wait_run(site.server.start_run("fine"))["state"] == "succeeded"


def test_a_command_that_its_step_left_behind_is_on_the_record(site, tmp_path):
    text = f"""parallel(function() {waits_for(tmp_path, "left")} end, function() local never = "stuck" < "x" end)"""
    site.publish({"runbooks/stuck.md": BOOK.format(text=text).replace("timeout=1s", "timeout=5m")})
    run = site.server.start_run("stuck")
    wait_for((tmp_path / "left").exists, "its command")
    command = int((tmp_path / "left").read_text())
    session = parent(command)  # sshd's process of this connection; held, it lets nobody see the end before the step's
    os.kill(session, signal.SIGSTOP)
    try:
        assert site.server.request("POST", f"/api/v1/runs/{run}/cancel", {})[0] == 202
        ended = site.server.wait_run(run)
    finally:
        os.kill(session, signal.SIGCONT)
    step = ended["steps"][0]
    assert (ended["state"], step["error"]["code"]) == ("failed", "stuck"), ended
    assert gone(command)
    assert [h["host"] for h in step["hosts"]] == ["db-1"] and "stop" in step["hosts"][0]["error"], step
    events = site.server.items(f"/runs/{run}/log")
    kinds = [e["kind"] for e in events if e["kind"] in ("step_end", "host", "run_end")]
    assert kinds == ["step_end", "host", "run_end"], kinds
    numbers = [e["seq"] for e in events if e["seq"]]
    assert numbers == list(range(1, len(numbers) + 1)), numbers
