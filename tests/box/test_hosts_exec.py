"""hikeshi hosts check and hosts exec: many hosts from a terminal."""
import json
import os
import signal
import subprocess

import pytest

from .support.process import wait_for
from .support.server import HIKESHI

WRONG = "SHA256:" + "A" * 43


class Terminal:
    """Ten hosts web-1 … web-10 on one sshd (127.0.0.1 to .10), and others that do not work."""

    def __init__(self, folder, sshd):
        self.folder, self.sshd = folder, sshd
        (folder / "hikeshi").mkdir()
        hosts = "".join(f"  web-{n}: {{address: 127.0.0.{n}, labels: {{role: web}}}}\n" for n in range(1, 11))
        (folder / "hikeshi/inventory.yaml").write_text(f"""defaults: {{user: {sshd.user}, port: {sshd.port}}}
hosts:
{hosts}  changed: {{address: 127.0.0.1, labels: {{role: bad}}, host_key: "{WRONG}"}}
  stranger: {{address: 127.0.0.99, labels: {{role: bad}}}}
  nobody: {{address: 127.0.0.1, user: nobody-of-hikeshi, labels: {{role: bad}}}}
  gone: {{address: gone.invalid, labels: {{role: bad}}}}
  closed: {{address: 127.0.0.1, port: 1, labels: {{role: bad}}}}
""")
        self.known_hosts = str(folder / "known_hosts")
        for n in range(1, 11):
            sshd.known_hosts(self.known_hosts, f"127.0.0.{n}")
        env = {k: v for k, v in os.environ.items() if not k.startswith("HIKESHI_")}
        self.env = dict(env, HOME=str(folder), SSH_AUTH_SOCK="")

    def argv(self, *args):
        verb, *rest = args
        return [HIKESHI, "hosts", verb, "--known-hosts", self.known_hosts, "--identity", self.sshd.client_key, *rest]

    def __call__(self, *args, **more):
        return subprocess.run(self.argv(*args), cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=60, **more)


@pytest.fixture(scope="module")
def many_sshd(tmp_path_factory):
    from .support.sshd import Sshd
    server = Sshd(str(tmp_path_factory.mktemp("sshd")), address="0.0.0.0")
    yield server
    server.stop()


@pytest.fixture
def terminal(tmp_path, many_sshd):
    return Terminal(tmp_path, many_sshd)


def test_check_says_how_far_each_host_lets_us(terminal):
    done = terminal("check", "--json")
    assert done.returncode == 1, done.stderr
    items = {item["name"]: item for item in json.loads(done.stdout)["items"]}
    assert len(items) == 15
    found = {name: (items[name]["reachable"], items[name]["key"], items[name]["login"], items[name]["code"]) for name in items}
    assert all(found[f"web-{n}"] == (True, True, True, None) for n in range(1, 11)), found
    assert found["changed"] == found["stranger"] == (True, False, False, "host_key")
    assert found["nobody"] == (True, True, False, "auth")
    assert found["gone"] == (False, False, False, "dns") and found["closed"] == (False, False, False, "connect")
    assert items["web-1"]["fingerprint"] == terminal.sshd.fingerprint and items["web-1"]["latency_ms"] >= 0
    table = terminal("check", "web-1,gone").stdout.splitlines()
    assert table[0].split() == ["NAME", "REACHABLE", "KEY", "LOGIN", "LATENCY", "PROBLEM"]
    assert table[1].split()[:4] == ["gone", "no", "-", "-"] and table[2].split()[:4] == ["web-1", "yes", "yes", "yes"]


def test_exec_says_the_same_once(terminal):
    done = terminal("exec", "role=web", "--", "echo", "it's \"$HOME\"", "x")
    assert (done.returncode, done.stdout, done.stderr) == (0, "web-[1-10]: it's \"$HOME\" x\n", ""), done


def test_exec_reaches_each_host_itself(terminal):
    script = 'set -- $SSH_CONNECTION; echo $3; test "$3" != 127.0.0.7'
    done = terminal("exec", "role=web", "--json", "--at-once", "3", "--", "sh", "-c", script)
    lines = {line["host"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 1 and len(lines) == 10
    assert all(lines[f"web-{n}"]["stdout"] == f"127.0.0.{n}\n" for n in range(1, 11))
    assert {name for name in lines if lines[name]["code"] != 0} == {"web-7"}
    assert lines["web-7"]["error"] == {"code": "exit", "message": "exit code 1"}


def test_exec_tells_who_failed(terminal):
    done = terminal("exec", "web-3,web-2,gone,changed", "--", "echo", "hello")
    assert done.returncode == 1 and "web-[2-3]: hello\n" in done.stdout
    assert "gone failed: dns: " in done.stdout and "changed failed: host_key: " in done.stdout
    assert done.stderr == "2 of 4 hosts ok, 2 failed: changed,gone\n"


def test_exec_stops_where_it_is_told_to(terminal):
    done = terminal("exec", "role=web", "--canary", "2", "--at-once", "4", "--", "false")
    assert done.returncode == 1
    assert done.stderr.startswith("0 of 10 hosts ok, 2 failed: web-[1,10], 8 not started: "), done.stderr


def test_exec_passes_standard_input_and_time_out(terminal):
    done = terminal("exec", "web-1,web-2", "--stdin", "--", "cat", input="one\ntwo\n")
    assert done.stdout == "web-[1-2]: one\nweb-[1-2]: two\n"
    done = terminal("exec", "web-1", "--timeout", "200ms", "--", "sleep", "600")
    assert done.returncode == 1 and "stopped on web-1" in done.stdout


@pytest.mark.parametrize("args, words", [
    (["web-11", "--", "true"], "'web-11' is neither a host of the inventory nor a filter"),
    (["role=none", "--", "true"], "no host that matches 'role=none'"),
    (["role=", "--", "true"], "host filter: column 6"),
    (["web-1"], "missing argument"),
])
def test_exec_refuses_what_it_does_not_understand(terminal, args, words):
    done = terminal("exec", *args)
    assert done.returncode == 2 and words in done.stderr, done.stderr


def test_ctrl_c_stops_the_command_on_every_host(terminal):
    mark = str(terminal.folder / "started")
    child = subprocess.Popen(terminal.argv("exec", "role=web", "--", "sh", "-c", f"echo $$ >> {mark}; exec sleep 600"), cwd=terminal.folder,
                             env=terminal.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: os.path.exists(mark) and len(open(mark).read().split()) == 10, "ten commands")
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 1 and out.count("stopped on web-") == 10, out + err
    assert not any(os.path.exists(f"/proc/{pid}") for pid in open(mark).read().split())


def test_an_imported_list_works(terminal):
    config = terminal.folder / "config"
    config.write_text(f"Host one\n HostName 127.0.0.1\nHost *\n Port {terminal.sshd.port}\n User {terminal.sshd.user}\nMatch user x\n")
    done = subprocess.run([HIKESHI, "hosts", "import", str(config)], capture_output=True, text=True)
    assert done.returncode == 0 and f"{config}:6: warning: Match is not supported" in done.stderr, done.stderr
    (terminal.folder / "new.yaml").write_text(done.stdout)
    done = terminal("exec", "--inventory", "new.yaml", "one", "--", "echo", "here")
    assert (done.returncode, done.stdout) == (0, "one: here\n"), done
    ini = terminal.folder / "hosts.ini"
    ini.write_text("[web]\nweb[1:2] ansible_host=127.0.0.1\n")
    done = subprocess.run([HIKESHI, "hosts", "import", str(ini), "--json"], capture_output=True, text=True)
    assert json.loads(done.stdout) == {"hosts": {f"web{n}": {"address": "127.0.0.1", "labels": {"web": "true"}} for n in (1, 2)}}
