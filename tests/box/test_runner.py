"""hikeshi runner: its processes die together and come back, a stalled worker is replaced, SIGTERM drains."""
import os
import signal

import pytest

from .conftest import Site
from .support.process import Process, wait_for
from .support.server import HIKESHI

BOOK = """---
hikeshi: 1
title: T
hosts: "role=db"
triggers: [{{kind: manual}}]
---
# T

```lua {{step=go}}
{text}
```
"""


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(child) for child in file.read().split()]
    except FileNotFoundError:
        return []


def gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError): # the second when it goes between open and read
        return True


def processes(server):
    """(runner, worker) of a serving server."""
    def look():
        for runner in children(server.process.pid):
            with open(f"/proc/{runner}/cmdline") as file:
                if "runner" in file.read().split("\0") and children(runner):
                    return runner, children(runner)[0]
        return None
    return wait_for(look, "the runner and its worker")


def test_a_runner_of_its_own(tmp_path, sshd):
    site = Site(tmp_path, sshd, extra="no_runner: true\n")
    site.publish({"runbooks/fine.md": BOOK.format(text='ssh("db-1"):run{"true"}')})
    run = site.server.start_run("fine")
    runner = Process([HIKESHI, "runner", "--socket", f"{site.server.data}/runner.sock", "--token-file", f"{site.server.data}/runner-token",
                      "--config", site.server.config], str(tmp_path / "runner.log"), env=site.server.env)
    assert site.server.wait_run(run)["state"] == "succeeded"
    site.server.restart()  # the runner finds the server again
    assert site.server.wait_run(site.server.start_run("fine"))["state"] == "succeeded"
    assert runner.stop() == 0
    site.stop()


def test_the_worker_dies_with_its_runner_and_both_come_back(site):
    site.publish({"runbooks/fine.md": BOOK.format(text='ssh("db-1"):run{"true"}')})
    runner, worker = processes(site.server)
    os.kill(runner, signal.SIGKILL)
    wait_for(lambda: gone(worker), "the worker's end")
    assert site.server.wait_run(site.server.start_run("fine"))["state"] == "succeeded"
    assert processes(site.server)[0] != runner


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_worker_that_died_or_stalled_is_replaced(site, how):
    site.publish({"runbooks/fine.md": BOOK.format(text='ssh("db-1"):run{"true"}')})
    runner, worker = processes(site.server)
    os.kill(worker, how)
    wait_for(lambda: gone(worker), "the worker's end")
    assert site.server.wait_run(site.server.start_run("fine"))["state"] == "succeeded"
    assert processes(site.server) == (runner, children(runner)[0])


def test_an_unknown_step_names_the_hosts_and_commands_to_look_at(site, tmp_path):
    begun = tmp_path / "begun"
    site.publish({"runbooks/two.md": BOOK.format(
        text=f'ssh("db-1"):run{{"true"}}\nssh("web-1"):run({{"sh", "-c", "touch {begun}; sleep 60"}})').replace("role=db", "role=db | role=web")})
    run = site.server.start_run("two")
    wait_for(begun.exists, "the second command")
    os.kill(processes(site.server)[1], signal.SIGKILL)
    (step,) = site.server.wait_run(run)["steps"]
    assert [(h["host"], h["result"], h["code"]) for h in step["hosts"]] == [("db-1", "ok", 0), ("web-1", "unknown", None)], step
    assert step["hosts"][1]["error"].startswith(f"may have run: 'sh' '-c' 'touch {begun}; sleep 60'"), step
    shown = site.server.cli("runs", "show", run).stdout
    assert "web-1" in shown and "may have run: 'sh'" in shown and "db-1" not in shown, shown
    wait_for(lambda: site.server.run(run)["steps"][0]["hosts"][1]["error"].endswith("; stopped, or had ended"), "the look of the next worker")
    log = site.server.cli("runs", "log", run).stdout
    assert 'what the lost runner had begun on web-1: stopped, or had ended' in log, log


def test_sigterm_lets_a_run_end(site, tmp_path):
    begun, go = tmp_path / "begun", tmp_path / "go"
    site.publish({"runbooks/slow.md": BOOK.format(
        text=f'ssh("db-1"):script[[touch {begun}; until [ -e {go} ]; do sleep 0.05; done; echo done]]')})
    run = site.server.start_run("slow")
    wait_for(begun.exists, "the command to run")
    site.server.process.kill(signal.SIGTERM)
    site.server.process.wait_output("draining")
    go.touch()
    assert site.server.process.child.wait(30) == 0
    site.server.start()
    ended = site.server.run(run)
    assert (ended["state"], ended["steps"][0]["result"]) == ("succeeded", "ok"), ended


def test_another_worker_starts_when_all_are_full(tmp_path, sshd):
    site = Site(tmp_path, sshd, extra="  slots: 1\n  workers: 2\n")
    go = tmp_path / "go"
    text = 'ssh("db-1"):script([[touch "$BEGUN"; until [ -e {go} ]; do sleep 0.05; done]], {{env = {{BEGUN = params.begun}}}})'
    site.publish({"runbooks/slow.md": BOOK.format(text=text.format(go=go)).replace("hosts:", "params: {begun: {type: string}}\nhosts:")})
    begun = [tmp_path / "one", tmp_path / "two"]
    runs = [site.server.start_run("slow", {"begun": str(file)}) for file in begun]
    wait_for(lambda: all(file.exists() for file in begun), "both to run at the same time")
    runner, _ = processes(site.server)
    assert len(children(runner)) == 2
    go.touch()
    assert [site.server.wait_run(run)["state"] for run in runs] == ["succeeded", "succeeded"]
    site.stop()
