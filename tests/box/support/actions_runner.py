"""Runs a composite action's shell steps as GitHub's runner does: expressions only from contexts, `bash --noprofile --norc -eo pipefail`, the
files of the environment, outputs read back from $GITHUB_OUTPUT. Knows the forms that action.yml uses and refuses others."""
import os
import re
import subprocess
from pathlib import Path

import yaml

ACTION = Path(__file__).resolve().parents[3] / "action.yml"
EXPRESSION = re.compile(r"\$\{\{\s*([^}]*?)\s*\}\}")


def load(path=ACTION):
    return yaml.safe_load(path.read_text())


def lookup(contexts, expression):
    """The value of a.b.c; nothing for a step that did not come to its outputs; a name that cannot be is an error here."""
    value = contexts
    for part in expression.split("."):
        if part not in value and not expression.startswith("steps."):
            raise KeyError(expression)
        value = value.get(part, {})
    return "" if value in ({}, None) else str(value)


def expand(text, contexts):
    return EXPRESSION.sub(lambda match: lookup(contexts, match[1]), str(text))


def read_outputs(path):
    """name=value and name<<END lines, as docs.github.com describes them."""
    outputs, lines = {}, path.read_text().split("\n")
    while lines:
        line = lines.pop(0)
        name, heredoc, end = line.partition("<<")
        if heredoc and "=" not in name:
            value = []
            while lines[0] != end:
                value.append(lines.pop(0))
            lines.pop(0)
            outputs[name] = "\n".join(value)
        elif line:
            name, equals, value = line.partition("=")
            assert equals, f"not an output: {line!r}"
            outputs[name] = value
    return outputs


class Result:
    def __init__(self):
        self.status, self.log, self.summary, self.outputs, self.steps = 0, "", "", {}, {}


def run(workspace, temp, inputs, environment, path=None, timeout=300):
    """Runs every step until one fails. `environment` are the GITHUB_… variables of the event."""
    action, result = load(), Result()
    unknown = set(inputs) - set(action["inputs"])
    assert not unknown, f"no such inputs: {unknown}"
    given = {name: inputs.get(name, spec.get("default", "")) for name, spec in action["inputs"].items()}
    contexts = {"inputs": given, "github": {"action_path": str(ACTION.parent), "action_repository": environment.get("GITHUB_ACTION_REPOSITORY", "")},
                "steps": {}}
    for number, step in enumerate(action["runs"]["steps"]):
        files = {name: temp / f"{name}-{number}" for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_ENV", "GITHUB_PATH")}
        for file in files.values():
            file.touch()
        env = {"PATH": path or os.environ["PATH"], "HOME": str(temp), "LANG": "C.UTF-8", "CI": "true", "GITHUB_ACTIONS": "true", "RUNNER_TEMP": str(temp),
               "GITHUB_WORKSPACE": str(workspace), "GITHUB_ACTION_PATH": str(ACTION.parent), **environment,
               **{key: os.environ[key] for key in ("ASAN_OPTIONS", "UBSAN_OPTIONS") if key in os.environ},
               **{name: str(file) for name, file in files.items()},
               **{name: expand(value, contexts) for name, value in step.get("env", {}).items()}}
        script = temp / f"step-{number}.sh"
        assert step["shell"] == "bash" and not EXPRESSION.search(step["run"])
        script.write_text(step["run"])
        done = subprocess.run(["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)], cwd=workspace, env=env, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, encoding="utf-8", errors="replace", timeout=timeout)
        result.log += done.stdout
        summary = files["GITHUB_STEP_SUMMARY"].read_bytes()
        result.summary += summary.decode() if len(summary) <= 1024 * 1024 else ""  # the runner drops a larger one whole
        contexts["steps"][step["id"]] = {"outputs": read_outputs(files["GITHUB_OUTPUT"])}
        result.status = done.returncode
        if done.returncode:
            break
    result.steps = contexts["steps"]
    result.outputs = {name: expand(spec["value"], contexts) for name, spec in action["outputs"].items()}
    return result
