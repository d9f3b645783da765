"""hikeshi lint and other commands that need no server; and that the examples are what the program accepts."""
import json
import os
import subprocess

from .support.server import HIKESHI

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def hikeshi(*args, **kwargs):
    return subprocess.run([HIKESHI, *args], capture_output=True, text=True, timeout=60, **kwargs)


def test_examples_have_no_findings():
    out = hikeshi("lint", "--json", os.path.join(ROOT, "examples"))
    answer = json.loads(out.stdout)
    assert out.returncode == 0 and answer["findings"] == [], out.stdout
    assert answer["runbooks"] >= 15 and answer["documents"] == 1 and answer["steps"] >= 50


def test_findings_and_exit_statuses(tmp_path):
    bad = tmp_path / "bad.md"
    bad.write_text("---\nhikeshi: 1\ntrigger: []\n---\n```lua {step=a}\nif then\n```\n")
    out = hikeshi("lint", "--format", "json", "bad.md", cwd=tmp_path)
    assert out.returncode == 1
    finding = json.loads(out.stdout)["findings"][0]
    assert finding == {"rule": "unknown-key", "level": "error", "file": "bad.md", "line": 3, "column": 1,
                       "message": "unknown key 'trigger' in the front matter of a runbook", "suggestion": "triggers"}
    assert hikeshi("lint", "bad.md", cwd=tmp_path).stdout.startswith("bad.md:3:1: error: unknown key 'trigger'")
    assert hikeshi("lint", str(tmp_path / "nothing")).returncode == 2
    assert hikeshi("lint", "--formt", "json").returncode == 2


BAD = "---\nhikeshi: 1\nowner: x\n---\n```lua {step=a effect=read}\nlogg('x')\n```\n"


def test_formats(tmp_path):
    (tmp_path / "bad.md").write_text(BAD)
    text = hikeshi("lint", cwd=tmp_path)
    assert text.stdout == ("bad.md:6:1: error: there is no 'logg' here (did you mean 'log'?) [undeclared]\n"
                           "1 runbook, 0 documents, 1 step: 1 finding\n")
    github = hikeshi("lint", "--format", "github", cwd=tmp_path)
    assert github.returncode == 1
    assert github.stdout.startswith("::error file=bad.md,line=6,col=1,title=undeclared::there is no 'logg' here")
    sarif = json.loads(hikeshi("lint", "--format", "sarif", cwd=tmp_path).stdout)
    run = sarif["runs"][0]
    assert sarif["version"] == "2.1.0" and run["results"][0]["ruleId"] == "undeclared"
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["undeclared"]
    assert "API" in run["tool"]["driver"]["rules"][0]["help"]["text"]
    answer = json.loads(hikeshi("lint", "--json", cwd=tmp_path).stdout)
    assert answer["findings"] == [{"rule": "undeclared", "level": "error", "file": "bad.md", "line": 6, "column": 1,
                                   "message": "there is no 'logg' here", "suggestion": "log"}]
    rules = json.loads(hikeshi("lint", "--rules", "--json").stdout)["rules"]
    assert {"rule", "level", "help"} == set(rules[0]) and len(rules) > 25


def test_triggers_of_alerts_that_nothing_raises(tmp_path):
    (tmp_path / "x.md").write_text("---\ntriggers: [{kind: incident, match: {alert: [DiskFul, DiskGone]}}]\n---\n"
                                   "```lua {step=a effect=read}\nlog('x')\n```\n")
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "disk.yaml").write_text("groups: [{name: d, rules: [{alert: DiskFull, expr: 'x > 1'}]}]\n")
    assert hikeshi("lint", cwd=tmp_path).returncode == 0
    out = hikeshi("lint", "--alerts", "rules", cwd=tmp_path)
    assert out.returncode == 1
    assert "x.md:2:1: warning: no alert rule is called 'DiskFul' (did you mean 'DiskFull'?) [unknown-alert]" in out.stdout
    assert hikeshi("lint", "--alerts", "nowhere", cwd=tmp_path).returncode == 2


def test_documents_of_others_are_left_alone(tmp_path):
    """Hugo's front matter and fences without {step=…} make no step and no finding."""
    for i in range(1000):
        (tmp_path / f"post-{i}.md").write_text(f"+++\ntitle = 'P{i}'\n+++\n# P\n```sh\nrm -rf /{i}\n```\n" if i % 2 else
                                               f"---\ntitle: P {i}\ndate: 2024-01-01\ndraft: true\ntags: [a, b]\nweight: {i}\n"
                                               f"params: {{toc: true}}\n---\n# P\n```bash {{linenos=table,hl_lines=[1]}}\nls {i}\n```\n"
                                               "```lua\nif then\n```\n")
    answer = json.loads(hikeshi("lint", "--json", str(tmp_path)).stdout)
    assert answer == {"findings": [], "runbooks": 0, "documents": 1000, "steps": 0, "tests": 0}


def test_schedules_next_asks_no_server():
    out = hikeshi("schedules", "next", "--cron", "30 2 * * *", "--timezone", "Europe/Berlin", "--from", "2026-03-28T12:00:00Z",
                  "-n", "2", "--json")
    assert out.returncode == 0
    assert json.loads(out.stdout) == {"next": ["2026-03-29T01:00:00.000Z", "2026-03-30T00:30:00.000Z"]}
    wrong = hikeshi("schedules", "next", "--cron", "0 0 L * *")
    assert wrong.returncode == 2 and "'L' (last) is not supported" in wrong.stderr


def test_no_server_is_exit_status_3():
    env = dict(os.environ, HIKESHI_SERVER="http://127.0.0.1:1", HIKESHI_TOKEN="x")
    out = hikeshi("runs", "list", env=env)
    assert out.returncode == 3 and out.stdout == "" and "127.0.0.1:1" in out.stderr


def test_usage_errors_name_the_nearest_word():
    out = hikeshi("rnus")
    assert out.returncode == 2 and "did you mean 'runs'?" in out.stderr
    assert hikeshi("help", "runs").returncode == 0
    assert hikeshi("runs", "--help").returncode == 0
