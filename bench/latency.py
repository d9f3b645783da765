"""latency: from a signed PagerDuty webhook to the first output byte of its runbook's SSH command in the database.

Everything is warm: sessions, runner, page cache. Beside it, in turns and against the same sshd: the floor, a bare libssh2 client that runs the
same command on its one open session (bare_ssh.c), and OpenSSH's client over a ControlMaster, which starts a process each time."""
import argparse
import hashlib
import hmac
import http.client
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import uuid

from bench.intake import SECRET, body
from tests.box.support.process import wait_for
from tests.box.support.repository import Repository
from tests.box.support.server import Server
from tests.box.support.sshd import Sshd

WARM_UP = 10
RUNBOOK = """---
hikeshi: 1
title: Latency
triggers: [{kind: incident, match: {source: pd}, for_each: incident}]
limits: {concurrency: 100}
---
# Latency
```lua {step=go}
ssh("h"):run{"echo", "hello"}
```
"""


class Database:
    """Sees what is committed, from outside."""

    def __init__(self, server):
        self.db = sqlite3.connect(f"file:{server.data}/hikeshi.db?mode=ro", uri=True, isolation_level=None)

    def one(self, sql):
        return self.db.execute(sql).fetchone()[0]

    def wait(self, sql, value):
        """Polls every 0.1 ms: that much is the error of what is measured here, in our disfavour."""
        end = time.monotonic() + 30
        while self.one(sql) < value:
            if time.monotonic() > end:
                raise TimeoutError(f"{sql}: {self.one(sql)} of {value}")
            time.sleep(0.0001)
        return time.monotonic()


class Hikeshi:
    def __init__(self, folder, sshd):
        repository = Repository(os.path.join(folder, "ops"))
        repository.commit({"runbooks/go.md": RUNBOOK, "hikeshi/inventory.yaml": f"""hosts:
  h: {{address: 127.0.0.1, port: {sshd.port}, user: {sshd.user}, host_key: "{sshd.fingerprint}"}}
"""})
        self.server = Server(os.path.join(folder, "serve"), f"""repositories: {{ops: {{url: "{repository.path}", branch: main, path: runbooks}}}}
sources: {{pd: {{kind: pagerduty, secrets: ["env:BENCH_PD_SECRET"]}}}}
runner: {{ssh: {{identities: ["file:{sshd.client_key}"], agent: false}}}}
""", env={"BENCH_PD_SECRET": SECRET})
        self.server.wait_ready()
        self.database = Database(self.server)
        host, port = self.server.listen.rsplit(":", 1)
        self.connection = http.client.HTTPConnection(host, int(port))
        self.connection.connect()
        self.number = 0

    def once(self):
        """Milliseconds."""
        content = body(uuid.uuid4().hex.upper(), 0).replace(b'"Q0000000000000"', f'"Q{self.number:013d}"'.encode())
        signature = hmac.new(SECRET.encode(), content, hashlib.sha256).hexdigest()
        self.number += 1
        start = time.monotonic()
        self.connection.request("POST", "/hooks/pd", content, {"Content-Type": "application/json",
                                                              "X-Webhook-Id": json.loads(content)["event"]["id"],
                                                              "X-PagerDuty-Signature": "v1=" + signature})
        answer = self.connection.getresponse()
        answer.read()
        assert answer.status == 202, answer.status
        stored = self.database.wait("SELECT count(*) FROM output", self.number)
        self.database.wait("SELECT count(*) FROM runs WHERE state = 'succeeded'", self.number)
        return (stored - start) * 1000

    def stop(self):
        self.connection.close()
        self.server.stop()


class Bare:
    def __init__(self, program, sshd):
        self.child = subprocess.Popen([program, str(sshd.port), sshd.user, sshd.client_key, "echo hello"], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True, bufsize=1)

    def once(self):
        self.child.stdin.write("\n")
        return int(self.child.stdout.readline()) / 1000

    def stop(self):
        self.child.stdin.close()
        self.child.wait(10)


class ControlMaster:
    def __init__(self, folder, sshd):
        self.argv = ["ssh", "-F", "/dev/null", "-p", str(sshd.port), "-i", sshd.client_key, "-o", "ControlPath=" + os.path.join(folder, "cm"),
                     "-o", "UserKnownHostsFile=" + sshd.known_hosts(os.path.join(folder, "known_hosts")), "-o", "BatchMode=yes"]
        self.target = f"{sshd.user}@127.0.0.1"
        subprocess.run([*self.argv, "-o", "ControlMaster=yes", "-o", "ControlPersist=yes", self.target, "true"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def once(self):
        start = time.monotonic()
        with subprocess.Popen([*self.argv, self.target, "echo hello"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as child:
            assert child.stdout.read(1) == b"h"
            took = time.monotonic() - start
            child.stdout.read()
        return took * 1000

    def stop(self):
        subprocess.run([*self.argv, "-O", "exit", self.target], check=True, stderr=subprocess.DEVNULL)


def percentile(values, percent):
    return sorted(values)[min(len(values) - 1, int(len(values) * percent / 100))]


def measure(options, folder):
    sshd = Sshd(os.path.join(folder, "sshd"))
    contestants = {"hikeshi": Hikeshi(folder, sshd), "libssh2": Bare(options.bare, sshd), "openssh_controlmaster": ControlMaster(folder, sshd)}
    times = {name: [] for name in contestants}
    for turn in range(WARM_UP + options.count):
        for name, contestant in contestants.items():
            took = contestant.once()
            if turn >= WARM_UP:
                times[name].append(took)
    for contestant in contestants.values():
        contestant.stop()
    sshd.stop()
    return times


def figures(times):
    peers = [name for name in times if name != "hikeshi"]
    for metric, of in (("p50", statistics.median), ("p99", lambda values: percentile(values, 99))):
        values = {name: round(of(times[name]), 3) for name in times}
        yield {"bench": "latency", "case": "webhook to first output byte stored, warm", "metric": metric, "unit": "ms",
               "hikeshi": values["hikeshi"], "peers": {name: values[name] for name in peers}}


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench latency")
    parser.add_argument("--bare", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--count", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hikeshi-bench-", ignore_cleanup_errors=True) as folder:
        times = measure(options, folder)
    lines = list(figures(times))
    if options.json:
        for line in lines:
            print(json.dumps(line))
        return 0
    names = ["hikeshi", *lines[0]["peers"]]
    print(f"{'ms':<6}" + "".join(f"{name:>24}" for name in names) + f"{'over libssh2':>16}")
    for line in lines:
        values = {"hikeshi": line["hikeshi"], **line["peers"]}
        print(f"{line['metric']:<6}" + "".join(f"{values[name]:>24.2f}" for name in names) + f"{values['hikeshi'] - values['libssh2']:>16.2f}")
    print(f"\n{options.count} of each in turns on one sshd; hikeshi: from sending a signed webhook to its output committed in SQLite; the others: from\n"
          "asking for the command to its first byte.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
