"""The runbook format, key by key: each attribute of a step and each rule about values, as `hikeshi test` runs it without a host. What lint
says about mistakes is in tests/unit/test_runbook.c; limits and triggers, which a server enforces, in test_limits.py and test_triggers.py."""
import subprocess

import pytest

from .support.server import HIKESHI

INVENTORY = """hosts:
  db-1: {address: 192.0.2.1, aliases: [db-one], labels: {role: db, env: prod}}
  db-2: {address: 192.0.2.2, labels: {role: db, env: stage}}
  web-1: {address: 192.0.2.3, labels: {role: web, env: prod}}
"""


def lua(step, text, attributes=""):
    return f"## {step}\n```lua {{step={step} {attributes}}}\n{text}\n```\n"


# what is shown: (front matter, steps, the case below `- name: x`)
ROWS = {
    "title: default is the first heading; owner, severity, covers, aliases, id": (
        "id: try/it\nowner: storage\nseverity: SEV2\ncovers: [alert/X, deployment/prod/x]\naliases: [old/name]\nx-mine: [1, 2]",
        lua("a", "data.id = run.runbook"), "expect: {steps: {a: ok}}"),
    "hosts of the runbook: the engine refuses others": (
        'hosts: "role=db"', lua("a", 'ssh("web-1"):run{"true"}'), "expect: {state: failed, error: web-1}"),
    "hosts of a step: narrower still": (
        'hosts: "role=db"', lua("a", 'ssh("db-2"):run{"true"}', 'hosts="env=prod"'), "expect: {state: failed, error: db-2}"),
    "hosts: $params.x is one value": (
        "params: {host: {type: host, required: true}}", lua("a", 'ssh(params.host):run{"id"}', 'hosts="$params.host"'),
        "params: {host: db-one}\nhosts: {db-1: [{run: [id]}]}"),
    "host filters: in, ~, !, &, |, parentheses, name": (
        "", lua("a", "local n = {} for _, h in ipairs(hosts('(role in (db, cache) | name = web-1) & !(env=stage) & name ~ \"-1\"')) do "
                     "n[#n + 1] = h.name end table.sort(n) data.names = n"), "expect: {data: {names: [db-1, web-1]}}"),
    "secrets: only the ones that are listed": (
        "secrets: [a]", lua("a", 'local s = "b" secret(s)'), "expect: {state: failed, error: b}"),
    "params: defaults, durations in seconds, nil without a value": (
        "params: {n: {type: integer, default: 7}, d: {type: duration, default: 10m}, s: {type: string}, b: {type: boolean, default: false}}",
        lua("a", "data.all = {params.n, params.d, params.s == nil, params.b}"), "expect: {data: {all: [7, 600, true, false]}}"),
    "params: from a rooted path, scheme and port stripped": (
        "params: {host: {type: host, from: alert.labels.instance}, t: {type: string, from: incident.title}}",
        lua("a", "data.got = params.host .. '/' .. params.t"),
        'alert: {labels: {instance: "https://db-one:9100"}}\nincident: {title: Full}\nexpect: {data: {got: db-1/Full}}'),
    "a step's title is the nearest heading; heading text is no id": ("", lua("a", "return"), "expect: {steps: {a: ok}}"),
    "when: false and nil skip": (
        "", lua("a", "data.x = 1") + lua("b", "error('no')", 'when="data.x > 1"') + lua("c", "data.c = 1", 'when="data.x == 1"'),
        "expect: {steps: {b: skipped, c: ok}, data: {c: 1}}"),
    "attempts, retry_delay, idempotent": (
        "", lua("a", 'local r = ssh("db-1"):run({"try"}, {check = false})\nlocal at = time.now()\ndata.at = data.at or at\n'
                     'checkpoint()\ncheck(r.code == 0, "not yet")\ndata.waited = at - data.at', "idempotent=true attempts=3 retry_delay=1m"),
        "hosts: {db-1: [{run: [try], code: 1, times: 2}, {run: [try]}]}\nexpect: {steps: {a: ok}, data: {waited: 120}}"),
    "timeout of a step": ("", lua("a", 'sleep("2m")', "timeout=1m effect=read"), "expect: {state: failed, steps: {a: timed_out}}"),
    "on_error: stop": ("", lua("a", 'fail("x")') + lua("b", "return"), "expect: {state: failed, steps: {a: failed, b: not_reached}}"),
    "on_error: continue": ("", lua("a", 'fail("x")', "on_error=continue") + lua("b", "data.b = 1"), "expect: {steps: {a: failed, b: ok}}"),
    "on_error: a handler, which else never runs": (
        "", lua("a", 'fail("x")', "on_error=mend") + lua("b", "return") + lua("mend", "data.mended = true", "handler=true")
        + lua("other", "error('no')", "handler=true"),
        "expect: {state: failed, steps: {a: failed, mend: ok, b: not_reached}, data: {mended: true}}"),
    "always: also after a failure": (
        "", lua("a", 'fail("x")') + lua("b", "data.b = 1", "always=true"), "expect: {state: failed, steps: {b: ok}, data: {b: 1}}"),
    "defer runs on failure": (
        "", lua("a", 'defer(function() ssh("db-1"):run{"undo"} end)\nfail("x")'), "hosts: {db-1: [{run: [undo]}]}\nexpect: {state: failed}"),
    "verify: true decides": ("", lua("a", "return") + lua("v", "check(true)", "verify=true"), "expect: {verified: true}"),
    "verify: a no is not verified": ("", lua("v", 'check(false, "x")', "verify=true"), "expect: {state: failed, reason: not_verified, verified: false}"),
    "verify: a skipped one does not verify": ("", lua("v", "skip('x')", "verify=true"), "expect: {verified: null}"),
    "wait: a delay before the step": (
        "", lua("a", "data.a = time.now()") + lua("b", "data.waited = time.now() - data.a", "wait=30m"), "expect: {data: {waited: 1800}}"),
    "finish ends the run well": ("", lua("a", 'finish("enough")') + lua("b", "error('no')"), "expect: {state: succeeded, steps: {b: skipped}}"),
    "checkpoint keeps data of a step that fails": (
        "", lua("a", "data.x = 1\ncheckpoint()\ndata.x = 2\nfail('x')"), "expect: {state: failed, data: {x: 1}}"),
    "cancel: after, effect: write, attribute lines": (
        "", "## A\n```lua {step=a}\n--| cancel: after\n--| effect: write\n--| timeout: 30s\nreturn\n```\n", "expect: {steps: {a: ok}}"),
    "approve, shows, asks": (
        "inputs: {who: {type: choice, choices: data.found}}",
        lua("a", 'data.found = {"x", "y"}') + "## B\n```lua {step=b approve=one}\n--| hosts: name=db-1\n--| shows: [data.found]\n"
        "--| asks: [who]\ndata.who = approval.inputs.who\n```\n",
        "approvals: {b: {decision: approve, inputs: {who: y}, hosts: [db-1], shows: {data.found: [x, y]}}}\nexpect: {data: {who: y}}"),
    "shell steps: each host, PARAM_X, sudo, at_once, steps.ID.hosts": (
        "params: {word: {type: string, default: hi}}",
        '## S\n```sh {step=s hosts="role=db" at_once=1}\n#| sudo: true\necho "$PARAM_WORD"\n```\n'
        + lua("b", 'data.out = steps.s.hosts["db-2"].stdout'),
        'hosts: {db-1: [{step: s, stdout: "hi\\n"}], db-2: [{step: s, stdout: "two\\n"}]}\nexpect: {data: {out: "two\\n"}}'),
    "shell steps: stop_after": (
        "", '## S\n```bash {step=s hosts="role=db" at_once=1 stop_after=1}\nfalse\n```\n',
        "hosts: {db-1: [{step: s, code: 1}]}\nexpect: {state: failed, steps: {s: failed}}"),
    "shell steps: canary": (
        "", '## S\n```sh {step=s hosts="role=db" canary=1}\nfalse\n```\n', "hosts: {db-1: [{step: s, code: 1}]}\nexpect: {state: failed}"),
    "shell steps: waves, max_percent": (
        "", '## S\n```sh {step=s hosts="role=db"}\n#| waves: [1, 50%]\n#| max_percent: 100\ntrue\n```\n',
        "hosts: {db-1: [{step: s}], db-2: [{step: s}]}\nexpect: {steps: {s: ok}}"),
    "limits: timeout of the run": (
        "limits: {timeout: 10m}", lua("a", 'sleep("1h")', "timeout=2h effect=read"), "expect: {state: failed, reason: timed_out}"),
    "limits: max_hosts": (
        "limits: {max_hosts: 1}", lua("a", 'ssh("db-1"):run{"x"}\nssh("db-2"):run{"x"}'), "hosts: {db-1: [{run: [x]}]}\nexpect: {state: failed}"),
    "limits: max_percent": (
        "limits: {max_percent: 50}", lua("a", 'ssh("db-1"):run{"x"}\nssh("db-2"):run{"x"}'), "hosts: {db-1: [{run: [x]}]}\nexpect: {state: failed}"),
    "data: more than 256 KiB is an error": ("", lua("a", 'data.x = string.rep("x", 300 * 1024)'), "expect: {state: failed}"),
}


@pytest.mark.parametrize("what", ROWS)
def test_key(tmp_path, what):
    front, steps, case = ROWS[what]
    (tmp_path / "hikeshi").mkdir()
    (tmp_path / "hikeshi/inventory.yaml").write_text(INVENTORY)
    (tmp_path / "hikeshi/teams.yaml").write_text("teams: {storage: {members: [a]}}\npolicies: {one: {need: [{count: 1, from: [{role: admin}]}]}}\n")
    (tmp_path / "try.md").write_text(f"---\nhikeshi: 1\n{front}\n---\n# Try\nProse.\n\n{steps}")
    lines = "".join(f"    {line}\n" for line in case.split("\n"))
    (tmp_path / "try.test.yaml").write_text(f"runbook: ./try.md\ncases:\n  - name: x\n{lines}")
    lint = subprocess.run([HIKESHI, "lint", "--level", "error"], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert "error:" not in lint.stdout, lint.stdout
    done = subprocess.run([HIKESHI, "test"], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
