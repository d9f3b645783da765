"""hikeshi run: one runbook file on real hosts, without a server."""
import json
import os
import pty
import re
import signal
import subprocess
import uuid

import pytest

from .support.process import Process, wait_for
from .support.server import HIKESHI

HEAD = """---
hikeshi: 1
title: Try
{front}
---
# Try

"""


class Folder:
    """A repository folder with an inventory; runs its runbooks."""

    def __init__(self, path, sshd):
        self.path, self.sshd = path, sshd
        (path / "ops" / "hikeshi").mkdir(parents=True)
        (path / "ops" / "runbooks").mkdir()
        (path / "home").mkdir()
        self.write("hikeshi/inventory.yaml", f"""defaults: {{user: {sshd.user}, port: {sshd.port}}}
hosts:
  db-1: {{address: 127.0.0.1, aliases: [db-one], labels: {{role: db}}, host_key: "{sshd.fingerprint}"}}
  db-2: {{address: 127.0.0.1, labels: {{role: db}}, host_key: "{sshd.fingerprint}"}}
  web-1: {{address: 127.0.0.1, labels: {{role: web}}, host_key: "{sshd.fingerprint}"}}
  gone: {{address: gone.invalid, labels: {{role: db}}}}
  changed: {{address: 127.0.0.1, labels: {{role: db}}, host_key: "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}}
  stranger: {{address: 127.0.0.1, labels: {{role: db}}}}
""")
        self.write("hikeshi/teams.yaml", "policies: {one: {need: [{count: 1, from: [{role: admin}]}], expires: 30m}}\n")
        self.env = dict(os.environ, HOME=str(path / "home"), SSH_AUTH_SOCK="")

    def write(self, name, text):
        (self.path / "ops" / name).write_text(text)

    def runbook(self, steps, front='hosts: "role=db"', name="try"):
        self.write(f"runbooks/{name}.md", HEAD.format(front=front) + steps)
        return str(self.path / "ops" / "runbooks" / f"{name}.md")

    def argv(self, file, *args):
        return [HIKESHI, "run", file, "--identity", self.sshd.client_key, *args]

    def run(self, file, *args, **more):
        return subprocess.run(self.argv(file, *args), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
                              cwd=self.path, env=self.env, **more)

    def run_json(self, file, *args):
        done = self.run(file, *args, "--json")
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def run_on_terminal(self, file, *args, answer=None, interrupt=False):
        """Waits for the question, answers it or presses Ctrl-C; (exit status, output)."""
        own, theirs = pty.openpty()
        child = subprocess.Popen(self.argv(file, *args), stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 cwd=self.path, env=self.env, text=True)
        os.close(theirs)
        said = ""
        while "[y/N]" not in said:
            piece = child.stdout.read(1)
            assert piece, said
            said += piece
        if interrupt:
            child.send_signal(signal.SIGINT)
        else:
            os.write(own, answer.encode())
        rest, _ = child.communicate(timeout=60)
        os.close(own)
        return child.returncode, said + rest


@pytest.fixture
def folder(tmp_path, sshd):
    return Folder(tmp_path, sshd)


def lua(step, text, **attributes):
    """A Lua step; its attributes as YAML in leading comment lines."""
    extra = "".join(f"--| {name}: {value}\n" for name, value in attributes.items())
    return f"## Step {step}\n```lua {{step={step}}}\n{extra}{text}\n```\n\n"


def test_a_run_tells_what_happens(folder):
    file = folder.runbook(lua("look", 'local r = ssh("db-one"):run{"printf", "%s", "a  b\'c"}\nlog(r.stdout)\ndata.n = 1', effect="read") +
                          '## All\n```sh {step=all hosts="name in (db-1, db-2)" effect=read}\n'
                          'echo "[$PARAM_WORD]"; echo bad >&2\n```\n\n' +
                          lua("v", 'check(steps.all.hosts["db-2"].stdout:find("it", 1, true) ~= nil, "no")', verify="true", effect="read"),
                          'hosts: "role=db"\nparams: {word: {type: string, default: x}}')
    word = "it's \"$(id)\" `x` ü\nsecond"
    status, run = folder.run_json(file, "-p", f"word={word}")
    assert status == 0 and (run["state"], run["verified"], run["reason"]) == ("succeeded", True, None), run
    assert [(s["id"], s["result"]) for s in run["steps"]] == [("look", "ok"), ("all", "ok"), ("v", "ok")]
    assert sorted(h["host"] for h in run["steps"][1]["hosts"]) == ["db-1", "db-2"]
    done = folder.run(file, "-p", f"word={word}")
    assert done.returncode == 0, done.stderr
    assert "a  b'c" in done.stdout
    assert "it's \"$(id)\" `x` ü" in done.stdout and "second]" in done.stdout, done.stdout
    assert "run succeeded, verified" in done.stdout


@pytest.mark.parametrize("text, code, words", [
    ("while true do end", "timeout", "time"),
    ('local s = string.rep("x", 1e10)', "memory", "memory"),
    ('ssh("nowhere"):run{"true"}', "not_in_inventory", "nowhere"),
    ('ssh("web-1"):run{"true"}', "not_allowed", "web-1"),
    ('ssh("gone"):run{"true"}', "dns", "gone"),
    ('ssh("changed"):run{"true"}', "host_key", "changed"),
    ('ssh("stranger"):run{"true"}', "host_key", "stranger"),
    ('ssh("db-1"):run{"false"}', "exit", "db-1"),
    ('error("own words")', "lua", "own words"),
])
def test_each_error_is_clear_and_the_next_run_works(folder, text, code, words):
    status, run = folder.run_json(folder.runbook(lua("go", text, timeout="2s")))
    error = run["steps"][0]["error"]
    assert status == 1 and run["state"] == "failed" and error["code"] == code, run
    assert words in error["message"].lower(), error
    assert error["file"] == "runbooks/try.md" and set(error) >= {"code", "message", "host", "file", "line"}, error
    assert folder.run(folder.runbook(lua("go", 'ssh("db-1"):run{"true"}'))).returncode == 0


def test_wrong_usage(folder):
    fine = folder.runbook(lua("go", "log('x')"), "params: {n: {type: integer, required: true}}")
    cases = [
        ((str(folder.path / "none.md"),), "none.md"),
        ((fine,), "n"),
        ((fine, "-p", "n=abc"), "n"),
        ((fine, "-p", "n=1", "-p", "other=1"), "other"),
        ((fine, "-p", "n=1", "--approve", "go"), "go"),
        ((folder.runbook("## Only prose\n", name="prose"), ), "prose"),
        ((folder.runbook("```lua {step=go tmeout=3s}\n```\n", name="broken"), ), "tmeout"),
    ]
    (folder.path / "ops" / "runbooks" / "prose.md").write_text("# Only prose\n")
    for args, word in cases:
        done = folder.run(*args)
        assert done.returncode == 2 and word in done.stderr, (args, done.returncode, done.stderr)
        assert done.stdout == ""


def test_params_from_files_and_from_an_alert(folder):
    (folder.path / "list.txt").write_text("one\ntwo")
    (folder.path / "alert.json").write_text(json.dumps({"name": "Full", "labels": {"instance": "http://db-2:9100"}}))
    file = folder.runbook(lua("go", "data.list, data.host, data.alert = params.list, params.host, alert.name"),
                          "params: {list: {type: string}, host: {type: host, from: alert.labels.instance}}")
    status, run = folder.run_json(file, "-p", f"list=@{folder.path}/list.txt", "--alert", str(folder.path / "alert.json"))
    assert status == 0 and run["data"] == {"list": "one\ntwo", "host": "db-2", "alert": "Full"}, run


def test_a_dry_run_executes_nothing(folder):
    proof = folder.path / "proof"
    file = folder.runbook(lua("a", f'ssh("db-1"):run{{"touch", "{proof}"}}') +
                          f'```sh {{step=b}}\n#| hosts: "role=db & !(name = gone)"\ntouch {proof}\n```\n\n' +
                          lua("c", "log('x')", approve="one", hosts="$params.host"),
                          'hosts: "role=db"\nparams: {host: {type: host, default: db-2}}')
    folder.sshd.process.kill(signal.SIGSTOP)  # and nothing is even asked of a host
    try:
        done = folder.run(file, "--dry-run")
        status, plan = done.returncode, json.loads(folder.run(file, "--dry-run", "--json").stdout)
    finally:
        folder.sshd.process.kill(signal.SIGCONT)
    assert status == 0 and "db-2" in done.stdout and "touch" in done.stdout
    hosts = {step["id"]: step["hosts"] for step in plan["steps"]}
    assert hosts == {"a": None, "b": ["changed", "db-1", "db-2", "stranger"], "c": ["db-2"]}
    assert plan["params"] == {"host": "db-2"}
    assert not proof.exists()


def test_a_plan_looks_and_shows_the_rest(folder):
    proof = folder.path / "proof"
    touch = f'ssh("db-1"):run{{"touch", "{proof}"}}'
    file = folder.runbook(lua("look", 'data.used = tonumber(ssh("db-1"):run{"echo", "91"}.stdout)', effect="read") +
                          lua("never", touch, when="data.used < 50") +
                          lua("clean", touch, when="data.used > 80", approve="one", hosts="$params.host") +
                          lua("verify", "check(false)", verify="true", effect="read"),
                          'hosts: "role=db"\nparams: {host: {type: host, default: db-2}}')
    done = folder.run(file, "--plan")
    assert done.returncode == 0, done.stderr
    looked, rest = done.stdout.split("what follows was not run")
    assert "[look] ok" in looked and "91" in looked and "[never] skipped" in looked, done.stdout
    assert "clean" in rest and "hosts: db-2" in rest and "verify" in rest and "never" not in rest, rest
    status, run = folder.run_json(file, "--plan")
    assert status == 0 and [s["id"] for s in run["plan"]["steps"]] == ["clean", "verify"], run
    assert [s["result"] for s in run["steps"]] == ["ok", "skipped", None, None] and run["data"] == {"used": 91}
    assert not proof.exists()
    status, run = folder.run_json(folder.runbook(lua("look", "data.x = 1", effect="read")), "--plan")
    assert status == 0 and run["state"] == "succeeded" and run["plan"] is None, run


def test_a_part_of_a_runbook(folder):
    file = folder.runbook(lua("a", "data.a = 1") + lua("b", "data.b = (data.a or 0) + 1") + lua("c", "data.c = true", verify="true"))
    results = lambda run: [step["result"] for step in run["steps"]]
    status, run = folder.run_json(file, "--step", "b")
    assert status == 0 and run["data"] == {"b": 1} and results(run) == ["skipped", "ok", "skipped"], run
    (folder.path / "data.json").write_text('{"a": 5}')
    status, run = folder.run_json(file, "--from-step", "b", "--data", str(folder.path / "data.json"))
    assert status == 0 and run["data"] == {"a": 5, "b": 6, "c": True} and results(run) == ["skipped", "ok", "ok"] and run["verified"]
    (folder.path / "run.json").write_text(json.dumps(run))  # what --json printed is data, too
    assert folder.run_json(file, "--step", "c", "--data", str(folder.path / "run.json"))[1]["data"]["b"] == 6
    for args, word in ((("--step", "bb"), "no step 'bb'"), (("--from-step", "x"), "no step 'x'"), (("--step", "a", "--from-step", "b"), "exclude"),
                       (("--data", "/nowhere"), "--data"), (("--plan", "--record", "x.test.yaml"), "--record")):
        done = folder.run(file, *args)
        assert done.returncode == 2 and word in done.stderr, (args, done.stderr)


APPROVAL = lua("ask", 'ssh("db-1"):run{"touch", data.proof}', approve="one", hosts="name=db-1", shows="[data.proof]")


def approval_runbook(folder):
    proof, after = folder.path / "proof", folder.path / "after"
    file = folder.runbook(lua("first", f'data.proof = "{proof}"') + APPROVAL +
                          lua("last", f'ssh("db-1"):run{{"touch", "{after}"}}', always="true"))
    return file, proof, after


def test_an_approval_on_the_terminal(folder):
    file, proof, after = approval_runbook(folder)
    status, said = folder.run_on_terminal(file, answer="y\n")
    assert status == 0 and proof.exists() and after.exists(), said
    assert str(proof) in said and "db-1" in said and 'ssh("db-1"):run' in said


@pytest.mark.parametrize("answer", ["n\n", "\n", "yesterday\n", "\x04"])
def test_anything_but_yes_denies(folder, answer):
    file, proof, after = approval_runbook(folder)
    status, said = folder.run_on_terminal(file, answer=answer)
    assert status == 4 and not proof.exists(), said
    assert after.exists() and "denied" in said, said


def test_ctrl_c_at_the_question_cancels(folder):
    file, proof, after = approval_runbook(folder)
    status, said = folder.run_on_terminal(file, interrupt=True)
    assert status == 1 and not proof.exists() and after.exists(), said
    assert "run cancelled (person)" in said


def test_ctrl_c_in_a_wait_cancels(folder):
    child = Process(folder.argv(folder.runbook(lua("b", "log('x')", wait="1h"))), str(folder.path / "log"), env=folder.env)
    child.wait_output("waits until")
    child.kill(signal.SIGINT)
    assert child.child.wait(30) == 1 and "run cancelled (person)" in child.output()


def test_without_a_terminal_nobody_approves(folder):
    file, proof, _ = approval_runbook(folder)
    done = folder.run(file)
    assert done.returncode == 5 and "--approve ask" in done.stderr and not proof.exists()
    assert folder.run(file, "--approve", "ask").returncode == 0 and proof.exists()


def test_an_approved_step_reaches_only_its_hosts(folder):
    file = folder.runbook(lua("ask", 'ssh("db-2"):run{"true"}', approve="one", hosts="name=db-1"))
    status, run = folder.run_json(file, "--approve", "ask")
    assert status == 1 and run["steps"][0]["error"]["code"] == "not_allowed", run


def test_a_wait_passes(folder):
    status, run = folder.run_json(folder.runbook(lua("a", "data.x = 1") + lua("b", "data.y = data.x + 1", wait="50ms")))
    assert status == 0 and run["data"] == {"x": 1, "y": 2} and run["attempt"] == 2, run


# The nearest sshd (sshd-session since OpenSSH 9.8) above the command: the one that holds the connection.
CUT = 'p=$$; until grep -q ^sshd /proc/$p/comm; do p=$(cut -d" " -f4 /proc/$p/stat); done; kill -9 $p; sleep 300'


def test_lost_in_the_middle_is_unknown(folder):
    cut = lua("cut", f'ssh("db-1"):run{{"sh", "-c", [[{CUT}]]}}')
    status, run = folder.run_json(folder.runbook(cut + lua("next", "log('x')")))
    assert status == 6 and run["state"] == "unknown", run
    assert run["steps"][0]["result"] == "unknown" and run["steps"][0]["error"]["code"] == "lost", run
    assert run["steps"][1]["state"] == "pending"


def sleeper(folder, extra=""):
    """A runbook that sleeps on a host under a name that no other process has."""
    name = f"31{uuid.uuid4().int % 10**9}"
    return folder.runbook(lua("nap", f'ssh("db-1"):run{{"sleep", "{name}"}}') + extra), name


def processes(name):
    return subprocess.run(["pgrep", "-f", f"^sleep {name}"], capture_output=True, text=True).stdout.split()


def test_ctrl_c_stops_the_command_and_proves_it(folder):
    after = folder.path / "after"
    file, name = sleeper(folder, lua("last", f'ssh("db-1"):run{{"touch", "{after}"}}', always="true"))
    child = Process(folder.argv(file), str(folder.path / "log"), env=folder.env, cwd=folder.path)
    wait_for(lambda: processes(name), "the command to run")
    child.kill(signal.SIGINT)
    assert child.child.wait(60) == 1
    assert processes(name) == [] and after.exists()
    said = child.output()
    assert "stopped" in said and "run cancelled (person)" in said, said


def test_a_second_ctrl_c_leaves(folder):
    blocker = folder.path / "blocker"
    file, name = sleeper(folder, lua("last", f'ssh("db-1"):run{{"sh", "-c", "touch {blocker}; sleep 300"}}', always="true"))
    child = Process(folder.argv(file), str(folder.path / "log"), env=folder.env, cwd=folder.path)
    wait_for(lambda: processes(name), "the command to run")
    child.kill(signal.SIGINT)
    wait_for(blocker.exists, "the always step")
    child.kill(signal.SIGINT)
    assert child.child.wait(60) == 6
    assert re.search("may still run", child.output())


def hikeshi_test(folder, *args):
    """hikeshi test, on a machine that reaches no host."""
    return subprocess.run([HIKESHI, "test", str(folder.path / "ops"), *args], capture_output=True, text=True, timeout=120, cwd=folder.path,
                          env=folder.env)


def test_a_recorded_run_is_a_case_that_passes(folder):
    proof = folder.path / "proof"
    file = folder.runbook(lua("look", '''local h = ssh("db-1")
data.code = h:run({"sh", "-c", "echo out; echo err >&2; exit 3"}, {check = false}).code
data.text = h:run({"cat"}, {stdin = "a: b\\n # c\\n\\ttab é\\n"}).stdout
h:run({"sh", "-c", "echo $X"}, {env = {X = "it's"}, cwd = "/"})
h:script("echo one\\necho two", {shell = "bash"})
for i = 1, 3 do h:run{"true"} end
local fine, e = pcall(function() ssh("gone"):run{"true"} end)
data.e = e.code
data.r = {ssh("db-2"):reachable()}''', effect="read") +
                          '## All\n```sh {step=all hosts="name in (db-1, db-2)" effect=read}\necho "[$PARAM_WORD]"\n```\n\n' +
                          lua("ask", f'ssh("db-1"):run{{"touch", "{proof}"}}', approve="one", hosts="name=db-1", shows="[data.code]") +
                          lua("fails", 'note("code {c}", {c = data.code}); ssh("db-1"):run{"false"}'),
                          'hosts: "role=db"\nparams: {word: {type: string, default: x}}')
    record = folder.path / "ops" / "runbooks" / "try.test.yaml"
    for times in (1, 2):  # the second goes to the end of the same file
        done = folder.run(file, "-p", "word=a b", "--approve", "ask", "--record", str(record))
        assert done.returncode == 1 and f"recorded as a case in {record}" in done.stdout, done.stdout + done.stderr
        record.write_text("# a comment that stays\n" + record.read_text() if times == 1 else record.read_text())
    text = record.read_text()
    assert text.startswith("# a comment that stays\ncases:\n") and text.count("- name: ") == 2
    for word in ("times: 3", "error: dns", "step: all", "      ask:\n        decision: approve"):
        assert word in text, (word, text)
    proof.unlink()
    folder.sshd.process.kill(signal.SIGSTOP)
    try:
        tested = hikeshi_test(folder)
    finally:
        folder.sshd.process.kill(signal.SIGCONT)
    assert tested.returncode == 0 and "2 cases in 1 file: all passed" in tested.stdout, tested.stdout + text
    assert not proof.exists()
    record.write_text(text.replace("a: b", "a: B", 1))
    assert "FAIL" in hikeshi_test(folder).stdout


def test_a_recording_elsewhere_names_its_runbook(folder):
    file = folder.runbook(lua("go", 'ssh("db-1"):run{"true"}'))
    assert folder.run(file, "--record", str(folder.path / "ops" / "runbooks" / "other.test.yaml")).returncode == 0
    (folder.path / "ops" / "tests").mkdir()
    assert folder.run(file, "--record", str(folder.path / "ops" / "tests" / "x.test.yaml")).returncode == 0
    assert "runbook: ./try.md" in (folder.path / "ops" / "runbooks" / "other.test.yaml").read_text()
    assert "runbook: try\n" in (folder.path / "ops" / "tests" / "x.test.yaml").read_text()
    assert hikeshi_test(folder).returncode == 0


def test_a_recording_needs_a_place_before_anything_runs(folder):
    proof = folder.path / "proof"
    file = folder.runbook(lua("go", f'ssh("db-1"):run{{"touch", "{proof}"}}'))
    (folder.path / "bad.test.yaml").write_text("cases: [\n")
    for path in ("x.yaml", "nowhere/x.test.yaml", "bad.test.yaml"):
        done = folder.run(file, "--record", str(folder.path / path))
        assert done.returncode == 2 and ("test.yaml" in done.stderr or "nowhere" in done.stderr), done.stderr
    assert not proof.exists()


def test_a_param_without_a_value_is_nil_in_lua_and_empty_in_shell(folder):
    file = folder.runbook(lua("a", 'check(params.word == nil, "a value")\ndata.ok = true', effect="read") +
                          '```sh {step=b hosts="name=db-1" effect=read}\nset -u; echo "[$PARAM_WORD]"\n```\n' +
                          lua("c", 'check(steps.b.hosts["db-1"].stdout == "[]\\n")\nlog(params.wrod)', effect="read"),
                          'hosts: "role=db"\nparams: {word: {type: string}}')
    status, run = folder.run_json(file)
    assert [s["result"] for s in run["steps"]] == ["ok", "ok", "failed"] and status == 1, run
    assert "did you mean 'word'" in run["steps"][2]["error"]["message"], run
