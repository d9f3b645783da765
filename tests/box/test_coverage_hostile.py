"""hikeshi coverage on trees that nobody cleaned up: the right answer where there is one, a reason where not, memory within bounds."""
import json
import os
import random
import subprocess

import pytest

from .support import count_manifests
from .support.server import HIKESHI

MIB = 1024 * 1024
GOOD = "kind: Deployment\nmetadata: {name: good}\n"


def laughs(levels=12, open_with="[", key=""):
    close = {"[": "]", "{": "}"}[open_with]
    lines = [f"a0: &a0 {open_with}{key and 'k: '}x{close}"]
    for n in range(1, levels):
        items = ", ".join(f"{key and key + str(i) + ': '}*a{n - 1}" for i in range(10))
        lines.append(f"a{n}: &a{n} {open_with}{items}{close}")
    return "\n".join(lines) + "\n"


# name: (text, what the reason holds)
BOMBS = {
    "laughs": (laughs(), "more than 200000 values"),
    "laughs-of-maps": (laughs(open_with="{", key="k"), "more than 200000 values"),
    "quadratic": ("a: &a [" + "x, " * 5000 + "]\nb:\n" + "- *a\n" * 5000, "more than 200000 values"),
    "itself": ("a: &a [*a]\n", "contains itself"),
    "deep": ("[" * (7 * MIB), "too many values in one line"),
    "deep-lines": ("[\n" * (3 * MIB), "too many brackets"),
    "deep-maps": ("{a: " * (MIB * 7 // 4), "too many values in one line"),
    "deep-blocks": ("".join(" " * n + "a:\n" for n in range(2000)), "nested deeper than 64"),
    "one-line": ("[" + "x," * (3 * MIB) + "]", "too many values in one line"),
    "many-values": ("- x\n" * MIB, "more than 200000 values"),
    "tag-handles": ("".join(f"%TAG !t{n}! x\n" for n in range(400000)), "too many %TAG lines"),
    "documents-then-broken": ("--- a\n" * (MIB // 2) + "--- [\n", "not YAML"),
    "binary": (bytes(range(256)).decode("latin-1") * 20000, "not UTF-8, or a NUL byte"),
    "fifty-megabytes": ("x: " + "y" * (50 * MIB), "larger than 8192 KiB"),
}


def measured(tree, *args):
    """Its answer and its peak memory in bytes."""
    process = subprocess.Popen([HIKESHI, "coverage", "--manifests", "deploy", "--runbooks", "runbooks", "--json", *args], cwd=tree,
                               stdout=open(tree / "out", "wb"), stderr=subprocess.PIPE)
    stderr = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    assert process.returncode == 1 and stderr == b"", (process.returncode, stderr)
    return json.loads((tree / "out").read_text()), usage.ru_maxrss * 1024


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "deploy").mkdir()
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "deploy/good.yaml").write_text(GOOD)
    return tmp_path


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_end_with_a_reason_and_bounded_memory(tree, name):
    _, usual = measured(tree)
    text, reason = BOMBS[name]
    (tree / "deploy/bomb.yaml").write_bytes(text.encode("latin-1" if name == "binary" else "utf-8"))
    answer, peak = measured(tree)
    assert [s["file"] for s in answer["skipped"]] == ["bomb.yaml"] and reason in answer["skipped"][0]["reason"], answer["skipped"]
    assert answer["summary"]["workloads"] == 1, "the good file beside it counts"
    assert peak - usual < 640 * MIB, "the sanitizers' own bookkeeping is in this: they keep freed memory"


def test_a_bomb_in_settings_and_documents(tree):
    (tree / "coverage.yaml").write_text(laughs())
    done = subprocess.run([HIKESHI, "coverage", "--manifests", "deploy", "--runbooks", "runbooks", "--config", "coverage.yaml"], cwd=tree,
                          capture_output=True, text=True)
    assert done.returncode == 2 and "coverage.yaml:" in done.stderr and "more than 200000 values" in done.stderr
    (tree / "runbooks/bomb.md").write_text("---\n" + laughs() + "---\n# x\n")
    (tree / "runbooks/long.md").write_text("# x\n" + "y" * 2 * MIB)
    answer, _ = measured(tree)
    assert [s["file"] for s in answer["skipped"]] == ["long.md"], "a document's front matter may be anybody's; it covers by its name"
    assert {d["file"]: d["covers"] for d in answer["documents"]} == {"bomb.md": []}


def test_what_is_given_by_hand_may_be_a_pipe_or_without_end(tree):
    done = subprocess.run(["bash", "-c", f"'{HIKESHI}' coverage --manifests <(cat deploy/good.yaml) --manifests /dev/zero --runbooks runbooks --json"], cwd=tree,
                          capture_output=True, timeout=120)
    answer = json.loads(done.stdout)
    assert answer["summary"]["workloads"] == 1 and [s["reason"] for s in answer["skipped"]] == ["larger than 8192 KiB"], answer
    (tree / "deploy/closed.yaml").mkdir()
    (tree / "deploy/closed.yaml/x.yaml").write_text(GOOD)
    answer, _ = measured(tree)
    assert answer["summary"]["workloads"] == 2, "a folder may be called anything"


# ---- a large tree, as real ones are ----

def container(rng):
    return {"name": f"c{rng.randrange(99)}", "image": f"example.com/app:{rng.randrange(99)}", "args": ["--x", f"{rng.random()}"]}


def block(value, indent=0):
    """The value as block YAML, in a style of its own."""
    pad = " " * indent
    if isinstance(value, dict) and value:
        return "".join(f"{pad}{json.dumps(k) if ':' in k else k}:{inline(v, indent)}" for k, v in value.items())
    return "".join(f"{pad}-{inline(v, indent)}" for v in value)


def inline(value, indent):
    if isinstance(value, (dict, list)) and value:
        return "\n" + block(value, indent + 2)
    return " " + json.dumps(value) + "\n"


def workload(rng, number):
    kind = rng.choice(["Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "ConfigMap", "Service", "CustomResourceDefinition"])
    metadata = {"name": f"{kind.lower()}-{number}", "labels": {"app.kubernetes.io/name": "x", "owner": rng.choice("abc")}}
    if rng.random() < 0.5:
        metadata["namespace"] = rng.choice(["prod", "stage"])
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata,
            "spec": {"template": {"spec": {"containers": [container(rng) for _ in range(rng.randrange(1, 4))]}}}}


def rules(rng, number):
    groups = [{"name": "g", "rules": [{"alert": f"Alert{number}x{n}", "expr": "up == 0", "for": "5m", "labels": {"severity": "warning"},
                                       "annotations": {"summary": "{{ $labels.instance }} is down", "runbook_url": f"https://r.example.com/a{n}"}}
                                      for n in range(rng.randrange(5))] + [{"record": "r", "expr": "1"}]}]
    return {"kind": "PrometheusRule", "spec": {"groups": groups}} if rng.random() < 0.5 else {"groups": groups}


TEMPLATES = ["kind: Deployment\nmetadata:\n  name: {{ .Values.name }}\n", "{{- if .Values.x }}\nkind: Job\n{{- end }}\n", "{% for x in y %}\n- x\n{% endfor %}\n"]
BROKEN = ["a: [1, 2\n", "a: b: c\n", "\tkind: Job\n", "a: 'open\n", "- a\nb\n", "%YAML 9.9\nx\n", "a: *nobody\n", "@at: x\n"]


def write_tree(root, files):
    rng = random.Random(1)
    for number in range(files):
        folder = root / f"team-{number % 37}" / rng.choice(["base", "overlays/prod", "charts/x/templates"])
        folder.mkdir(parents=True, exist_ok=True)
        shape = rng.random()
        objects = [workload(rng, f"{number}-{n}") for n in range(rng.randrange(1, 5))]
        if shape < 0.5:
            text = "---\n".join(block(o) for o in objects)
        elif shape < 0.6:
            text = block({"kind": rng.choice(["List", "DeploymentList"]), "items": objects})
        elif shape < 0.7:
            text = "".join(f"---\n{json.dumps(o)}\n" for o in objects)
        elif shape < 0.8:
            text = block(rules(rng, number))
        elif shape < 0.85:
            text = "a: &m\n  name: shared\nx:\n" + f"---\nkind: Deployment\nmetadata: &m {{name: d{number}}}\ncopy: *m\n"
        elif shape < 0.9:
            text = rng.choice(TEMPLATES)
        elif shape < 0.95:
            text = block(objects[0]) + "---\n" + rng.choice(BROKEN)
        else:
            text = rng.choice(["", "# only a comment\n", "---\n", "just text\n", "- a\n- list\n", "kind:\nmetadata:\n", "kind: [Deployment]\n"])
        if rng.random() < 0.1:
            text = "\ufeff" + text.replace("\n", "\r\n")
        (folder / f"{number}.{rng.choice(['yaml', 'yml'])}").write_bytes(text.encode())


def test_a_large_tree_agrees_with_pyyaml(tmp_path):
    write_tree(tmp_path, 3000)
    files, workloads, alerts, unreadable, differences = count_manifests.compare(HIKESHI, tmp_path)
    assert differences == []
    assert files == 3000 and workloads > 3000 and alerts > 400 and unreadable > 200
