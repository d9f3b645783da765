"""Counts workloads and alert rules in YAML files with PyYAML, which shares no code with hikeshi.

As a program: compares `hikeshi coverage` with that count on any folder, file by file; exit 1 when they differ.
    HIKESHI=build/hikeshi python3 -m tests.box.support.count_manifests FOLDER
"""
import collections
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

KINDS = {"Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"}
LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # every scalar as its text


def text(mapping, key):
    value = mapping.get(key) if isinstance(mapping, dict) else None
    return value if isinstance(value, str) and value not in ("", "~", "null", "Null", "NULL") else None


def walk(value, found):
    """Appends (kind, namespace, name) and ("alert", None, name)."""
    if not isinstance(value, dict):
        return
    kind = text(value, "kind")
    metadata = value.get("metadata")
    if kind in KINDS and text(metadata, "name"):
        found.append((kind, text(metadata, "namespace"), text(metadata, "name")))
    elif kind is not None and kind.endswith("List") and isinstance(value.get("items"), list):
        for item in value["items"]:
            walk(item, found)
    elif kind in (None, "PrometheusRule"):
        spec = value if kind is None else value.get("spec")
        groups = spec.get("groups") if isinstance(spec, dict) else None
        for group in groups if isinstance(groups, list) else []:
            rules = group.get("rules") if isinstance(group, dict) else None
            for rule in rules if isinstance(rules, list) else []:
                if text(rule, "alert"):
                    found.append(("alert", None, rule["alert"]))


def read(path):
    """What a file declares, and why its reading ended (None: it was read whole)."""
    found = []
    try:
        for document in yaml.load_all(path.read_bytes(), LOADER):
            walk(document, found)
    except (yaml.YAMLError, UnicodeError, ValueError, RecursionError) as error:
        return found, str(error).replace("\n", " ")
    return found, None


def files(root):
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(folder, name)
            if path.suffix in (".yaml", ".yml") and not name.startswith(".") and not path.is_symlink():
                yield path


def ask(hikeshi, root):
    """{file: Counter of what it declares}, {file: reason} as hikeshi says, files relative to root."""
    with tempfile.TemporaryDirectory() as empty:
        done = subprocess.run([hikeshi, "coverage", "--manifests", ".", "--runbooks", empty, "--json"], cwd=root, capture_output=True, check=False)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"hikeshi ended with {done.returncode}: {done.stderr.decode()}")
    answer, said = json.loads(done.stdout), collections.defaultdict(collections.Counter)
    for workload in answer["workloads"]:
        said[workload["file"]][workload["kind"], workload["namespace"], workload["name"]] += 1
    for alert in answer["alerts"]:
        said[alert["file"]]["alert", None, alert["name"]] += 1
    return said, {skipped["file"]: skipped["reason"] for skipped in answer["skipped"]}


def compare(hikeshi, root):
    """(files, workloads, alerts, unreadable by PyYAML, lines about each difference)."""
    said, skipped = ask(hikeshi, root)
    counts, unreadable, differences = collections.Counter(), 0, []
    for path in sorted(files(root)):
        name = os.path.relpath(path, root)
        found, error = read(path)
        unreadable += error is not None
        counts["files"] += 1
        counts["alerts"] += sum(kind == "alert" for kind, _, _ in found)
        counts["workloads"] += sum(kind != "alert" for kind, _, _ in found)
        if (error is None) != (name not in skipped):
            differences.append(f"{name}: PyYAML: {error or 'reads it'}; hikeshi: {skipped.get(name, 'reads it')}")
        elif error is None and collections.Counter(found) != said[name]:
            differences.append(f"{name}: PyYAML {sorted(map(str, found))}; hikeshi {sorted(map(str, said[name].elements()))}")
    return counts["files"], counts["workloads"], counts["alerts"], unreadable, differences


def main():
    hikeshi = os.path.abspath(os.environ.get("HIKESHI", "build/hikeshi"))
    total, workloads, alerts, unreadable, differences = compare(hikeshi, sys.argv[1])
    for line in differences:
        print(re.sub(r"[^\x20-\x7e]", "?", line)[:600])
    print(f"{total} files, {workloads} workloads, {alerts} alert rules, {unreadable} unreadable: {len(differences)} differences")
    sys.exit(bool(differences))


if __name__ == "__main__":
    main()
