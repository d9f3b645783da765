"""idle: what serve, runner and worker take at rest, and how long from starting serve until it is ready.

PSS counts shared pages once, so the sum is what the three take together; RSS counts them for each. Ready: /readyz answers 200, the runner has
asked for work."""
import argparse
import glob
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

from tests.box.support.process import wait_for
from tests.box.support.repository import Repository
from tests.box.support.server import HIKESHI, Server

CONFIG = """repositories: {{ops: {{url: "{url}", branch: main, path: runbooks}}}}
"""


def memory(pid):
    """(RSS, PSS) in KiB."""
    with open(f"/proc/{pid}/smaps_rollup") as rollup:
        fields = dict(line.split(":", 1) for line in rollup if ":" in line and not line.startswith("0"))
    return tuple(int(fields[name].split()[0]) for name in ("Rss", "Pss"))


def children(pid):
    found = []
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        with open(path) as file:
            found += [int(child) for child in file.read().split()]
    return found


def processes(server):
    """serve, runner, worker."""
    serve = server.process.pid
    runner = wait_for(lambda: children(serve), "the runner")[0]
    worker = wait_for(lambda: children(runner), "the worker")[0]
    return {"serve": serve, "runner": runner, "worker": worker}


def at_rest(folder, url):
    server = Server(os.path.join(folder, "rest"), CONFIG.format(url=url))
    server.wait_ready()
    sizes = {name: memory(pid) for name, pid in processes(server).items()}
    server.stop()
    return sizes


def ready_once(folder, url):
    """Milliseconds from fork to the first 200 of /readyz. The data folder exists, as at any start but the first."""
    port_file = os.path.join(folder, "out")
    config = os.path.join(folder, "rest", "hikeshi.yaml")
    start = time.monotonic()
    with open(port_file, "w") as out:
        child = subprocess.Popen([HIKESHI, "serve", "--config", config, "--data", os.path.join(folder, "rest", "data"), "--listen",
                                  "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=out, text=True)
    while "listening on" not in (line := child.stdout.readline()):
        assert line, open(port_file).read()
    listening = time.monotonic()
    host, port = line.rsplit("/", 1)[1].strip().rsplit(":", 1)

    def ready():
        connection = http.client.HTTPConnection(host, int(port), timeout=5)
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    wait_for(ready, "/readyz", 30, 0.001)
    took = time.monotonic() - start
    child.terminate()
    child.wait(20)
    return took * 1000, (listening - start) * 1000


def figure(case, metric, unit, value):
    return {"bench": "idle", "case": case, "metric": metric, "unit": unit, "hikeshi": round(value, 1), "peers": {}}


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench idle")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hikeshi-bench-", ignore_cleanup_errors=True) as folder:
        repository = Repository(os.path.join(folder, "ops"))
        repository.commit({"runbooks/a.md": "---\nhikeshi: 1\ntriggers: [{kind: manual}]\n---\n# A\n```lua {step=go}\nlog('x')\n```\n"})
        sizes = at_rest(folder, repository.path)
        starts = [ready_once(folder, repository.path) for _ in range(options.rounds)]
    lines = [figure(name, metric, "MiB", sizes[name][i] / 1024) for i, metric in enumerate(("rss", "pss")) for name in sizes]
    lines += [figure("together", metric, "MiB", sum(size[i] for size in sizes.values()) / 1024) for i, metric in enumerate(("rss", "pss"))]
    lines.append(figure("start to listening", "median", "ms", statistics.median(s[1] for s in starts)))
    lines.append(figure("start to ready", "median", "ms", statistics.median(s[0] for s in starts)))
    for line in lines:
        print(json.dumps(line) if options.json else f"{line['case']:<20} {line['metric']:<8} {line['hikeshi']:>8.1f} {line['unit']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
