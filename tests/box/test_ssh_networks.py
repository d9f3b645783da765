"""SSH over bad networks: slow, narrow, dead, frozen and cut connections, names with several addresses, IPv6, DNS that does not answer."""
import os
import shutil
import socket
import subprocess

import pytest

from .conftest import AM_TOKEN, Site
from .support.process import Process, wait_for
from .support.proxy import Proxy
from .support.server import HIKESHI
from .support.sshd import Sshd
from .test_intake import alertmanager_body
from .test_run import Folder, lua

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def proxy(sshd):
    made = Proxy(sshd.address, sshd.port)
    yield made
    made.stop()


@pytest.fixture
def far(tmp_path, sshd, proxy):
    """A folder whose host db-1 is reached through the proxy."""
    made = Folder(tmp_path, sshd)
    made.write("hikeshi/inventory.yaml", f"""hosts:
  db-1: {{address: 127.0.0.1, port: {proxy.port}, user: {sshd.user}, labels: {{role: db}}, host_key: "{sshd.fingerprint}"}}
""")
    made.env["HIKESHI_RUNNER_SSH_CONNECT_TIMEOUT"] = "30s"
    proxy.delay, proxy.rate, proxy.mute, proxy.refuse, proxy.drop_after = 0, None, False, 0, None
    yield made
    proxy.thaw()


def alive(text):
    """Whether a process has this text on its command line."""
    return subprocess.run(["pgrep", "-f", text], capture_output=True).returncode == 0


class Blackhole:
    """A listening socket whose queue is full: who connects hears nothing at all."""

    def __init__(self, address, port=0):
        self.listener = socket.create_server((address, port), backlog=0)
        self.port = self.listener.getsockname()[1]
        self.fillers = []
        for _ in range(8):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex((address, self.port))
            self.fillers.append(filler)

    def stop(self):
        for each in [self.listener, *self.fillers]:
            each.close()


def test_a_dead_address_ends_at_the_connect_time_out(far, sshd):
    hole = Blackhole("127.0.0.9")
    far.write("hikeshi/inventory.yaml", f'hosts: {{db-1: {{address: 127.0.0.9, port: {hole.port}, labels: {{role: db}}}}}}\n')
    far.env["HIKESHI_RUNNER_SSH_CONNECT_TIMEOUT"] = "700ms"
    status, run = far.run_json(far.runbook(lua("a", 'ssh("db-1"):run{"true"}')))
    error = run["steps"][0]["error"]
    assert (status, error["code"]) == (1, "timeout") and "after 0.7 s, while connecting" in error["message"], error
    hole.stop()


def test_a_server_that_says_nothing_ends_at_the_connect_time_out(far, proxy):
    proxy.mute = True
    far.env["HIKESHI_RUNNER_SSH_CONNECT_TIMEOUT"] = "700ms"
    status, run = far.run_json(far.runbook(lua("a", 'ssh("db-1"):run{"true"}')))
    error = run["steps"][0]["error"]
    assert (status, error["code"]) == (1, "timeout") and "after 0.7 s, while exchanging keys" in error["message"], error


def test_a_server_that_hangs_up_at_first_is_asked_again(far, proxy):
    taken, proxy.refuse = proxy.taken, 4
    status, run = far.run_json(far.runbook(lua("a", 'ssh("db-1"):run{"true"}')))
    assert (status, proxy.taken - taken) == (0, 5), run


def test_a_server_that_always_hangs_up_is_named(far, proxy):
    proxy.refuse = 10**6
    far.env["HIKESHI_RUNNER_SSH_CONNECT_TIMEOUT"] = "1s"
    status, run = far.run_json(far.runbook(lua("a", 'ssh("db-1"):run{"true"}')))
    error = run["steps"][0]["error"]
    assert (status, error["code"]) == (1, "timeout") and "MaxStartups" in error["message"] and "db-1" in error["message"], error


def test_a_reset_in_the_key_exchange_is_tried_again(far, proxy):
    proxy.drop_after = 300
    status, run = far.run_json(far.runbook(lua("a", 'ssh("db-1"):run{"true"}')))
    assert (status, proxy.drop_after) == (0, None), run["steps"][0]["error"]["message"]


def test_a_slow_banner_and_long_ways_are_no_error(far, proxy):
    proxy.delay = 0.15
    done = far.run(far.runbook(lua("a", 'log(ssh("db-1"):run{"echo", "here"}.stdout)')))
    assert done.returncode == 0 and "here" in done.stdout, done.stdout + done.stderr


def test_1_MiB_passes_a_slow_and_narrow_link(far, proxy):
    proxy.delay, proxy.rate = 0.005, 600 * 1024
    done = far.run(far.runbook(lua("a", f"""
local r = ssh("db-1"):script("yes 0123456789abcde | head -c {MIB}")
check(#r.stdout == {MIB} and r.stdout == string.rep("0123456789abcde\\n", {MIB // 16}) and not r.truncated, "not what was sent: " .. #r.stdout)
local back = ssh("db-1"):run({{"cat"}}, {{stdin = r.stdout}})
check(back.stdout == r.stdout, "not what was sent back: " .. #back.stdout)
""")))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


def begin(far, tmp_path, tag):
    """A run whose command has begun, and its process."""
    begun = tmp_path / "begun"
    file = far.runbook(lua("a", f'ssh("db-1"):run{{"sh", "-c", "echo on; : > {begun}; sleep {tag}; :"}}', timeout="2m"))
    child = Process(far.argv(file), str(tmp_path / "run.log"), env=far.env, cwd=str(far.path))
    wait_for(begun.exists, "the command to begin")
    return child


@pytest.mark.parametrize("how, ends, left", [
    ("cut", "it may have run; stopped on db-1", False),
    ("frozen, new ones pass", "it may have run; stopped on db-1", False),
    ("frozen", "it may have run; could not confirm that it stopped on db-1", True)])
def test_a_connection_that_ends_in_mid_command_is_lost_and_the_command_stopped(far, proxy, tmp_path, how, ends, left):
    tag = str(10**8 + os.getpid() * 10 + len(ends))
    far.env.update(HIKESHI_RUNNER_SSH_KEEPALIVE="2s", HIKESHI_RUNNER_SSH_CONNECT_TIMEOUT="2s")
    child = begin(far, tmp_path, tag)
    if how == "cut":
        proxy.cut()
    else:
        proxy.freeze(new=how == "frozen")
    assert child.child.wait(60) == 6, child.output()
    assert "lost" in child.output() and ends in child.output(), child.output()
    assert alive(f"sleep {tag}") == left
    subprocess.run(["pkill", "-f", f"sleep {tag}"])


def hosts_file(tmp_path, lines):
    """The command's beginning that gives a program another /etc/hosts; skips where that is not allowed."""
    if os.getuid() != 0 or not shutil.which("unshare") or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0:
        pytest.skip("needs a mount namespace of its own")
    file = tmp_path / "hosts"
    file.write_text("127.0.0.1 localhost\n" + "".join(line + "\n" for line in lines))
    return ["unshare", "-m", "sh", "-c", f'mount --bind {file} /etc/hosts && exec "$@"', "sh"]


def run_in(prefix, far, file):
    return subprocess.run(prefix + far.argv(file), cwd=far.path, env=far.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("first", ["refuses", "says nothing"])
def test_a_name_with_several_addresses_is_reached_at_the_one_that_answers(tmp_path, far, first):
    prefix = hosts_file(tmp_path, ["127.0.0.1 both.test", "127.1.1.2 both.test"])  # may skip: before anything is started
    there = Sshd(str(tmp_path / "there"), address="127.1.1.2")
    # 127.0.0.1 is asked first: it is nearer to where connections come from.
    hole = Blackhole("127.0.0.1", there.port) if first == "says nothing" else None
    far.write("hikeshi/inventory.yaml", f"""hosts:
  db-1: {{address: both.test, port: {there.port}, user: {there.user}, labels: {{role: db}}, host_key: "{there.fingerprint}"}}
""")
    far.sshd = there
    done = run_in(prefix, far, far.runbook(lua("a", 'log(ssh("db-1"):run{"sh", "-c", "echo $SSH_CONNECTION"}.stdout)')))
    assert done.returncode == 0 and " 127.1.1.2 " in done.stdout, done.stdout + done.stderr
    if hole:
        hole.stop()
    there.stop()


def test_DNS_that_does_not_answer_keeps_nobody_else_waiting(tmp_path, far, proxy, sshd):
    prefix = hosts_file(tmp_path, [])
    (tmp_path / "resolv").write_text("nameserver 127.0.0.77\noptions timeout:30 attempts:1\n")
    prefix[4] = prefix[4].replace(" && exec", f" && mount --bind {tmp_path}/resolv /etc/resolv.conf && exec")
    try:
        dead = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        dead.bind(("127.0.0.77", 53))
    except OSError:
        pytest.skip("port 53 is taken")
    far.write("hikeshi/inventory.yaml", f"""hosts:
  slow: {{address: slow.example.net, labels: {{role: db}}}}
  fast: {{address: 127.0.0.1, port: {proxy.port}, user: {sshd.user}, labels: {{role: db}}, host_key: "{sshd.fingerprint}"}}
""")
    far.env["HIKESHI_RUNNER_SSH_CONNECT_TIMEOUT"] = "2s"
    done = run_in(prefix, far, far.runbook(lua("a", """
local done = {}
local r = each({"slow", "fast"}, function(name)
  local ok, e = pcall(function() return ssh(name):run{"true"} end)
  done[#done + 1] = name .. " " .. (ok and "ok" or e.code .. ": " .. e.message)
end, {at_once = 2})
log(table.concat(done, "\\n"))
check(done[1] == "fast ok", "the slow one came first")
check(done[2]:find("slow timeout: ", 1, true) == 1 and done[2]:find("'slow'", 1, true) and done[2]:find("looking up its name", 1, true), done[2])
""")))
    assert done.returncode == 0, done.stdout + done.stderr
    dead.close()


@pytest.fixture
def sshd6(tmp_path):
    with open("/proc/net/if_inet6") as addresses:
        if "00000000000000000000000000000001 " not in addresses.read():
            pytest.skip("needs ::1")
    server = Sshd(str(tmp_path / "sshd6"), address="[::1]")
    yield server
    server.stop()


@pytest.mark.parametrize("param", ["[::1]:9100", "https://[::1]:9100", "::1", "six"])
def test_IPv6_addresses_as_alerts_have_them(far, sshd6, param):
    far.write("hikeshi/inventory.yaml", f"""hosts:
  six: {{address: "::1", port: {sshd6.port}, user: {sshd6.user}, labels: {{role: db}}, host_key: "{sshd6.fingerprint}"}}
""")
    far.sshd = sshd6
    file = far.runbook(lua("a", 'log(ssh(params.host):run{"sh", "-c", "echo $SSH_CONNECTION"}.stdout)'),
                       front='hosts: "role=db"\nparams: {host: {type: host, required: true}}')
    done = far.run(file, "-p", f"host={param}")
    assert done.returncode == 0 and f"::1 {sshd6.port}" in done.stdout, done.stdout + done.stderr


def test_IPv6_from_an_alert(tmp_path, sshd6):
    """From the webhook of Alertmanager, whose instance is [::1]:9100, to the host's answer on the run."""
    site = Site(tmp_path, sshd6)
    book = """---
hikeshi: 1
title: Six
hosts: "role=db"
params: {host: {type: host, required: true, from: alert.labels.instance}}
triggers: [{kind: incident, match: {alert: HostSlow}, for_each: alert}]
---
# Six

```lua {step=look effect=read}
data.at = ssh(params.host):run{"sh", "-c", "echo $SSH_CONNECTION"}.stdout
```
"""
    inventory = f"""hosts:
  six: {{address: "::1", port: {sshd6.port}, user: {sshd6.user}, labels: {{role: db}}, host_key: "{sshd6.fingerprint}"}}
"""
    site.server.wait_ready()
    site.publish({"hikeshi/inventory.yaml": inventory, "runbooks/six.md": book})
    body = alertmanager_body()
    body["alerts"][0]["labels"] = {"alertname": "HostSlow", "instance": "[::1]:9100"}
    status, _ = site.server.request("POST", "/hooks/am", body, token=AM_TOKEN)
    assert status == 200
    (run,) = site.server.wait_runs(1)
    run = site.server.run(run["id"])
    assert run["state"] == "succeeded" and f"::1 {sshd6.port}" in run["data"]["at"], run
    site.stop()


def test_IPv6_known_hosts_and_a_jump_to_it(far, tmp_path, sshd, sshd6):
    far.write("hikeshi/inventory.yaml", f"""hosts:
  door: {{address: 127.0.0.1, port: {sshd.port}, user: {sshd.user}, labels: {{role: door}}, host_key: "{sshd.fingerprint}"}}
  six: {{address: "::1", port: {sshd6.port}, user: {sshd6.user}, labels: {{role: db}}, jump: door}}
""")
    with open(sshd6.client_key + ".pub") as key, open(f"{sshd.folder}/authorized_keys", "a") as allowed:
        allowed.write(key.read())
    far.sshd = sshd6
    known = sshd6.known_hosts(str(tmp_path / "known"), name="::1")
    far.env["HIKESHI_RUNNER_SSH_KNOWN_HOSTS"] = known
    done = far.run(far.runbook(lua("a", 'log(ssh("six"):run{"sh", "-c", "echo $SSH_CONNECTION"}.stdout)')))
    assert done.returncode == 0 and f"::1 {sshd6.port}" in done.stdout, done.stdout + done.stderr


def test_keys_are_exchanged_again_under_load(tmp_path):
    server = Sshd(str(tmp_path / "rekeying"), options=["RekeyLimit 256K", "LogLevel DEBUG1"])
    folder = Folder(tmp_path, server)
    folder.env["ASAN_OPTIONS"] = "detect_leaks=0"  # libssh2 1.10 forgets 51 bytes, the host's key, at each exchange but the first
    done = folder.run(folder.runbook(lua("a", f"""
local blob = string.rep("0123456789abcde\\n", {MIB // 16})
local items = {{}}
for i = 1, 24 do items[i] = tostring(i) end
local r = each(items, function(i)
  local back = ssh("db-1"):run({{"sh", "-c", "cat; echo " .. i .. " >&2; exit " .. i}}, {{stdin = blob, check = false}})
  -- sshd's own talk at DEBUG1 goes to the commands' stderr, too.
  check(back.stdout == blob and back.stderr:find(i .. "\\n", 1, true) and back.code == tonumber(i), "command " .. i)
end, {{at_once = 6}})
check(#r.ok == 24, "only " .. #r.ok)
""", timeout="2m")))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert server.process.output().count("set_newkeys: rekeying") > 10
    server.stop()
