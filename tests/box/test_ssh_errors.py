"""Every error of a command on a host says what failed (its code), on which host, and what to try. One line of the table is one way
to fail; one run goes through all of them."""
import json
import os
import socket
import subprocess
import threading

import pytest

from .support.server import HIKESHI
from .support.sshd import Sshd, keygen

PIN = "SHA256:" + "A" * 43
TRUE = 'h:run{"true"}'

# host: (server, further keys of its inventory entry, Lua, code, what the message must say). PIN stands for the server's host key, OTHER
# for a key that it does not take.
ERRORS = {
    "dns": (None, "address: gone.invalid", TRUE, "dns", ["cannot resolve the address of 'dns' (gone.invalid:22)", "Check the host's address in the inventory"]),
    "refused": ("closed", "", TRUE, "connect", ["cannot connect to 'refused' (127.0.0.1:", "Connection refused", "Is the host up, and does sshd listen on this port?"]),
    "no-sshd": ("closing", "", TRUE, "timeout", ["no session with 'no-sshd' (127.0.0.1:", "MaxStartups", "not an sshd"]),
    "unknown": ("plain", "", TRUE, "host_key", ["'unknown' (127.0.0.1:", "SHA256:", "hikeshi hosts trust unknown"]),
    "changed": ("plain", f'host_key: "{PIN}"', TRUE, "host_key", ["'changed' (127.0.0.1:", PIN, "change host_key"]),
    "key-refused": ("plain", "PIN, identity: OTHER", TRUE, "auth", ["'key-refused' (127.0.0.1:", "SHA256:", "authorized_keys", "It takes publickey"]),
    "no-key": ("plain", "PIN, identity: 'file:/nowhere/key'", TRUE, "auth", ["'no-key' (127.0.0.1:", "/nowhere/key", "runner.ssh.identities"]),
    "no-user": ("plain", "PIN, user: hk-nobody", TRUE, "auth", ["'no-user' (127.0.0.1:", "user 'hk-nobody'", "Check the user"]),
    "no-sessions": ("full", "PIN", TRUE, "channel", ["'no-sessions' (127.0.0.1:", "MaxSessions"]),
    "no-terminal": ("forced", "PIN", 'h:run({"true"}, {pty = true})', "channel", ["'no-terminal' (127.0.0.1:", "terminal (pty)"]),
    "no-files": ("plain", "PIN", 'h:upload("x", "/tmp/never")', "channel", ["'no-files' (127.0.0.1:", "Subsystem sftp"]),
    "silent": ("silent", "PIN", TRUE, "timeout", ["no session with 'silent' (127.0.0.1:", "while exchanging keys", "does not speak SSH"]),
    "slow": ("plain", "PIN", 'h:run({"sleep", "60"}, {timeout = "100ms"})', "timeout", ["the command timed out", "stopped on slow"]),
    "exit": ("plain", "PIN", 'h:run{"sh", "-c", "echo why >&2; exit 3"}', "exit", ["exit code 3 on exit", "why"]),
    "no-program": ("plain", "PIN", 'h:run{"no-such-program"}', "exit", ["exit code 127 on no-program", "no-such-program"]),
    "killed": ("plain", "PIN", 'h:script("kill -KILL $$")', "signal", ["signal KILL on killed"]),
    "lost": ("plain", "PIN", 'h:script("kill -KILL $PPID")', "lost", ["the connection to 'lost' (127.0.0.1:", "it may have run"]),
    "behind-none": ("plain", "PIN, jump: refused", TRUE, "connect", ["'behind-none' (127.0.0.1:", "through 'refused'", "Connection refused"]),
    "behind-changed": ("plain", "PIN, jump: changed", TRUE, "host_key", ["'behind-changed' (127.0.0.1:", "through 'changed'", "'changed' (127.0.0.1:", "change host_key"]),
    "behind-deaf": ("closed", "jump: plain-one", TRUE, "connect", ["'behind-deaf' (127.0.0.1:", "through 'plain-one'"]),
    "elsewhere": (None, "", 'ssh("not-there"):run{"true"}', "not_in_inventory", ["'not-there'", "inventory"]),
}


class Listener:
    """A port where no sshd is: nothing listens, or something that says nothing, or that hangs up."""

    def __init__(self, listens, hangs_up=False):
        self.address, self.user, self.fingerprint, self.listens = "127.0.0.1", "root", PIN, listens
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        if listens:
            self.socket.listen(16)
        self.port = self.socket.getsockname()[1]
        if hangs_up:
            threading.Thread(target=self.hang_up, daemon=True).start()

    def hang_up(self):
        try:
            while True:
                self.socket.accept()[0].close()
        except OSError:
            pass  # stopped

    def stop(self):
        if self.listens:
            self.socket.shutdown(socket.SHUT_RDWR)  # ends accept()
        self.socket.close()


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    def sshd(name, *options):
        return Sshd(str(tmp_path_factory.mktemp(name)), options=options)
    made = {"plain": sshd("plain"), "full": sshd("full", "MaxSessions 0"), "forced": sshd("forced", "PermitTTY no"),
            "closed": Listener(False), "silent": Listener(True), "closing": Listener(True, hangs_up=True)}
    yield made
    for server in made.values():
        server.stop()


@pytest.fixture(scope="module")
def errors(tmp_path_factory, servers):
    """{host: what its command raised}"""
    folder = tmp_path_factory.mktemp("errors")
    (folder / "hikeshi").mkdir()
    other = keygen(str(folder / "other"))
    client = servers["plain"].client_key
    with open(client + ".pub") as key:
        line = key.read()
    for server in servers.values():
        if isinstance(server, Sshd):
            with open(f"{server.folder}/authorized_keys", "a") as allowed:
                allowed.write(line)
    hosts, steps = [], []
    rows = dict(ERRORS, **{"plain-one": ("plain", "PIN", None, None, None)})
    for name, (server, keys, lua, _, _) in rows.items():
        at = servers.get(server)
        entry = [f"address: {at.address}, port: {at.port}, user: {at.user}"] if at and "user:" not in keys else \
            [f"address: {at.address}, port: {at.port}"] if at else []
        entry += [keys.replace("PIN", f'host_key: "{at.fingerprint}"' if at else "").replace("OTHER", f'"file:{other}"')] if keys else []
        hosts.append(f"  {name}: {{{', '.join(entry)}}}")
        if lua:
            steps.append(f"```lua {{step={name}}}\n--| on_error: continue\n--| effect: read\n--| timeout: 30s\nlocal h = ssh(\"{name}\")\n{lua}\n```\n")
    (folder / "hikeshi/inventory.yaml").write_text("hosts:\n" + "\n".join(hosts) + "\n")
    (folder / "hikeshi.yaml").write_text("runner: {ssh: {connect_timeout: 1500ms}}\n")
    (folder / "it.md").write_text("---\nhikeshi: 1\ntitle: It\nlimits: {max_hosts: 100}\n---\n# It\n" + "\n".join(steps))
    done = subprocess.run([HIKESHI, "run", str(folder / "it.md"), "--json", "--identity", client, "--known-hosts", str(folder / "none"),
                           "--config", str(folder / "hikeshi.yaml")],
                          env=dict(os.environ, SSH_AUTH_SOCK="", HOME=str(folder)), cwd=folder, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=120)
    assert done.stdout.startswith("{"), done.stdout + done.stderr
    return {step["id"]: step["error"] or {} for step in json.loads(done.stdout)["steps"]}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_says_what_where_and_what_to_try(errors, name):
    _, _, _, code, words = ERRORS[name]
    error = errors[name]
    assert error.get("code") == code, error
    assert error["host"] == ("not-there" if name == "elsewhere" else name), error
    for word in words:
        assert word in error["message"], f"{word!r} is missing in: {error['message']}"
