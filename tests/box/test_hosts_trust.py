"""hikeshi hosts trust: a host key gets on file only when somebody says that it is the host's."""
import json
import os
import pty
import subprocess

import pytest

from .support.server import HIKESHI
from .support.sshd import keygen


class Trust:
    def __init__(self, folder, sshd):
        self.folder, self.sshd, self.known_hosts = folder, sshd, folder / "known_hosts"
        (folder / "hikeshi").mkdir()
        (folder / "hikeshi/inventory.yaml").write_text(
            f"hosts: {{web-1: {{address: {sshd.address}, port: {sshd.port}, user: {sshd.user}}}}}\n")
        env = {k: v for k, v in os.environ.items() if not k.startswith("HIKESHI_")}
        self.env = dict(env, HOME=str(folder), SSH_AUTH_SOCK="")

    def __call__(self, *args, host="web-1", stdin=subprocess.DEVNULL):
        return subprocess.run([HIKESHI, "hosts", "trust", host, "--known-hosts", self.known_hosts, *args], cwd=self.folder,
                              env=self.env, capture_output=True, text=True, stdin=stdin)

    def other_key(self, prefix=""):
        """Puts another key on file for the host; returns its fingerprint."""
        path = keygen(str(self.folder / "other"))
        with open(path + ".pub") as key:
            kind, blob = key.read().split()[:2]
        self.known_hosts.write_text(f"# mine\n{prefix}[{self.sshd.address}]:{self.sshd.port} {kind} {blob}\nelsewhere {kind} {blob}\n")
        return subprocess.run(["ssh-keygen", "-lf", path + ".pub"], check=True, capture_output=True, text=True).stdout.split()[1]

    def openssh_agrees(self):
        found = subprocess.run(["ssh-keygen", "-F", f"[{self.sshd.address}]:{self.sshd.port}", "-lf", self.known_hosts],
                               capture_output=True, text=True).stdout
        return self.sshd.fingerprint in found


@pytest.fixture
def trust(tmp_path, sshd):
    return Trust(tmp_path, sshd)


def test_the_right_fingerprint_is_enough(trust):
    done = trust("--fingerprint", trust.sshd.fingerprint)
    assert done.returncode == 0, done.stderr
    assert trust.openssh_agrees()
    again = trust()
    assert again.returncode == 0 and "already" in again.stdout
    wrong = trust("--fingerprint", "SHA256:" + "A" * 43)
    assert wrong.returncode == 1 and "already" not in wrong.stdout and trust.sshd.fingerprint in wrong.stderr, "known, but not what was said"
    assert trust.known_hosts.read_text().count("\n") == 1
    assert trust.known_hosts.stat().st_mode & 0o777 == 0o600


def test_another_fingerprint_writes_nothing(trust):
    wrong = "SHA256:" + "A" * 43
    done = trust("--fingerprint", wrong)
    assert done.returncode == 1
    assert wrong in done.stderr and trust.sshd.fingerprint in done.stderr
    assert not trust.known_hosts.exists()


def test_without_a_terminal_nobody_is_asked(trust):
    done = trust()
    assert done.returncode == 2
    assert "--fingerprint" in done.stderr and trust.sshd.fingerprint in done.stderr
    assert not trust.known_hosts.exists()


@pytest.mark.parametrize("answer, code, written", [("yes", 0, True), ("no", 4, False), ("", 4, False), ("y", 4, False)])
def test_a_person_is_asked(trust, answer, code, written):
    ours, theirs = pty.openpty()
    os.write(ours, answer.encode() + b"\n")
    try:
        done = trust(stdin=theirs)
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == code, done.stderr
    assert trust.sshd.fingerprint in done.stderr
    assert trust.known_hosts.exists() == written


def test_a_changed_key_needs_replace(trust):
    old = trust.other_key()
    before = trust.known_hosts.read_text()
    done = trust("--yes")
    assert done.returncode == 1
    assert old in done.stderr and trust.sshd.fingerprint in done.stderr and "known_hosts:2" in done.stderr
    assert trust.known_hosts.read_text() == before
    done = trust("--yes", "--replace", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["replaced"] == old
    assert trust.openssh_agrees()
    lines = trust.known_hosts.read_text().splitlines()
    assert lines[0] == "# mine" and lines[1].startswith("elsewhere ") and len(lines) == 3


def test_a_shared_line_keeps_its_other_names(trust):
    trust.other_key("bastion,")
    assert trust("--yes", "--replace").returncode == 0
    lines = trust.known_hosts.read_text().splitlines()
    assert lines[1].startswith("bastion ssh-ed25519 ") and len(lines) == 4


def test_a_pattern_is_left_to_people(trust):
    trust.other_key(f"[{trust.sshd.address[:-1]}*]:{trust.sshd.port},")
    before = trust.known_hosts.read_text()
    done = trust("--yes", "--replace")
    assert done.returncode == 1 and "known_hosts:2" in done.stderr
    assert trust.known_hosts.read_text() == before


def test_a_revoked_key_is_never_trusted(trust):
    with open(trust.sshd.host_key + ".pub") as key:
        kind, blob = key.read().split()[:2]
    trust.known_hosts.write_text(f"@revoked * {kind} {blob}\n")
    done = trust("--yes", "--replace", "--fingerprint", trust.sshd.fingerprint)
    assert done.returncode == 1 and "revokes" in done.stderr
    assert trust.known_hosts.read_text().count("\n") == 1


def test_an_address_needs_no_inventory(trust):
    done = trust("--yes", host=f"{trust.sshd.address}:{trust.sshd.port}")
    assert done.returncode == 0, done.stderr
    assert trust.openssh_agrees()


@pytest.mark.parametrize("host", ["no such host", "web-1;id", ""])
def test_what_is_no_host_is_refused(trust, host):
    assert trust("--yes", host=host).returncode == 2
    assert not trust.known_hosts.exists()
