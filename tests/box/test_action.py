"""action.yml: its shell steps, run as a runner runs them, on the history of a pull request."""
import hashlib
import http.server
import json
import os
import platform
import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from .support import actions_log, actions_runner
from .support.server import HIKESHI

ROOT = actions_runner.ACTION.parent
DEPLOYMENT = "kind: Deployment\nmetadata: {{name: {}, namespace: prod, labels: {{owner: web}}}}\n"


class Checkout:
    """A workspace as actions/checkout leaves it for a pull request: HEAD is the merge of the head into the base, detached."""

    def __init__(self, path):
        self.path = path
        path.mkdir()
        self.git("init", "-q", "-b", "main")
        self.write("runbooks/old.md", "# old\n")
        self.write("deploy/old.yaml", DEPLOYMENT.format("old") + "---\n" + DEPLOYMENT.format("debt"))
        self.fork = self.commit("first")
        self.git("checkout", "-q", "-b", "feature;$(touch${IFS}pwned)", self.fork)
        self.write("deploy/new.yaml", DEPLOYMENT.format("new"))
        self.head = self.commit("head")
        self.git("checkout", "-q", "main")
        self.write("deploy/others.yaml", DEPLOYMENT.format("others"))
        self.base = self.commit("base moved on")
        self.git("update-ref", "refs/remotes/origin/main", self.base)
        self.git("merge", "-q", "--no-ff", "-m", "Merge", self.head)
        self.merge = self.git("rev-parse", "HEAD")
        self.git("checkout", "-q", "--detach", self.merge)
        self.git("branch", "-D", "main", "feature;$(touch${IFS}pwned)")

    def git(self, *args):
        return subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "safe.directory=*", *args], cwd=self.path,
                              capture_output=True, text=True, check=True).stdout.strip()

    def write(self, name, text):
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_text(text)

    def commit(self, message):
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD")

    def pull_request(self, temp):
        event = temp / "event.json"
        event.write_text(json.dumps({"pull_request": {"base": {"sha": self.fork, "ref": "main"}, "title": "$(touch pwned) `touch pwned`",
                                                      "head": {"sha": self.head, "ref": "feature;$(touch${IFS}pwned)"}}}))
        return {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(event), "GITHUB_BASE_REF": "main", "GITHUB_SHA": self.merge,
                "GITHUB_HEAD_REF": "feature;$(touch${IFS}pwned)", "GITHUB_REF": "refs/pull/7/merge", "GITHUB_REPOSITORY": "o/r"}


PUSH = {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/main"}


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path / "work space")


@pytest.fixture
def run(checkout, tmp_path):
    def run(environment, **inputs):
        temp = tmp_path / f"temp {len(list(tmp_path.iterdir()))}"
        temp.mkdir()
        given = {"binary": HIKESHI, "manifests": "deploy", **{name.replace("_", "-"): value for name, value in inputs.items()}}
        environment = environment(temp) if callable(environment) else environment
        return actions_runner.run(checkout.path, temp, given, environment)
    return run


def test_on_a_push_everything_counts(run, checkout):
    done = run(PUSH)
    assert done.status == 1
    assert {name: done.outputs[name] for name in ("percent", "workloads", "covered", "alerts", "alerts-covered", "gaps", "skipped", "status", "changed-since")} == {
        "percent": "25", "workloads": "4", "covered": "1", "alerts": "0", "alerts-covered": "0", "gaps": "3", "skipped": "0", "status": "1",
        "changed-since": ""}
    commands, _ = actions_log.read(done.log)
    assert sorted(properties["file"] for kind, properties, _ in commands if kind == "error") == ["deploy/new.yaml", "deploy/old.yaml", "deploy/others.yaml"]
    assert "`deployment/prod/new`" in done.summary and done.summary == Path(done.outputs["markdown-file"]).read_text()
    assert json.loads(Path(done.outputs["json-file"]).read_text())["summary"]["workloads"] == 4
    assert done.outputs["sarif-file"] == "" and checkout.git("status", "--porcelain") == ""


def test_on_a_pull_request_what_it_changes_counts(run, checkout):
    done = run(checkout.pull_request)
    assert done.status == 1 and done.outputs["changed-since"] == checkout.base, "not the older base that the event names"
    commands, _ = actions_log.read(done.log)
    assert [properties["file"] for kind, properties, _ in commands if kind == "error"] == ["deploy/new.yaml"], done.log
    assert "deployment/prod/others" not in done.summary and "deployment/prod/debt" not in done.summary
    assert done.outputs["workloads"] == "1" and done.outputs["gaps"] == "1"
    assert run(checkout.pull_request, changed_since=checkout.merge).status == 0
    assert run(checkout.pull_request, changed_since="none").outputs["gaps"] == "3"


def test_a_pull_request_that_writes_its_runbook_passes(run, checkout):
    checkout.git("checkout", "-q", checkout.head)
    checkout.write("runbooks/new.md", "# new\n")
    checkout.head = checkout.commit("a runbook")
    checkout.git("checkout", "-q", checkout.base)
    checkout.git("merge", "-q", "--no-ff", "-m", "Merge", checkout.head)
    checkout.merge = checkout.git("rev-parse", "HEAD")
    done = run(checkout.pull_request)
    assert (done.status, done.outputs["workloads"], done.outputs["percent"]) == (0, "1", "100"), done.log


def test_a_checkout_of_the_head_itself(run, checkout):
    checkout.git("checkout", "-q", checkout.head)
    done = run(checkout.pull_request)
    assert done.outputs["changed-since"] == checkout.base and done.outputs["workloads"] == "1", "origin/main, since they parted"
    checkout.git("update-ref", "-d", "refs/remotes/origin/main")
    done = run(checkout.pull_request)
    assert done.outputs["changed-since"] == checkout.fork and done.outputs["workloads"] == "1", "what the event names"


def test_a_merge_queue(run, checkout, tmp_path):
    event = tmp_path / "merge-group.json"
    event.write_text(json.dumps({"merge_group": {"base_sha": checkout.base}}))
    done = run({"GITHUB_EVENT_NAME": "merge_group", "GITHUB_EVENT_PATH": str(event), "GITHUB_SHA": checkout.merge})
    assert done.outputs["changed-since"] == checkout.base and done.outputs["workloads"] == "1"


def test_a_shallow_checkout_is_said(run, checkout, tmp_path):
    shallow = tmp_path / "shallow"
    subprocess.run(["git", "clone", "-q", "--depth", "1", "--no-local", f"file://{checkout.path}", shallow], check=True)
    checkout.path = shallow
    done = run(checkout.pull_request)
    assert done.status == 2 and "give actions/checkout the option fetch-depth: 0" in done.log
    assert run(checkout.pull_request, changed_since="none").outputs["workloads"] == "4"


def test_rendering_is_compared_too(run, checkout):
    done = run(checkout.pull_request, render="true")
    assert done.outputs["changed-since"] != "" and done.outputs["gaps"] == run(checkout.pull_request).outputs["gaps"]
    assert run(checkout.pull_request, render="true", changed_since="none").outputs["gaps"] == "3"


def test_reports_and_verdicts(run, checkout):
    done = run(PUSH, min="20", sarif_file="out.sarif", junit_file="junit.xml", json_file="all.json", summary="false")
    assert (done.status, done.outputs["status"]) == (0, "0"), done.log
    assert done.outputs["sarif-file"] == "out.sarif" and json.loads((checkout.path / "out.sarif").read_text())["version"] == "2.1.0"
    assert done.outputs["junit-file"] == "junit.xml" and (checkout.path / "junit.xml").read_text().startswith("<?xml")
    assert done.outputs["json-file"] == "all.json" and done.summary == ""
    checkout.write("known.json", '{"gaps": ["deployment/prod/debt", "deployment/prod/new", "deployment/prod/others"]}')
    assert run(PUSH, baseline="known.json").status == 0
    checkout.write("deploy/broken.yaml", "a: [")
    assert run(PUSH, baseline="known.json").status == 0
    done = run(PUSH, baseline="known.json", strict="true")
    assert done.status == 1 and done.outputs["skipped"] == "1"


def test_lists_are_one_a_line(run, checkout):
    checkout.write("more manifests/x, y.yaml", DEPLOYMENT.format("xy"))
    checkout.write("rules/r.yaml", "groups: [{name: g, rules: [{alert: Old}]}]")
    done = run(PUSH, manifests="deploy\n\n  more manifests \n", alerts="rules\n", runbooks="runbooks")
    assert (done.outputs["workloads"], done.outputs["alerts"], done.outputs["alerts-covered"]) == ("5", "1", "1"), done.log


def test_nothing_in_names_or_inputs_is_run(run, checkout):
    checkout.write("deploy/$(touch pwned)`touch pwned`;touch pwned.yaml", json.dumps({"kind": "Deployment", "metadata": {"name": "::error::x\n::add-mask::y"}}))
    done = run(checkout.pull_request, changed_since="none", format="text", manifests="deploy\n$(touch pwned)\n")
    assert done.status == 2 and "cannot read '$(touch pwned)'" in done.log
    commands, lines = actions_log.read(done.log)
    assert [data for kind, _, data in commands] == ["hikeshi coverage ended with status 2; its message is above"]
    for name in ("text", "json", "markdown", "sarif", "junit", "github"):
        done = run(checkout.pull_request, changed_since="none", format=name)
        commands, lines = actions_log.read(done.log)
        assert done.status == 1 and all(kind == "error" and "file" in properties for kind, properties, _ in commands), done.log
        assert (name == "github") == bool(commands)
    assert not list(checkout.path.rglob("pwned")) and not Path("pwned").exists()


def test_wrong_inputs_are_said(run, checkout):
    for inputs, said in (({"strict": "yes"}, "strict: expected true or false"), ({"render": "1"}, "render: expected true or false"), ({"manifests": ""}, "give --manifests DIR"), ({"min": "x"}, "--min: expected"),
                         ({"format": "xml"}, "--format"), ({"changed_since": "nowhere"}, "give actions/checkout the option fetch-depth: 0"),
                         ({"baseline": "none.json"}, "baseline"), ({"tests": "none.json"}, "none.json"), ({"server": "http://127.0.0.1:1"}, "127.0.0.1:1"), ({"config": "none.yaml"}, "there is no file 'none.yaml'")):
        done = run(PUSH, **inputs)
        assert done.status in (1, 2, 3) and said in done.log, (inputs, done.log)
        assert done.summary == "" and done.outputs["percent"] == ""


def test_the_binary_that_is_given_must_run(run, checkout):
    for binary in ("/nonexistent", "/bin/false"):
        done = run(PUSH, binary=binary)
        assert done.status == 2 and "leave binary and version out to build hikeshi from source" in done.log and "coverage" not in done.steps


@pytest.fixture
def releases():
    """A server with releases, where GITHUB_SERVER_URL points to: {path: bytes}."""
    files = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = files.get(self.path)
            self.send_response(200 if body is not None else 404)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield files, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_release_is_downloaded_and_checked(run, releases):
    files, url = releases
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    asset = f"/own/er/releases/download/v1/hikeshi-{release['ID']}-{release['VERSION_ID'].strip(chr(34))}-{platform.machine()}"
    body = f"#!/bin/sh\nexec '{HIKESHI}' \"$@\"\n".encode()
    digest = hashlib.sha256(body).hexdigest()
    environment = {**PUSH, "GITHUB_SERVER_URL": url, "GITHUB_ACTION_REPOSITORY": "own/er"}
    done = run(environment, binary="", version="v1")
    assert done.status == 2 and f"cannot download {url}{asset}" in done.log
    files[asset] = body
    done = run(environment, binary="", version="v1")
    assert done.status == 2 and "expected 64 hexadecimal digits" in done.log
    files[asset + ".sha256"] = f"{digest}  hikeshi\n".encode()
    assert run(environment, binary="", version="v1").outputs["workloads"] == "4"
    assert run(environment, binary="", version="v1", sha256=digest).outputs["workloads"] == "4"
    done = run(environment, binary="", version="v1", sha256="0" * 64)
    assert done.status == 2 and "does not have the SHA-256 " + "0" * 64 in done.log
    for version in ("../v1", "-x", "v1;x"):
        assert "expected a release's tag" in run(environment, binary="", version=version).log
    assert "a local action has no releases" in run({**environment, "GITHUB_ACTION_REPOSITORY": ""}, binary="", version="v1").log


def test_action_builds_from_its_own_checkout(checkout, tmp_path, monkeypatch):
    own = tmp_path / "own"
    (own / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "action.yml", own)
    shutil.copy(ROOT / "scripts/action", own / "scripts")
    build = own / "scripts/build"
    build.write_text(f'#!/bin/sh\nset -e\ncd "$(dirname "$0")/.."\nmkdir build\nln -s "{HIKESHI}" build/hikeshi\n')
    build.chmod(0o755)
    monkeypatch.setattr(actions_runner, "ACTION", own / "action.yml")
    done = actions_runner.run(checkout.path, tmp_path, {"manifests": "deploy"}, PUSH)
    assert done.outputs["workloads"] == "4" and "::group::Build hikeshi" in done.log
    done = actions_runner.run(checkout.path, tmp_path, {"manifests": "deploy"}, PUSH)
    assert "::group::" not in done.log, "built once a job"
    (own / "build/hikeshi").unlink()
    build.write_text("#!/bin/sh\nexit 1\n")
    done = actions_runner.run(checkout.path, tmp_path, {"manifests": "deploy"}, PUSH)
    assert done.status == 2 and "hikeshi could not be built on this runner" in done.log


def test_action_yml_hands_inputs_over_as_environment_only():
    action = actions_runner.load()
    used = set()
    for step in action["runs"]["steps"]:
        assert "${{" not in step["run"] and "uses" not in step
        for name, value in step["env"].items():
            found = re.fullmatch(r"\$\{\{ (inputs\.[a-z0-9-]+|github\.action_path|github\.action_repository|steps\.install\.outputs\.hikeshi) \}\}", value)
            assert found, (name, value)
            used.add(found[1])
    assert {f"inputs.{name}" for name in action["inputs"]} <= used, "an input that nothing reads"
    assert all(isinstance(spec["description"], str) and isinstance(spec["default"], str) for spec in action["inputs"].values())
    subprocess.run(["bash", "-n", ROOT / "scripts/action"], check=True)


def test_example_workflow_fits_the_action():
    workflow = actions_runner.load(ROOT / "examples/.github/workflows/runbooks.yaml")
    action = actions_runner.load()
    job = workflow["jobs"]["coverage"]
    assert workflow["permissions"] == {} and job["permissions"] == {"contents": "read", "security-events": "write"}
    checkout, coverage, upload = job["steps"]
    assert checkout["with"] == {"fetch-depth": 0, "persist-credentials": False}
    assert set(coverage["with"]) <= set(action["inputs"])
    for name in re.findall(r"steps\.coverage\.outputs\.([a-z-]+)", json.dumps(workflow)):
        assert name in action["outputs"]
    assert upload["uses"].startswith("github/codeql-action/upload-sarif@")
    done = subprocess.run([HIKESHI, "coverage", "--strict", "--json", *[f"--{name}={coverage['with'][name]}" for name in ("manifests", "alerts", "runbooks")]],
                          cwd=ROOT / "examples", capture_output=True, env={**os.environ})
    assert done.returncode == 0, "the example covers itself"
    assert json.loads(done.stdout)["summary"]["percent"] == 100
