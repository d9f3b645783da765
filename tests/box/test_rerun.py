"""runs rerun --failed: what an earlier run has done is not done again, and nobody guesses where nobody knows."""
import json
import os
import signal
import subprocess

import pytest

from .support.process import wait_for
from .test_hosts_exec_server import make_site, many_sshd, token  # noqa: F401 (a fixture)
from .test_runner import processes

HEAD = '---\nhikeshi: 1\ntitle: T\nhosts: "role=web"\ntriggers: [{kind: manual}]\n---\n# T\n\n'
# Each host adds a line to FOLDER/did and fails while FOLDER/bad holds its address.
WORK = 'set -- $SSH_CONNECTION; echo $3 >> FOLDER/did; echo "on $3"; ! grep -qx $3 FOLDER/bad'


@pytest.fixture(scope="module")
def site(tmp_path_factory, many_sshd):
    made = make_site(tmp_path_factory.mktemp("site"), many_sshd, "hosts_exec: {enabled: true}", 5)
    yield made
    made.stop()


class Work:
    def __init__(self, folder):
        self.folder = folder
        self.text = WORK.replace("FOLDER", str(folder))
        (folder / "did").write_text("")
        self.bad()

    def bad(self, *numbers):
        (self.folder / "bad").write_text("".join(f"127.0.0.{n}\n" for n in numbers))

    def did(self):
        """The hosts that it ran on since this was asked last."""
        lines = (self.folder / "did").read_text().split()
        (self.folder / "did").write_text("")
        return sorted(int(line.split(".")[3]) for line in lines)


@pytest.fixture
def work(tmp_path):
    return Work(tmp_path)


def book(site, name, text):
    site.publish({f"runbooks/{name}.md": HEAD + text})
    return name


def results(run, step=0):
    return {h["host"]: h["result"] for h in run["steps"][step]["hosts"]}


def rerun(server, run, *args):
    done = server.cli("runs", "rerun", run["id"], "--failed", "--json", *args)
    return server.wait_run(json.loads(done.stdout)["id"])


def test_a_shell_step_runs_where_it_failed_or_did_not_begin(site, work):
    server = site.server
    name = book(site, "shell", f"""```sh {{step=work hosts="role=web" at_once=1}}
{work.text}
```
```lua {{step=after}}
data.said = {{}}
for name, host in pairs(steps.work.hosts) do data.said[name] = host.stdout end
```
""")
    work.bad(2, 4)
    first = server.wait_run(server.start_run(name))
    assert first["state"] == "failed" and work.did() == [1, 2]
    assert results(first) == {"web-1": "ok", "web-2": "failed", "web-3": "not_reached", "web-4": "not_reached", "web-5": "not_reached"}
    work.bad(4)
    second = rerun(server, first)
    assert (second["state"], second["rerun_of"]) == ("failed", first["id"]) and work.did() == [2, 3, 4]
    assert results(second) == {"web-1": "skipped", "web-2": "ok", "web-3": "ok", "web-4": "failed", "web-5": "not_reached"}
    work.bad()
    third = rerun(server, second)
    assert third["state"] == "succeeded" and work.did() == [4, 5]
    reasons = {h["host"]: h["error"] for h in third["steps"][0]["hosts"] if h["result"] == "skipped"}
    assert reasons == {"web-1": f"ok in {first['id']}", "web-2": f"ok in {second['id']}", "web-3": f"ok in {second['id']}"}
    assert third["data"]["said"] == {f"web-{n}": f"on 127.0.0.{n}\n" for n in range(1, 6)}, "later steps read what was said then"
    shown = server.cli("runs", "show", third["id"]).stdout
    assert f"web-[2-3]  ok in {second['id']}" in shown, shown
    assert f"[work] 2 hosts skipped: ok in {second['id']}: web-[2-3]\n" in server.cli("runs", "log", third["id"]).stdout
    done = server.cli("runs", "rerun", third["id"], "--failed", check=False)
    assert done.returncode == 1 and "no host or item of the run" in done.stderr
    assert server.wait_run(json.loads(server.cli("runs", "rerun", third["id"], "--json").stdout)["id"])["state"] == "succeeded"
    assert work.did() == [1, 2, 3, 4, 5], "without --failed all of it"


def test_each_leaves_out_the_items_that_were_done_call_by_call(site, work):
    server = site.server
    name = book(site, "each", f"""```lua {{step=work}}
local list = hosts{{role = "web"}}
local drain = each(list, function(h) ssh(h):run{{"true"}} end)
local r = each(list, function(h) return ssh(h):script([[{work.text}]]).stdout end, {{keep_going = true}})
data.ok, data.skipped, data.drained = r.ok, r.skipped, #drain.skipped
check(#r.failed == 0, "failed")
```
""")
    work.bad(2, 4)
    first = server.wait_run(server.start_run(name))
    assert first["state"] == "failed" and work.did() == [1, 2, 3, 4, 5]
    work.bad()
    second = rerun(server, first)
    assert second["state"] == "succeeded" and work.did() == [2, 4]
    assert (second["data"]["ok"], second["data"]["skipped"], second["data"]["drained"]) == (["web-2", "web-4"], ["web-1", "web-3", "web-5"], 5)
    assert results(second)["web-1"] == "skipped"
    book(site, "each", f"""```lua {{step=work}}
each(hosts{{role = "web"}}, function(h) ssh(h):run{{"true"}} end)
```
""")
    done = server.cli("runs", "rerun", first["id"], "--failed", check=False)
    assert done.returncode == 1 and "the step 'work' is not what it was" in done.stderr


def test_what_reads_is_read_everywhere_and_approvers_see_what_is_left(site, work):
    server = site.server
    name = book(site, "approved", f"""```sh {{step=look hosts="role=web" effect=read}}
true
```
```sh {{step=work hosts="role=web" stop_after=9 approve=one}}
{work.text}
```
""")
    def approve():
        asked = wait_for(lambda: server.items("/approvals?state=waiting"), "the request")[0]
        body = {"verdict": "approve", "digest": asked["digest"]}
        assert server.request("POST", f"/api/v1/approvals/{asked['id']}/decisions", body, token=token(server, "approver"))[0] == 200
        return asked["hosts"]
    work.bad(3)
    first = server.start_run(name)
    assert len(approve()) == 5
    assert server.wait_run(first)["state"] == "failed"
    work.bad()
    work.did()
    second = json.loads(server.cli("runs", "rerun", first, "--failed", "--json").stdout)["id"]
    assert approve() == ["web-3"]
    run = server.wait_run(second)
    assert run["state"] == "succeeded" and work.did() == [3] and set(results(run).values()) == {"ok"}


def test_words_of_hosts_exec(site, work):
    server = site.server
    work.bad(5)
    done = server.cli("hosts", "exec", "role=web", "--", "sh", "-c", work.text, check=False)
    first = server.run(done.stderr.splitlines()[0].split()[-1])
    assert work.did() == [1, 2, 3, 4, 5]
    work.bad()
    assert rerun(server, first)["state"] == "succeeded" and work.did() == [5]
    operator = token(server, "operator")
    assert server.request("POST", f"/api/v1/runs/{first['id']}/rerun", {"only": "failed"}, token=operator)[0] == 403


@pytest.mark.parametrize("kind", ["shell", "lua"])
def test_where_nobody_knows_a_person_says(site, work, tmp_path, kind):
    server, mark = site.server, tmp_path / "pid"
    script = f"{work.text}; case $3 in *.2) echo $$ > {mark}; exec sleep 600;; esac"
    text = f'```sh {{step=work hosts="role=web" at_once=9}}\n{script}\n```\n' if kind == "shell" else (
        f'```lua {{step=work}}\neach(hosts{{role = "web"}}, function(h) ssh(h):script([[{script}]]) end, {{at_once = 9}})\n```\n')
    run = server.start_run(book(site, f"lost-{kind}", text))

    def others_have_ended():
        ended = [e for e in server.items(f"/runs/{run}/log") if e["kind"] == ("host" if kind == "shell" else "item")]
        return mark.exists() and len(ended) == 4
    wait_for(others_have_ended, "four of five hosts")
    os.kill(processes(server)[1], signal.SIGKILL)
    run = server.wait_run(run)
    subprocess.run(["kill", "-9", mark.read_text().strip()], stderr=subprocess.DEVNULL)
    assert run["state"] == "unknown" and results(run)["web-2"] == "unknown" and work.did() == [1, 2, 3, 4, 5]
    done = server.cli("runs", "rerun", run["id"], "--failed", check=False)
    assert done.returncode == 1 and f"nobody knows what became of web-2 in the run '{run['id']}'" in done.stderr
    assert server.cli("runs", "rerun", run["id"], "--unknown", "skip", check=False).returncode == 2
    left_out = rerun(server, run, "--unknown", "skip")
    assert left_out["state"] == "succeeded" and work.did() == []
    assert [h["error"] for h in left_out["steps"][0]["hosts"] if h["host"] == "web-2"] == [f"left out: unknown in {run['id']}"]
    again = json.loads(server.cli("runs", "rerun", run["id"], "--failed", "--unknown", "run", "--json").stdout)["id"]
    assert wait_for(work.did, "web-2 again") == [2]
    server.request("POST", f"/api/v1/runs/{again}/cancel", {})
    assert server.wait_run(again)["state"] == "cancelled"


@pytest.mark.parametrize("body, words", [
    ({"only": "ok"}, "'only' must be one of failed"),
    ({"only": "failed", "unknown": "guess"}, "'unknown' must be one of run, skip"),
    ({"unknown": "run"}, "'unknown' goes with 'only'"),
])
def test_requests_that_are_not_understood(site, body, words):
    run = site.server.request("POST", "/api/v1/hosts/exec", {"hosts": "web-1", "argv": ["true"]})[1]["id"]
    site.server.wait_run(run)
    status, answer = site.server.request("POST", f"/api/v1/runs/{run}/rerun", body)
    assert status == 400 and words in answer["detail"], answer
