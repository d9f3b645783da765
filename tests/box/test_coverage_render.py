"""hikeshi coverage --render: charts and kustomizations as their tools render them: fakes on PATH, and the real ones where they are installed."""
import json
import os
import shutil
import stat
import subprocess

import pytest

from .support.repository import Repository
from .support.server import HIKESHI

TEMPLATE = "kind: Deployment\nmetadata:\n  name: {{ .Values.name }}\n  {{- if .Values.x }}\n  labels: {}\n  {{- end }}\n"


def workload(name):
    return f"kind: Deployment\nmetadata: {{name: {name}}}\n"


@pytest.fixture
def repository(tmp_path):
    r = Repository(tmp_path / "repo")
    r.commit({"deploy/shop/Chart.yaml": "apiVersion: v2\nname: My_Shop\nversion: 1.0.0\n", "deploy/shop/values.yaml": "name: x\n",
              "deploy/shop/templates/web.yaml": TEMPLATE, "deploy/shop/templates/db.yaml": TEMPLATE,
              "deploy/shop/charts/sub/Chart.yaml": "name: sub\n", "deploy/shop/charts/sub/templates/s.yaml": TEMPLATE,
              "deploy/lib/Chart.yaml": "name: lib\ntype: library\n",
              "deploy/base/kustomization.yaml": "resources: [web.yaml]\n", "deploy/base/web.yaml": workload("web"),
              "deploy/prod/kustomization.yml": "resources: [../base, extra.yaml]\npatches: [{path: patch.yaml}]\ncomponents: [../part]\n",
              "deploy/prod/extra.yaml": workload("extra"), "deploy/prod/patch.yaml": workload("web"),
              "deploy/part/kustomization.yaml": "kind: Component\nresources: [side.yaml]\n", "deploy/part/side.yaml": workload("side"),
              "deploy/plain.yaml": workload("plain"), "runbooks/x.md": "# x\n"})
    return r


@pytest.fixture
def tools(tmp_path):
    """Fake tools: tools("helm", script) puts one on PATH; nothing else is there but what scripts need."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "cat", "env", "sleep", "head", "tr", "sed", "kill", "touch"):
        if shutil.which(name):
            os.symlink(shutil.which(name), folder / name)

    def add(name, script):
        path = folder / name
        path.write_text("#!/bin/sh\n" + script)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    add.folder = str(folder)
    return add


def coverage(repository, tools, *args, env=None):
    return subprocess.run([HIKESHI, "coverage", "--manifests", "deploy", "--runbooks", "runbooks", "--json", *args], cwd=repository.path, capture_output=True,
                          text=True, timeout=120, env=dict(os.environ, PATH=tools.folder, **(env or {})))


def answer(*args, **kw):
    done = coverage(*args, **kw)
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


def names(answer):
    return sorted((w["name"], w["file"], w["line"]) for w in answer["workloads"])


def skipped(answer):
    return {s["file"]: s["reason"] for s in answer["skipped"]}


HELM = r"""
[ "$1 $2 $4" = "template my-shop --skip-tests" ] || { echo "Error: bad arguments: $*" >&2; exit 1; }
case "$3" in */deploy/shop) ;; *) exit 3;; esac
cat <<'EOF'
---
# Source: My_Shop/charts/sub/templates/s.yaml
kind: Job
metadata: {name: shop-sub}
---
# Source: My_Shop/templates/web.yaml


kind: Deployment
metadata: {name: shop-web}
---
kind: Deployment
metadata: {name: shop-web-2}
---
# Source: My_Shop/../../../etc/passwd
kind: Deployment
metadata: {name: elsewhere}
EOF
"""
KUSTOMIZE = r"""
[ "$1" = build ] || exit 2
case "$2" in */deploy/prod) echo 'kind: Deployment
metadata: {name: prod-web}';; *) echo "Error: $2 is not for you" >&2; exit 1;; esac
"""


def test_without_it_templates_are_skipped(repository, tools):
    tools("helm", "touch ran\n")
    found = answer(repository, tools)
    assert "template" in skipped(found)["deploy/shop/templates/web.yaml"] and not os.path.exists(os.path.join(repository.path, "ran"))
    assert {n for n, _, _ in names(found)} == {"web", "extra", "side", "plain"}


def test_rendered_ones_take_the_place_of_their_parts(repository, tools):
    tools("helm", HELM)
    tools("kustomize", KUSTOMIZE)
    found = answer(repository, tools, "--render")
    assert names(found) == [("elsewhere", "deploy/shop/Chart.yaml", 1), ("plain", "deploy/plain.yaml", 1), ("prod-web", "deploy/prod/kustomization.yml", 1),
                            ("shop-sub", "deploy/shop/charts/sub/templates/s.yaml", 1), ("shop-web", "deploy/shop/templates/web.yaml", 1),
                            ("shop-web-2", "deploy/shop/templates/web.yaml", 1)]
    assert skipped(found) == {}


def test_tools_that_are_not_there(repository, tools):
    found = answer(repository, tools, "--render")
    reasons = skipped(found)
    assert reasons["deploy/shop/Chart.yaml"] == "helm is not installed"
    assert reasons["deploy/prod/kustomization.yml"] == "neither kustomize nor kubectl is installed"
    assert {n for n, _, _ in names(found)} == {"web", "extra", "side", "plain"}, "their files are read as they stand"
    assert coverage(repository, tools, "--render", "--strict", "--min", "0").returncode == 1


def test_kubectl_will_do(repository, tools):
    tools("kubectl", '[ "$1" = kustomize ] || exit 9\n' + KUSTOMIZE.replace('[ "$1" = build ] || exit 2', ""))
    assert "prod-web" in {n for n, _, _ in names(answer(repository, tools, "--render"))}


@pytest.mark.parametrize("script, reason", [
    ("echo; echo 'Error: it does not work' >&2; echo more >&2; exit 1", "helm template: Error: it does not work"),
    ("exit 7", "helm template: it ended with status 7"),
    ("kill -9 $$", "helm template: it was ended by signal 9"),
    ("tr '\\0' x < /dev/zero", "helm template: it printed more than 8 MiB"),
    ("tr '\\0' x < /dev/zero | head -c 3000000 >&2; exit 1", None),
    ("printf '\\033[31mred\\377' >&2; exit 1", "helm template: \x1b[31mred\ufffd"),
])
def test_failures_are_skipped_with_the_reason(repository, tools, script, reason):
    tools("helm", script + "\n")
    found = answer(repository, tools, "--render")
    said = skipped(found)["deploy/shop/Chart.yaml"]
    assert said == reason if reason else said.startswith("helm template: xxxx")
    assert "deploy/shop/templates/web.yaml" in skipped(found)


def test_what_is_printed_may_be_no_yaml(repository, tools):
    tools("helm", "echo 'a: ['\n")
    assert skipped(answer(repository, tools, "--render"))["deploy/shop/Chart.yaml"].startswith("not YAML")


def test_tools_get_no_secrets_and_no_network(repository, tools):
    tools("helm", "env >&2; env | sed 's/^/x /' | tr '\\n' ';' > \"$HOME/env\"; exit 1\n")
    home = repository.path
    answer(repository, tools, "--render", env={"HIKESHI_TOKEN": "hunter2", "GITHUB_TOKEN": "hunter2", "HOME": home})
    seen = open(os.path.join(home, "env")).read()
    assert "hunter2" not in seen and "HTTPS_PROXY=http://127.0.0.1:9" in seen and "GIT_ALLOW_PROTOCOL=file" in seen


def test_names_that_templates_fill_in_are_no_workloads(repository, tools):
    repository.write("deploy/quoted.yaml", 'kind: Deployment\nmetadata: {name: "{{ .Release.Name }}-web"}\n---\n' + workload("real"))
    found = answer(repository, tools)
    assert skipped(found)["deploy/quoted.yaml"] == "a template: a Deployment is named '{{ .Release.Name }}-web'"
    assert "real" in {n for n, _, _ in names(found)}


# The stand-ins above are what every machine tests. No Debian release packages both tools, so the real ones are tried where they are.
if shutil.which("helm"):
    def test_real_helm(tmp_path):
        r = Repository(tmp_path / "repo")
        os.makedirs(os.path.join(r.path, "deploy"))
        subprocess.run(["helm", "create", "shop"], cwd=os.path.join(r.path, "deploy"), check=True, capture_output=True)
        r.commit({"runbooks/shop.md": "# s\n"})
        done = subprocess.run([HIKESHI, "coverage", "--manifests", "deploy", "--runbooks", "runbooks", "--render", "--json"], cwd=r.path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert names(json.loads(done.stdout)) == [("shop", "deploy/shop/templates/deployment.yaml", 1)]


if shutil.which("kustomize") or shutil.which("kubectl"):
    def test_real_kustomize(tmp_path):
        r = Repository(tmp_path / "repo")
        full = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{name: a, image: b}]}}}\n"
        r.commit({"deploy/base/kustomization.yaml": "resources: [web.yaml]\n", "deploy/base/web.yaml": full,
                  "deploy/prod/kustomization.yaml": "namePrefix: prod-\nbases: [../base]\n",
                  "deploy/far/kustomization.yaml": "resources: ['https://example.com/x.yaml']\n", "runbooks/x.md": "# x\n"})
        done = subprocess.run([HIKESHI, "coverage", "--manifests", "deploy", "--runbooks", "runbooks", "--render", "--json"], cwd=r.path, capture_output=True, text=True)
        found = json.loads(done.stdout)
        assert names(found) == [("prod-web", "deploy/prod/kustomization.yaml", 1)]
        assert skipped(found)["deploy/far/kustomization.yaml"].startswith("kustomize build: ")


PRINTS_VALUES = r"""
echo '---'; echo '# Source: My_Shop/templates/web.yaml'
echo 'kind: Deployment'; echo 'metadata: {name: shop-web}'; echo "spec: {values: '$(cat "$3/values.yaml")'}"
if [ -f "$3/templates/db.yaml" ]; then echo '---'; echo '# Source: My_Shop/templates/db.yaml'; echo 'kind: Job'; echo 'metadata: {name: shop-db}'; fi
[ -f "$3/charts/fetched.tgz" ] || { echo missing >&2; exit 1; }
"""


def changed(repository, tools, *args):
    found = answer(repository, tools, "--render", "--changed-since", "main", *args)
    return found, {(c["change"], c["name"], c["file"]) for c in found["changes"]["workloads"]}


def test_what_a_change_does_to_what_is_rendered(repository, tools, tmp_path):
    """The chart is rendered as it was, too: with the dependencies that CI has fetched, which are not in Git."""
    tools("helm", PRINTS_VALUES)
    tools("kustomize", 'echo "kind: Deployment"; echo "metadata: {name: prod-$(cat "$2/../base/web.yaml" | head -2 | tr -cd a-z)}"\n')
    repository.write(".gitignore", "*.tgz\n")
    repository.commit({"outside/notes.txt": "x\n"})
    repository.write("deploy/shop/charts/fetched.tgz", "x")
    os.symlink("/etc", os.path.join(repository.path, "deploy/shop/etc"))
    repository.commit()
    repository.git("checkout", "-q", "-b", "change")
    before = set(os.listdir(tmp_path))
    assert changed(repository, tools)[1] == set()
    repository.commit({"deploy/shop/values.yaml": "name: y\n"})
    found, rows = changed(repository, tools)
    assert rows == {("modified", "shop-web", "deploy/shop/templates/web.yaml")} and [w["name"] for w in found["workloads"]] == ["shop-web"]
    repository.git("rm", "-q", "deploy/shop/templates/db.yaml")
    repository.commit({"deploy/shop/values.yaml": "name: x\n", "deploy/base/web.yaml": workload("other")})
    found, rows = changed(repository, tools)
    assert rows == {("deleted", "shop-db", "deploy/shop/templates/db.yaml"), ("renamed", "prod-kindeploymentmetadatanameother", "deploy/prod/kustomization.yml")}
    assert found["changes"]["documents"] == [] and set(os.listdir(tmp_path)) == before
    os.remove(os.path.join(repository.path, "deploy/shop/charts/fetched.tgz"))
    assert skipped(changed(repository, tools)[0]) == {"deploy/shop/Chart.yaml": "helm template: missing"}


def test_no_copy_is_left(repository, tools, tmp_path):
    tools("helm", "exit 1\n")
    (tmp_path / "tmp").mkdir()
    repository.git("checkout", "-q", "-b", "change")
    repository.commit({"deploy/plain.yaml": workload("other")})
    done = coverage(repository, tools, "--render", "--changed-since", "main", env={"TMPDIR": str(tmp_path / "tmp")})
    assert done.returncode == 1 and json.loads(done.stdout)["changes"]["workloads"][0]["change"] == "renamed"
    assert os.listdir(tmp_path / "tmp") == []
