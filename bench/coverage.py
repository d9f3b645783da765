"""coverage: `hikeshi coverage` on a large repository, beside parsers that read the same bytes and do nothing with them.

libraries: one process, libcmark-gfm over the documents and libfyaml over the manifests (bare_parse.c). cmark-gfm: the command over the documents
alone, as one text, its HTML thrown away. The page cache is warm. CPU is user and system time of the process: hikeshi uses all cores."""
import argparse
import json
import os
import random
import sys
import tempfile

from bench.measure import MIB, in_turns, lines, measured, put_out
from tests.box.support.server import HIKESHI

WORDS = ("the service reads orders from a queue and writes them to its database when that is slow look at locks first then at disks "
         "and ask whoever deployed last before you restart anything because a restart loses what is in memory").split()
CONTAINER = """        - name: {name}
          image: registry.example.com/{name}:{tag}
          args: ["--listen=:8080", "--log-level=info", "--queue={name}-jobs"]
          ports: [{{name: http, containerPort: 8080}}, {{name: metrics, containerPort: 9090}}]
          env:
            - {{name: DATABASE_URL, valueFrom: {{secretKeyRef: {{name: {name}, key: url}}}}}}
            - name: REGION
              value: "ap-northeast-1"
          resources:
            requests: {{cpu: 100m, memory: 128Mi}}
            limits:
              memory: 256Mi
          readinessProbe:
            httpGet: {{path: /healthz, port: http}}
            periodSeconds: 10
"""
MANIFEST = """apiVersion: apps/v1
kind: {kind}
metadata:
  name: {name}
  namespace: prod
  labels:
    app.kubernetes.io/name: {name}
    owner: team-{team}
    severity: SEV{severity}
spec:
  replicas: 3
  selector:
    matchLabels: {{app.kubernetes.io/name: {name}}}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: {name}
    spec:
      containers:
{containers}---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: prod}}
spec:
  selector: {{app.kubernetes.io/name: {name}}}
  ports: [{{name: http, port: 80, targetPort: http}}]
"""
STEP = """
```lua {step=look effect=read}
local df = ssh(params.host):run{"df", "-P", "/"}
data.used = tonumber(df.stdout:match("(%d+)%%"))
report.metric("disk used", data.used, "%")
```
"""


def sentence(rng):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randrange(8, 24))).capitalize() + ".\n"


def document(rng, number):
    """Every second covers by name, every tenth is a runbook."""
    front = f"---\ntitle: Workload {number}\nowner: team-{number % 20}\n"
    front += "hikeshi: 1\nparams: {host: {type: host, required: true}}\n" if number % 10 == 0 else ""
    front += "" if number % 2 == 0 else f"covers: [deployment/prod/w{number}, statefulset/prod/w{number}]\n"
    body = "".join(f"\n## {sentence(rng)}\n{''.join(sentence(rng) for _ in range(6))}\n* `{sentence(rng)[:20]}`\n* **{sentence(rng)[:20]}**\n"
                   for _ in range(4))
    return f"{front}---\n# Workload {number}\n{body}{STEP if number % 10 == 0 else ''}"


def write_repository(folder, count):
    """Paths of all files. Nine of ten workloads are covered."""
    rng, paths = random.Random(1), []
    for number in range(count):
        kind, team = ("Deployment", "StatefulSet")[number % 2], number % 100
        containers = "".join(CONTAINER.format(name=f"w{number}-{n}", tag=rng.randrange(1000)) for n in range(rng.randrange(1, 4)))
        missing = number % 10 == 9
        texts = {f"deploy/team-{team}/w{number}.yaml": MANIFEST.format(kind=kind, name=f"w{number}", team=team, severity=number % 4 + 1, containers=containers),
                 f"runbooks/team-{team}/{'other-' if missing else ''}{'w' if number % 2 == 0 else 'about-'}{number}.md":
                     document(rng, number + 10 * count if missing else number)}
        for name, text in texts.items():
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as file:
                file.write(text)
            paths.append(path)
    return paths


def hikeshi(folder, count):
    figures, text = measured([HIKESHI, "coverage", "--manifests", "deploy", "--runbooks", "runbooks", "--json"], folder)
    summary = json.loads(text)["summary"]
    assert (summary["workloads"], summary["covered"]) == (count, count * 9 // 10), summary
    return figures


def measure(options, folder):
    paths = write_repository(folder, options.count)
    documents = [path for path in paths if path.endswith(".md")]
    listing = os.path.join(folder, "paths")
    with open(listing, "w") as file:
        file.write("\n".join(paths) + "\n")
    contestants = {"hikeshi": lambda: hikeshi(folder, options.count),
                   "libraries": lambda: measured([os.path.abspath(options.bare)], folder, listing)[0],
                   "cmark-gfm": lambda: measured(["cmark-gfm", *[os.path.relpath(path, folder) for path in documents]], folder)[0]}
    size = {suffix: sum(os.path.getsize(path) for path in paths if path.endswith(suffix)) / MIB for suffix in (".yaml", ".md")}
    return in_turns(contestants, options.rounds), size


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench coverage")
    parser.add_argument("--bare", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hikeshi-bench-", ignore_cleanup_errors=True) as folder:
        figures, size = measure(options, folder)
    case = f"{options.count} manifests ({size['.yaml']:.0f} MiB), {options.count} documents ({size['.md']:.0f} MiB)"
    put_out(lines("coverage", case, figures), options.json)
    if not options.json:
        print(f"\nmedian of {options.rounds}. libraries: libcmark-gfm over the documents and libfyaml over the manifests, nothing kept; "
              "cmark-gfm: the command, documents only.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
