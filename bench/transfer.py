"""transfer: one file to a host and back again, beside scp, on the same sshd and with the same cipher.

Each contestant is a process that starts, connects, moves the file and ends. hikeshi also makes the bytes (in Lua), hashes them, syncs the new file and renames
it over the old one; scp does none of these."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

from tests.box.support.sshd import Sshd

CIPHER = "aes128-ctr"  # one that all of them have
RUNBOOK = """---
hikeshi: 1
title: Transfer
hosts: "name=h"
---
# Transfer
```lua {{step=go}}
{lua}
```
"""


class Hikeshi:
    def __init__(self, folder, sshd, mib):
        self.folder = os.path.join(folder, "ops")
        os.makedirs(os.path.join(self.folder, "hikeshi"))
        self.put = self.runbook("put", f'ssh("h"):upload(string.rep("0123456789abcdef", {mib * 65536}), "{folder}/up")')
        self.get = self.runbook("get", f'check(#ssh("h"):download("{folder}/source") == {mib * 1048576})')
        with open(os.path.join(self.folder, "hikeshi/inventory.yaml"), "w") as file:
            file.write(f'hosts: {{h: {{address: 127.0.0.1, port: {sshd.port}, user: {sshd.user}, host_key: "{sshd.fingerprint}"}}}}\n')
        self.key = sshd.client_key

    def runbook(self, name, lua):
        path = os.path.join(self.folder, name + ".md")
        with open(path, "w") as file:
            file.write(RUNBOOK.format(lua=lua))
        return [os.environ["HIKESHI"], "run", path]

    def argv(self, direction):
        return [*getattr(self, direction), "--identity", self.key]


class Scp:
    def __init__(self, folder, sshd):
        self.options = ["-q", "-F", "/dev/null", "-P", str(sshd.port), "-i", sshd.client_key, "-o", "BatchMode=yes", "-c", CIPHER,
                        "-o", "UserKnownHostsFile=" + sshd.known_hosts(os.path.join(folder, "known_hosts"))]
        self.remote, self.folder = f"{sshd.user}@127.0.0.1:", folder

    def argv(self, direction):
        if direction == "put":
            return ["scp", *self.options, f"{self.folder}/source", f"{self.remote}{self.folder}/scp-up"]
        return ["scp", *self.options, f"{self.remote}{self.folder}/source", f"{self.folder}/scp-down"]


def seconds(argv, folder):
    start = time.monotonic()
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=folder)
    return time.monotonic() - start


def measure(options, folder):
    sshd = Sshd(os.path.join(folder, "sshd"), options=["Subsystem sftp /usr/lib/openssh/sftp-server", f"Ciphers {CIPHER}"])
    with open(os.path.join(folder, "source"), "wb") as file:
        file.write(os.urandom(options.mib * 1048576))
    contestants = {"hikeshi": Hikeshi(folder, sshd, options.mib), "scp": Scp(folder, sshd)}
    times = {(direction, name): [] for direction in ("put", "get") for name in contestants}
    for turn in range(options.rounds + 1):
        for (direction, name), taken in times.items():
            took = seconds(contestants[name].argv(direction), folder)
            if turn > 0:
                taken.append(took)
    sshd.stop()
    return times


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench transfer")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--mib", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hikeshi-bench-", ignore_cleanup_errors=True) as folder:
        times = measure(options, folder)
    for direction, what in (("put", "upload"), ("get", "download")):
        ours, theirs = (options.mib / statistics.median(times[direction, name]) for name in ("hikeshi", "scp"))
        if options.json:
            print(json.dumps({"bench": "transfer", "case": f"{what} of {options.mib} MiB, process and connection included",
                              "metric": "throughput", "unit": "MiB/s", "hikeshi": round(ours, 1), "peers": {"scp": round(theirs, 1)}}))
        else:
            print(f"{what:<10}{ours:8.1f} MiB/s, scp {theirs:8.1f} MiB/s, {ours / theirs:5.2f} times")
    return 0


if __name__ == "__main__":
    sys.exit(main())
