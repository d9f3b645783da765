"""hikeshi test: runbooks against written answers: what passes, what fails and how it says so. No host, no network, no waiting."""
import json
import os
import subprocess
import xml.etree.ElementTree as xml

import pytest

from .support.server import HIKESHI

RUNBOOK = """---
hikeshi: 1
title: Try
params:
  host: {type: host, default: db-1}
limits: {timeout: 3h}
---
# Try
## Look
```lua {step=look effect=read}
local r = ssh(params.host):run{"df", "-P", "/"}
data.used = tonumber(r.stdout:match("(%d+)%%"))
if data.used < 80 then finish("fine") end
```
## Clean
```lua {step=clean approve=one hosts="$params.host"}
--| shows: [data.used]
ssh(params.host):run({"tee", "/tmp/x"}, {stdin = "one\\ntwo\\n", sudo = true})
```
## All
```sh {step=all hosts="role=db"}
echo "$PARAM_HOST"
```
## Slow
```lua {step=slow}
--| timeout: 2h
local before = time.now()
wait_until(function() return ssh("db-2"):run({"ready"}, {check = false}).code == 0 end, {every = "10m", timeout = "1h"})
parallel(function() sleep("20m") end, function() sleep("10m") end)
data.minutes = math.floor((time.now() - before) / 60)
local fine, e = pcall(function() ssh("db-2"):run({"sync"}, {timeout = "1m"}) end)
data.sync = fine and "ok" or e.code
```
"""

GOOD = """cases:
  - name: cleans
    now: 2026-11-21T22:00:00Z
    hosts:
      db-1:
        - {run: [df, -P, /], stdout: "/dev/vda1 100 91 9 91% /\\n"}
        - {run: [tee, /tmp/x], sudo: true, stdin: "one\\ntwo\\n"}
        - {step: all, stdout: "db-1\\n"}
      db-2:
        - {step: all, stdout: "db-1\\n", takes: 3s}
        - {run: [ready], code: 1, times: 2}
        - {run: [ready]}
        - {run: [sync], takes: 10m}
    approvals: {clean: {decision: approve, hosts: [db-1], shows: {data.used: 91}}}
    expect:
      data: {used: 91, minutes: 40, sync: timeout}
      steps: {look: ok, clean: ok, all: ok, slow: ok}
"""


class Folder:
    def __init__(self, path):
        self.path = path
        self.write("hikeshi/inventory.yaml", "hosts:\n  db-1: {address: 192.0.2.1, labels: {role: db}}\n"
                   "  db-2: {address: 192.0.2.2, labels: {role: db}}\n")
        self.write("hikeshi/teams.yaml", "policies: {one: {need: [{count: 1, from: [{role: admin}]}]}}\n")
        self.write("runbooks/try.md", RUNBOOK)

    def write(self, name, text):
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def test(self, *args):
        return subprocess.run([HIKESHI, "test", *args], capture_output=True, text=True, timeout=120, cwd=self.path,
                              env=dict(os.environ, NO_COLOR="1"))


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def test_a_case_passes_and_hours_take_no_time(folder):
    folder.write("runbooks/try.test.yaml", GOOD)
    done = folder.test()
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == ("runbooks/try.test.yaml\n  ok   cleans\ncases run 4 of 4 steps and 1 of 2 branches\n"
                           "1 case in 1 file: all passed\n")


@pytest.mark.parametrize("why, old, new, words", [
    ("another word", "[df, -P, /]", "[df, -P, /var]", ["- run: [df, -P, /var]", "+ run: [df, -P, /]", "line 6"]),
    ("changed stdin", "one\\ntwo\\n", "one\\nTWO\\n", ["-   TWO", "+   two", "    one"]),
    ("without sudo", "sudo: true, ", "", ["+ sudo: root"]),
    ("no more answers", "        - {run: [sync], takes: 10m}\n", "", ["db-2: the case has no more answers", "+ run: [sync]"]),
    ("an answer too many", "takes: 10m}", "takes: 10m}\n        - {run: [uptime]}", ["never asked for line 14", "- run: [uptime]"]),
    ("asked more often", "times: 2", "times: 3", ["data.minutes should be 40, and is 50"]),
    ("wrong order", "{step: all, stdout: \"db-1\\n\", takes: 3s}", "{run: [sync], takes: 10m}", ["- run: [sync]", "+ step: all"]),
    ("other data", "used: 91, m", "used: 92, m", ["data.used should be 92, and is 91"]),
    ("another result", "look: ok", "look: skipped", ["step 'look' should be skipped, and is ok"]),
    ("other hosts in the approval", "hosts: [db-1]", "hosts: [db-2]", ["other hosts", "- - db-2", "+ - db-1"]),
    ("other shown values", "data.used: 91}", "data.used: 90}", ["other values", "- data.used: 90", "+ data.used: 91"]),
    ("a failing command", "[tee, /tmp/x], ", "[tee, /tmp/x], code: 3, stderr: no space, ",
     ["should end as succeeded, and is failed (step_failed)", "step 'clean' (runbooks/try.md:18)", "exit code 3", "no space"]),
    ("no approval scripted", "    approvals: {clean: {decision: approve, hosts: [db-1], shows: {data.used: 91}}}\n", "",
     ["step 'clean' asks for an approval", "approvals: {clean: approve}"]),
    ("an approval that is not asked for", "91% /", "50% /", ["should be ok, and is skipped"]),
])
def test_what_differs_fails_with_a_diff(folder, why, old, new, words):
    assert old in GOOD
    folder.write("runbooks/try.test.yaml", GOOD.replace(old, new))
    done = folder.test()
    assert done.returncode == 1 and "FAIL cleans" in done.stdout, (why, done.stdout)
    for word in words:
        assert word in done.stdout, (why, word, done.stdout)


@pytest.mark.parametrize("why, text, words", [
    ("an unknown key", GOOD.replace("now:", "nwo:"), ["unknown key 'nwo'", "did you mean 'now'?", ":3:5:"]),
    ("an unknown host", GOOD.replace("      db-2:", "      db-3:"), ["'db-3'", "did you mean 'db-"]),
    ("an unknown step", GOOD.replace("slow: ok", "slwo: ok"), ["'slwo'", "did you mean 'slow'?"]),
    ("an approval of a step without one", GOOD.replace("approvals: {clean:", "approvals: {look:"), ["'look'"]),
    ("no YAML", "cases: [", ["error"]),
    ("no question", "cases: [{name: a, hosts: {db-1: [{stdout: x}]}}]", ["needs one of run, script, step, upload, download or reachable"]),
    ("two cases of one name", "cases: [{name: a}, {name: a}]", ["two cases named 'a'"]),
    ("no such runbook", "runbook: try2\ncases: [{name: a}]", ["no runbook 'try2'"]),
    ("a bad param", "cases: [{name: a, params: {host: db-9}}]", ["db-9"]),
    ("a misspelt decision", GOOD.replace("decision: approve", "decision: aprove"), ["did you mean 'approve'?"]),
])
def test_a_bad_file_is_named(folder, why, text, words):
    folder.write("runbooks/try.test.yaml", text)
    done = folder.test()
    assert done.returncode == 1 and "FAIL" in done.stdout, (why, done.stdout)
    for word in words:
        assert word in done.stdout, (why, word, done.stdout)


@pytest.mark.parametrize("decision, state, result", [("deny", "denied", "denied"), ("expire", "expired", "expired")])
def test_people_say_no(folder, decision, state, result):
    folder.write("runbooks/try.test.yaml", f"""cases:
  - name: no
    hosts: {{db-1: [{{run: [df, -P, /], stdout: " 91% "}}]}}
    approvals: {{clean: {decision}}}
    expect: {{state: {state}, reason: {state}, steps: {{clean: {result}, all: not_reached}}}}
""")
    done = folder.test()
    assert done.returncode == 0, done.stdout


def test_a_case_may_end_at_the_question(folder):
    folder.write("runbooks/try.test.yaml", 'cases: [{name: asks, hosts: {db-1: [{run: [df, -P, /], stdout: " 91% "}]}, expect: {state: waiting}}]')
    assert folder.test().returncode == 0


def test_a_pcall_does_not_hide_an_unknown_command(folder):
    folder.write("runbooks/try.md", "```lua {step=a}\npcall(function() ssh('db-1'):run{'rm', '-rf', '/'} end)\n```\n")
    folder.write("runbooks/try.test.yaml", "cases: [{name: a}]")
    done = folder.test()
    assert done.returncode == 1 and "+ run: [rm, -rf, /]" in done.stdout


def test_a_step_that_never_ends_is_ended(folder):
    folder.write("runbooks/try.md", "```lua {step=a}\nwhile true do end\n```\n")
    folder.write("runbooks/try.test.yaml", "cases: [{name: a, expect: {state: failed, steps: {a: timed_out}}}]")
    assert folder.test().returncode == 0


def test_files_run_side_by_side_and_are_told_in_order(folder):
    for i in range(9):
        folder.write(f"runbooks/n{i}.md", f"```lua {{step=a}}\ndata.n = {i}\n```\n")
        folder.write(f"runbooks/n{i}.test.yaml", f"cases: [{{name: is {i}, expect: {{data: {{n: {5 if i == 4 else i}}}}}}}]")
    alone, together = folder.test("--jobs", "1"), folder.test("--jobs", "3")
    assert alone.stdout == together.stdout and alone.returncode == together.returncode == 1
    assert [line for line in together.stdout.splitlines() if "FAIL" in line] == ["  FAIL is 4"]
    answer = json.loads(folder.test("--format", "json", "--jobs", "3").stdout)
    assert (answer["cases"], answer["failed"], answer["passed"]) == (9, 1, 8)
    assert [file["file"] for file in answer["files"]] == [f"runbooks/n{i}.test.yaml" for i in range(9)]
    root = xml.fromstring(folder.test("--format", "junit").stdout)
    assert root.get("tests") == "9" and root.get("failures") == "1"
    assert [case.get("name") for case in root.iter("testcase") if case.find("failure") is not None] == ["is 4"]
    said = folder.test("--format", "github").stdout
    assert "::error file=runbooks/n4.test.yaml,line=1,col=9,title=test::is 4: data.n should be 5, and is 4\n" in said or \
           "::error file=runbooks/n4.test.yaml,line=1,col=1,title=test::is 4: data.n should be 5, and is 4\n" in said, said
    assert folder.test("--case", "is 3").stdout.count("  ok  ") == 1


def test_coverage_of_steps_and_branches(folder):
    folder.write("runbooks/try.md", """```lua {step=a}
if params == nil then
  log("x")
elseif run.id then data.n = 1 end
while data.n < 3 do data.n = data.n + 1 end
```
```lua {step=b when="data.n > 5"}
if data.n then end
```
```lua {step=c when="data.n == 3"}
log("c")
```
""")
    folder.write("runbooks/try.test.yaml", "cases: [{name: a}]")
    folder.write("tests/more.test.yaml", "runbook: try\ncases: [{name: b}]")  # the same runbook: counted once
    said = folder.test("--coverage").stdout
    assert "cases run 2 of 3 steps and 6 of 12 branches" in said, said
    assert [line for line in said.splitlines() if line.startswith("runbooks/try.md")] == [
        "runbooks/try.md:2: no case has this condition true (if)", "runbooks/try.md:4: no case has this condition false (elseif)",
        "runbooks/try.md:7: no case runs the step 'b'", "runbooks/try.md:10: no case has this condition false (when)"]
    assert json.loads(folder.test("--json").stdout)["coverage"] == {"steps": 3, "steps_run": 2, "branches": 12, "branches_taken": 6}


def test_wrong_usage(folder):
    assert folder.test("nowhere").returncode == 2
    assert folder.test("runbooks/try.md").returncode == 2
    done = folder.test()
    assert done.returncode == 1 and "no case was found" in done.stderr


def test_the_examples_pass():
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    done = subprocess.run([HIKESHI, "test", os.path.join(root, "examples")], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
