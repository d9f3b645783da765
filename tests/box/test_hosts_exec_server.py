"""hikeshi hosts exec on a server: a run without a runbook, for admins, where the configuration allows it."""
import json
import os
import signal
import subprocess

import pytest

from .conftest import Site
from .support.process import wait_for
from .support.server import HIKESHI
from .support.sshd import Sshd
from .test_runner import processes


def hosts(sshd, count=12):
    one = "".join(f'  web-{n}: {{address: 127.0.0.{n}, labels: {{role: web}}, host_key: "{sshd.fingerprint}"}}\n' for n in range(1, count + 1))
    return f"defaults: {{user: {sshd.user}, port: {sshd.port}}}\nhosts:\n{one}  gone: {{address: gone.invalid, labels: {{role: bad}}}}\n"


def make_site(folder, sshd, extra, count=12):
    site = Site(folder, sshd, extra=extra)
    site.server.wait_ready()
    site.publish({"hikeshi/inventory.yaml": hosts(sshd, count)})
    return site


@pytest.fixture(scope="module")
def many_sshd(tmp_path_factory):
    server = Sshd(str(tmp_path_factory.mktemp("sshd")), address="0.0.0.0")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory, many_sshd):
    site = make_site(tmp_path_factory.mktemp("site"), many_sshd, "hosts_exec: {enabled: true}")
    yield site.server
    site.stop()


def token(server, role):
    return server.cli("token", "create", "--name", f"a-{role}", "--role", role).stdout.strip()


def run_of(done):
    """The run that `hosts exec` names first."""
    first = done.stderr.splitlines()[0]
    assert first.startswith("hikeshi hosts exec: run_"), done.stderr
    return first.split()[-1]


def test_it_runs_shows_and_is_kept(server):
    done = server.cli("hosts", "exec", "role=web", "--reason", "looking around", "--", "echo", "it's \"$HOME\"", "x")
    assert done.stdout == "web-[1-12]: it's \"$HOME\" x\n", done
    run = server.run(run_of(done))
    assert (run["state"], run["runbook"], run["owner"], run["trigger"]["kind"]) == ("succeeded", "hosts exec", "hosts_exec", "manual"), run
    assert run["params"] == {"hosts": "role=web", "argv": ["echo", "it's \"$HOME\"", "x"], "reason": "looking around"}
    assert run["requested_by"] == {"kind": "token", "name": "admin"}
    assert [(h["host"], h["result"], h["code"]) for h in run["steps"][0]["hosts"]] == sorted((f"web-{n}", "ok", 0) for n in range(1, 13))
    assert run["title"].startswith("role=web: echo ") and run["created_at"] and run["ended_at"]
    assert run["id"] in server.cli("runs", "list", "--runbook", "hosts exec").stdout
    assert "looking around" in server.cli("runs", "log", run["id"], "--json").stdout


def test_json_is_a_line_a_host_with_exact_output(server):
    script = 'set -- $SSH_CONNECTION; echo $3; echo bad >&2; test "$3" != 127.0.0.7'
    done = server.cli("hosts", "exec", "role=web", "--json", "--at-once", "3", "--", "sh", "-c", script, check=False)
    lines = {line["host"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 1 and len(lines) == 12, done
    assert all(lines[f"web-{n}"]["stdout"] == f"127.0.0.{n}\n" and lines[f"web-{n}"]["stderr"] == "bad\n" for n in range(1, 13))
    assert {name for name in lines if lines[name]["code"] != 0} == {"web-7"} and lines["web-7"]["error"]["code"] == "exit"
    assert set(lines["web-1"]) == {"host", "code", "signal", "duration_ms", "truncated", "error", "stdout", "stderr"}
    signalled = server.cli("hosts", "exec", "web-1", "--json", "--", "sh", "-c", "kill -9 $$", check=False)
    assert json.loads(signalled.stdout)["signal"] == "KILL"


def test_who_failed_and_who_was_not_started(server):
    done = server.cli("hosts", "exec", "web-3,gone,web-2", "--", "echo", "hello", check=False)
    assert done.returncode == 1 and "web-[2-3]: hello\n" in done.stdout and "gone failed: dns: " in done.stdout
    assert done.stderr.splitlines()[-1] == "2 of 3 hosts ok, 1 failed: gone"
    done = server.cli("hosts", "exec", "role=web", "--canary", "2", "--at-once", "4", "--", "false", check=False)
    assert done.stderr.splitlines()[-1].startswith("0 of 12 hosts ok, 2 failed: web-[1,10], 10 not started: "), done.stderr
    kept = {h["host"]: h["result"] for h in server.run(run_of(done))["steps"][0]["hosts"]}
    assert sorted(kept.values()) == ["failed"] * 2 + ["not_reached"] * 10


def test_time_out_and_limits(server):
    done = server.cli("hosts", "exec", "web-1", "--timeout", "200ms", "--", "sleep", "600", check=False)
    assert done.returncode == 1 and done.stdout.count("stopped on web-1") == 1, done.stdout
    for args, status, words in [
        (["role=web", "--max-hosts", "3", "--", "true"], 4, "'role=web' is 12 hosts, more than 3"),
        (["role=none", "--", "true"], 2, "no host that matches 'role=none'"),
        (["web-99", "--", "true"], 2, "'web-99' is neither a host of the inventory nor a filter"),
        (["web-1", "--stdin", "--", "cat"], 2, "--stdin is for hosts that are reached from here"),
        (["web-1", "--identity", "x", "--", "cat"], 2, "--identity is for hosts that are reached from here"),
        (["web-1"], 2, "missing argument"),
    ]:
        done = server.cli("hosts", "exec", *args, check=False)
        assert done.returncode == status and words in done.stderr, (args, done)


@pytest.mark.parametrize("body, words", [
    ({"argv": ["true"]}, "'hosts' is missing"),
    ({"hosts": "web-1"}, "'argv' is missing"),
    ({"hosts": "web-1", "argv": []}, "'argv' must be a list of texts"),
    ({"hosts": "web-1", "argv": ["x", 1]}, "'argv' must be a list of texts"),
    ({"hosts": "web-1", "argv": "uptime"}, "'argv' must be a list of texts"),
    ({"hosts": "web-1", "argv": ["true"], "at_once": 0}, "'at_once' must be a whole number from 1 to 1000"),
    ({"hosts": "web-1", "argv": ["true"], "atonce": 1}, "has no 'atonce'"),
    ({"hosts": "web-1", "argv": ["true"], "sudo": 1}, "'sudo' must be a text"),
])
def test_requests_that_are_not_understood(server, body, words):
    status, answer = server.request("POST", "/api/v1/hosts/exec", body)
    assert status == 400 and words in answer["detail"], answer


def test_one_key_is_one_run(server):
    body = {"hosts": "web-1", "argv": ["echo", "once"]}
    answers = [server.request("POST", "/api/v1/hosts/exec", body, headers={"Idempotency-Key": "k1"}) for _ in range(2)]
    assert answers[0][0] == answers[1][0] == 201 and answers[0][1]["id"] == answers[1][1]["id"]
    status, answer = server.request("POST", "/api/v1/hosts/exec", {**body, "argv": ["echo", "twice"]}, headers={"Idempotency-Key": "k1"})
    assert (status, answer["code"]) == (409, "conflict")


@pytest.mark.parametrize("role", ["viewer", "operator", "approver"])
def test_only_admins(server, role):
    mine = token(server, role)
    status, answer = server.request("POST", "/api/v1/hosts/exec", {"hosts": "web-1", "argv": ["true"]}, token=mine)
    assert (status, answer["code"]) == (403, "forbidden"), answer
    done = server.cli("hosts", "exec", "web-1", "--", "true", check=False, env={"HIKESHI_TOKEN": mine})
    assert done.returncode == 4 and "admin" in done.stderr, done.stderr
    old = run_of(server.cli("hosts", "exec", "web-1", "--", "true"))
    status, answer = server.request("POST", f"/api/v1/runs/{old}/rerun", {}, token=mine)
    assert status == 403, "running it again is running it"


def test_an_admin_runs_it_again(server):
    old = run_of(server.cli("hosts", "exec", "web-1,web-2", "--", "echo", "again"))
    status, run = server.request("POST", f"/api/v1/runs/{old}/rerun", {})
    assert status == 201 and run["rerun_of"] == old
    run = server.wait_run(run["id"])
    assert run["state"] == "succeeded" and [h["host"] for h in run["steps"][0]["hosts"]] == ["web-1", "web-2"]


def test_ctrl_c_stops_the_command_on_every_host(server, tmp_path):
    mark = str(tmp_path / "started")
    env = dict(os.environ, HIKESHI_SERVER=server.url, HIKESHI_TOKEN=server.token, NO_COLOR="1")
    child = subprocess.Popen([HIKESHI, "hosts", "exec", "role=web", "--", "sh", "-c", f"echo $$ >> {mark}; exec sleep 600"],
                             env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: os.path.exists(mark) and len(open(mark).read().split()) == 12, "twelve commands")
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 1 and out.count("stopped on web-") == 12, out + err
    assert not any(os.path.exists(f"/proc/{pid}") for pid in open(mark).read().split())
    run = server.run(err.splitlines()[0].split()[-1])
    assert (run["state"], run["reason"]) == ("cancelled", "person"), run


def test_ctrl_c_twice_leaves_it_running(server, tmp_path):
    mark = str(tmp_path / "started")
    env = dict(os.environ, HIKESHI_SERVER=server.url, HIKESHI_TOKEN=server.token, NO_COLOR="1")
    script = f"trap '' TERM; echo $$ >> {mark}; while :; do sleep 1; done"
    child = subprocess.Popen([HIKESHI, "hosts", "exec", "web-1", "--", "sh", "-c", script], env=env, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
    wait_for(lambda: os.path.exists(mark), "the command")
    child.send_signal(signal.SIGINT)
    err = ""
    while "once more to leave" not in err:
        err += child.stderr.readline()
    child.send_signal(signal.SIGINT)
    out, rest = child.communicate(timeout=60)
    run = err.splitlines()[0].split()[-1]
    assert (child.returncode, f"hikeshi runs show {run}" in rest) in [(6, True), (1, False)], rest  # its end may have been quicker
    server.wait_run(run)


def test_off_unless_the_configuration_says_so(site):
    status, answer = site.server.request("POST", "/api/v1/hosts/exec", {"hosts": "db-1", "argv": ["true"]})
    assert (status, answer["code"]) == (403, "not_allowed") and "hosts_exec: {enabled: true}" in answer["detail"]
    done = site.server.cli("hosts", "exec", "db-1", "--", "true", check=False)
    assert done.returncode == 4 and "hosts_exec: {enabled: true}" in done.stderr
    assert site.server.items("/runs") == []


def test_trust_and_a_policy_hold(tmp_path, many_sshd):
    site = make_site(tmp_path, many_sshd, "hosts_exec: {enabled: true, approve: one}\n"
                     "trust: {hosts: {hosts_exec: 'name in (web-1, web-2)', storage: 'role=web'}}\n", 3)
    server = site.server
    try:
        done = server.cli("hosts", "exec", "role=web", "--", "true", check=False)
        assert done.returncode == 4 and "`trust.hosts.hosts_exec` leaves out web-3" in done.stderr, done.stderr
        started = subprocess.Popen([HIKESHI, "hosts", "exec", "web-1,web-2", "--", "echo", "approved"], text=True, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=dict(os.environ, HIKESHI_SERVER=server.url, HIKESHI_TOKEN=server.token))
        (asked,) = wait_for(lambda: server.items("/approvals?state=waiting"), "the request")
        assert asked["hosts"] == ["web-1", "web-2"] and asked["step_text"] == "echo approved"
        server.restart(kill=True)
        other = token(server, "approver")
        status, answer = server.request("POST", f"/api/v1/approvals/{asked['id']}/decisions", {"verdict": "approve", "digest": asked["digest"]},
                                        token=other)
        assert status == 200, answer
        out, err = started.communicate(timeout=60)
        assert started.returncode == 0 and out == "web-[1-2]: approved\n" and "waits for approval" in err, out + err
        site.publish({"runbooks/x.md": "---\nhikeshi: 1\nowner: hosts_exec\n---\n# X\n```sh {step=a hosts=\"role=web\"}\ntrue\n```\n"})
        assert any("stands for commands without a runbook" in f["message"] for f in server.items("/findings"))
        assert server.items("/runbooks") == []
    finally:
        site.stop()


def test_switched_off_while_a_run_waits(tmp_path, many_sshd):
    site = make_site(tmp_path, many_sshd, "hosts_exec: {enabled: true, approve: one}", 1)
    server = site.server
    try:
        _, run = server.request("POST", "/api/v1/hosts/exec", {"hosts": "web-1", "argv": ["true"]})
        (asked,) = wait_for(lambda: server.items("/approvals?state=waiting"), "the request")
        server.process.stop()
        with open(server.config) as config:
            text = config.read()
        with open(server.config, "w") as config:
            config.write(text.replace("enabled: true", "enabled: false"))
        server.start()
        server.wait_ready()
        server.request("POST", f"/api/v1/approvals/{asked['id']}/decisions", {"verdict": "approve", "digest": asked["digest"]},
                       token=token(server, "approver"))
        run = server.wait_run(run["id"])
        assert run["state"] == "failed" and "hosts_exec: {enabled: true}" in run["message"], run
    finally:
        site.stop()


def test_unknown_after_a_crash_and_only_an_admin_repeats_it(tmp_path, many_sshd):
    site = make_site(tmp_path, many_sshd, "hosts_exec: {enabled: true}", 2)
    server, mark, pids = site.server, str(tmp_path / "started"), []
    try:
        _, run = server.request("POST", "/api/v1/hosts/exec", {"hosts": "role=web", "argv": ["sh", "-c", f"echo $$ >> {mark}; exec sleep 600"]})
        pids = wait_for(lambda: os.path.exists(mark) and (lambda p: p if len(p) == 2 else None)(open(mark).read().split()), "two commands")
        os.kill(processes(server)[1], signal.SIGKILL)
        run = server.wait_run(run["id"])
        assert (run["state"], run["reason"]) == ("unknown", "lost_runner"), run
        assert {h["host"]: h["result"] for h in run["steps"][0]["hosts"]} == {"web-1": "unknown", "web-2": "unknown"}
        body = {"step": "exec", "as": "rerun", "reason": "looked"}
        status, answer = server.request("POST", f"/api/v1/runs/{run['id']}/resolve", body, token=token(server, "operator"))
        assert (status, answer["code"]) == (403, "forbidden"), answer
        body["as"] = "failed"
        assert server.request("POST", f"/api/v1/runs/{run['id']}/resolve", body, token=token(server, "operator"))[0] == 200
        assert server.wait_run(run["id"])["state"] == "failed"
    finally:
        for pid in pids:
            subprocess.run(["kill", "-9", pid], stderr=subprocess.DEVNULL)
        site.stop()
