"""What is left on a host of commands that do not want to end: after cancel, time-out, kill -9 of the worker, of the whole
runner and of the server with it, a connection that is reset and a server that loses its session. Nothing may be left, or the run says that it could not confirm.

HIKESHI_LEFT_ROUNDS=50 scripts/test box tests/box/test_left_on_host.py -s   is the long form; each round is all commands × endings × login
shells × servers. Needs root: it makes users of the machine."""
import collections
import os
import random
import shutil
import signal

import pytest

from .support import account as accounts
from .support import dropbear as dropbears
from .support.account import Account
from .support.dropbear import Dropbear
from .support.process import wait_for
from .support.proxy import Proxy
from .support.repository import Repository
from .support.server import ENDED, Server
from .support.sshd import Sshd
from .test_runner import children, gone, processes

pytestmark = pytest.mark.skipif(not accounts.possible(), reason="needs root, to make users with login shells")

ROUNDS = int(os.environ.get("HIKESHI_LEFT_ROUNDS", "0"))  # 0: one, on some of the pairs of server and login shell

# TAG: the seconds of a sleep that nobody else sleeps. Each makes the file BEGUN when all of it runs.
COMMANDS = {
    "forks": "sleep TAG & sleep TAG & : > BEGUN; wait",
    "ignores TERM": "trap '' TERM; (trap '' TERM; sleep TAG; sleep TAG) & : > BEGUN; while :; do sleep TAG; done",
    "double-forks, setsid": "(setsid sh -c 'sleep TAG & sleep TAG & : > BEGUN; wait' &); sleep TAG",
    "daemon, no streams": "setsid sh -c 'trap \"\" TERM; exec </dev/null >/dev/null 2>&1; : > BEGUN; sleep TAG; sleep TAG' & sleep TAG",
    "spawner": "trap 'sleep TAG & sleep TAG &' TERM; : > BEGUN; while :; do sleep TAG & wait; done",
    "with sudo": "trap '' TERM; sleep TAG & (setsid sleep TAG &); : > BEGUN; sleep TAG; sleep TAG",
}
ENDINGS = ["cancel", "time-out", "worker killed", "runner killed", "server killed", "connection reset", "session killed"]

BOOK = """---
hikeshi: 1
title: Left
hosts: "$params.where"
params:
  where: {type: host, required: true}
  text: {type: string, required: true}
  root: {type: boolean, default: false}
triggers: [{kind: manual}]
---
# Left

```lua {step=go timeout=TIMEOUT}
ssh(params.where):run({"sh", "-c", params.text}, {sudo = params.root})
```
"""


def alive(tag):
    """Processes with this text on their command line, zombies aside."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                if tag.encode() in file.read() and not gone(int(entry)):
                    found.append(int(entry))
        except OSError:
            continue
    return found


def session_processes(pid):
    """What an SSH server started of itself for its connections, below that process; not the commands."""
    found = []
    for child in children(pid):
        try:
            with open(f"/proc/{child}/comm") as file:
                if file.read().startswith(("sshd", "dropbear")):
                    found += [child, *session_processes(child)]
        except OSError:
            continue
    return found


class Fleet:
    """A server, and a host for each kind of SSH server and login shell, behind a proxy of its own."""

    def __init__(self, folder):
        self.folder, self.accounts, self.proxies = folder, {}, {}
        self.servers = {"openssh": Sshd(str(folder / "sshd"), options=["AuthorizedKeysFile %h/.ssh/authorized_keys"])}
        if dropbears.installed():
            self.servers["dropbear"] = Dropbear(str(folder / "dropbear"))
        key = self.servers["openssh"].client_key
        with open("/etc/shells") as shells:
            self.shells_before = shells.read()
        for name, path in self.shells().items():
            made = self.accounts[name] = Account()
            accounts.Account._retry(["usermod", "--shell", path, made.name])
            made.authorize(key + ".pub")
            if shutil.which("sudo"):
                made.sudo("USER ALL=(ALL) NOPASSWD: ALL")
        hosts = []
        for kind, server in self.servers.items():
            for name, account in self.accounts.items():
                proxy = self.proxies[f"{kind}-{name}"] = Proxy(server.address, server.port)
                hosts.append(f'  {kind}-{name}: {{address: 127.0.0.1, port: {proxy.port}, user: {account.name}, '
                             f'host_key: "{server.fingerprint}"}}\n')
        repository = Repository(folder / "ops")
        repository.commit({"hikeshi/inventory.yaml": "hosts:\n" + "".join(hosts),
                           "runbooks/left.md": BOOK.replace("TIMEOUT", "5m"), "runbooks/short.md": BOOK.replace("TIMEOUT", "4s")})
        self.server = Server(folder / "serve", f"""repositories: {{ops: {{url: "{repository.path}", branch: main, path: runbooks}}}}
runner:
  slots: 100
  ssh: {{identities: ["file:{key}"], known_hosts: "{folder}/known_hosts"}}
""")
        self.server.wait_ready()

    def shells(self):
        """Login shells; dropbear lets in only whose shell is in /etc/shells."""
        found = {name: shutil.which(name) for name in ("dash", "bash") if shutil.which(name)}
        if shutil.which("busybox"):
            folder = "/tmp/hikeshi-busybox"
            os.makedirs(folder, exist_ok=True)
            if not os.path.exists(f"{folder}/sh"):
                os.symlink(shutil.which("busybox"), f"{folder}/sh")
            found["busybox"] = f"{folder}/sh"
            with open("/etc/shells", "a") as shells:
                shells.write(f"{folder}/sh\n")
        return found

    def stop(self):
        self.server.stop()
        for server in self.servers.values():
            server.stop()
        for proxy in self.proxies.values():
            proxy.stop()
        for account in self.accounts.values():
            account.stop()
        with open("/etc/shells", "w") as shells:
            shells.write(self.shells_before)


class Left:
    """One command on one host, and what became of it."""

    def __init__(self, fleet, host, what, ending):
        self.fleet, self.host, self.what, self.ending = fleet, host, what, ending
        self.tag = str(random.randrange(10**8, 10**9))
        self.begun = f"{fleet.accounts[host.split('-')[1]].home}/{self.tag}"
        text = COMMANDS[what].replace("TAG", self.tag).replace("BEGUN", self.begun)
        self.run = fleet.server.start_run("short" if ending == "time-out" else "left",
                                          {"where": host, "text": text, "root": what == "with sudo"})

    def has_begun(self):
        return os.path.exists(self.begun)

    def log(self, kind):
        return [event for event in self.fleet.server.items(f"/runs/{self.run}/log?limit=1000") if event["kind"] == kind]

    def verdict(self):
        """True stopped, False could not confirm; waits until it is on the record."""
        self.fleet.server.wait_run(self.run, ENDED)
        said = "reap" if self.ending in ("worker killed", "runner killed", "server killed") else "host"
        (event,) = wait_for(lambda: self.log(said), f"a {said} event of {self.run} ({self.what} on {self.host})", timeout=90)
        return event["stopped"] is True

    def kill(self):
        for pid in alive(self.tag):
            os.kill(pid, signal.SIGKILL)


def end(fleet, ending, all_left):
    if ending == "cancel":
        for left in all_left:
            fleet.server.request("POST", f"/api/v1/runs/{left.run}/cancel", {})
    elif ending in ("worker killed", "runner killed"):
        os.kill(processes(fleet.server)[ending == "worker killed"], signal.SIGKILL)
    elif ending == "server killed":
        fleet.server.restart(kill=True)
        fleet.server.wait_ready()
    elif ending == "connection reset":
        for proxy in fleet.proxies.values():
            proxy.cut()
    elif ending == "session killed":
        for server in fleet.servers.values():
            for pid in session_processes(server.process.pid):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    made = Fleet(tmp_path_factory.mktemp("left"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def table():
    """(ending, command) → counts; printed at the end."""
    counts = collections.defaultdict(collections.Counter)
    yield counts
    width = max(map(len, COMMANDS)) + 2
    print(f"\n{'ending':18}{'command':{width}}{'commands':>9}{'stopped':>9}{'could not confirm':>19}{'left':>6}{'left, called stopped':>22}")
    for (ending, what), count in counts.items():
        print(f"{ending:18}{what:{width}}{count['commands']:9}{count['stopped']:9}{count['not confirmed']:19}{count['left']:6}{count['wrong']:22}")
    print(f"{ROUNDS or 1} rounds: each command once a round on each pair of server and login shell{'' if ROUNDS else ' (some of them)'}")


@pytest.mark.parametrize("ending", ENDINGS)
def test_nothing_is_left_or_it_is_said(fleet, table, ending):
    wrong = []
    hosts = list(fleet.proxies) if ROUNDS else [host for host in fleet.proxies if host in ("openssh-dash", "openssh-busybox", "dropbear-bash")]
    for _ in range(ROUNDS or 1):
        what = [name for name in COMMANDS if name != "with sudo" or shutil.which("sudo")]
        all_left = [Left(fleet, host, name, ending) for host in hosts for name in what]
        if ending != "time-out":
            wait_for(lambda: all(left.has_begun() for left in all_left), "all commands to begin", timeout=60)
        end(fleet, ending, all_left)
        for left in all_left:
            stopped, alive_now = left.verdict(), len(alive(left.tag))
            table[ending, left.what].update({"commands": 1, "stopped": stopped, "not confirmed": not stopped, "left": alive_now > 0,
                                             "wrong": stopped and alive_now > 0})
            if stopped and alive_now:
                wrong.append((left.what, left.host, left.run))
            left.kill()
    assert not wrong, wrong
