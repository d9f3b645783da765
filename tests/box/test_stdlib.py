"""The standard library for steps: what each function sends to a host, what it makes of the answer, and what it refuses to send."""
import json
import os
import re
import subprocess
from pathlib import Path

import yaml

from .support.server import HIKESHI

ROOT = Path(__file__).resolve().parents[2]
PSQL = ["psql", "--no-psqlrc", "--no-password", "--csv", r"--pset=null=\N", "--set=ON_ERROR_STOP=1"]
BEGIN = "BEGIN READ ONLY; SET LOCAL client_encoding = 'UTF8'; SET LOCAL statement_timeout = 30000; "
UNIT = ("Id=app.service\nDescription=The shop\nLoadState=loaded\nActiveState={active}\nSubState=running\nUnitFileState=enabled\n"
        "Result={result}\nMainPID=812\nNRestarts={restarts}\nExecMainStatus=0\nMemoryCurrent=18446744073709551615\n")
SHOW = ["systemctl", "show", "--property=Id,Description,LoadState,ActiveState,SubState,UnitFileState,Result,MainPID,NRestarts,"
        "ExecMainStatus,MemoryCurrent", "--", "app"]
CURL = ["curl", "--disable", "--silent", "--show-error", "--globoff", "--proto", "=http,https", "--max-time", "10", "--write-out",
        r"\n%{http_code} %{time_total}"]


def unit(active="active", result="success", restarts=0):
    return {"run": SHOW, "stdout": UNIT.format(active=active, result=result, restarts=restarts)}


def query(sql, stdout, *words, **more):
    return {"run": [*PSQL, "--quiet", *words], "stdin": BEGIN + sql + "\n;\nCOMMIT;\n", "stdout": stdout, **more}


def kubectl(*words, request=True, **more):
    return {"run": ["kubectl", *words, *(["--request-timeout=30s"] if request else [])], **more}


PODS = json.dumps({"items": [
    {"metadata": {"name": "shop-b"}, "spec": {"nodeName": "n1"}, "status": {
        "phase": "Running", "startTime": "2026-11-22T03:00:00Z", "containerStatuses": [
            {"name": "side", "ready": True, "restartCount": 9, "state": {"running": {}}},
            {"name": "app", "ready": False, "restartCount": 7, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
             "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}}]}},
    {"metadata": {"name": "shop-a"}, "status": {"phase": "Pending", "containerStatuses": None}}]})

ROWS = [
    # systemd
    ("a unit", 'data.x = require("hikeshi.systemd").unit("db-1", "app")', [unit(restarts=3)],
     {"name": "app.service", "description": "The shop", "load": "loaded", "active": "active", "sub": "running", "enabled": "enabled",
      "result": "success", "pid": 812, "restarts": 3, "exit_code": 0}),
    ("a handle keeps its own options", 'data.x = require("hikeshi.systemd").is_active(ssh("db-1", {sudo = true}), "app")',
     [{**unit(), "sudo": True}], True),
    ("no such unit", 'local ok, e = pcall(require("hikeshi.systemd").unit, "db-1", "app")\ndata.x = {e.code, e.host, tostring(e)}',
     [{"run": SHOW, "stdout": "Id=app.service\nLoadState=not-found\n"}], ["not_found", "db-1", "there is no unit 'app' on db-1"]),
    ("failed units", 'data.x = require("hikeshi.systemd").failed("db-1")',
     [{"run": ["systemctl", "list-units", "--all", "--state=failed", "--plain", "--full", "--no-legend", "--no-pager"],
       "stdout": "app.service                loaded failed failed The shop, with blanks\ndev-disk\\x2d1.swap loaded failed failed\n"}],
     [{"name": "app.service", "load": "loaded", "active": "failed", "sub": "failed", "description": "The shop, with blanks"},
      {"name": "dev-disk\\x2d1.swap", "load": "loaded", "active": "failed", "sub": "failed", "description": ""}]),
    ("changes", '''local systemd = require("hikeshi.systemd")
systemd.start("db-1", "app")
systemd.stop("db-1", "-.mount")
systemd.restart("db-1", "app@1.service", {sudo = "deploy", timeout = "1m"})
systemd.reload("db-1", "app", {sudo = false})
systemd.reset_failed("db-1", "app")
data.x = 1''', [{"run": ["systemctl", verb, "--no-ask-password", "--", name], **({"sudo": sudo} if sudo else {})} for verb, name, sudo in [
        ("start", "app", True), ("stop", "-.mount", True), ("restart", "app@1.service", "deploy"), ("reload", "app", False),
        ("reset-failed", "app", True)]], 1),
    ("it comes up", 'data.x = require("hikeshi.systemd").wait_active("db-1", "app", {stable = "10s"}).active',
     [unit("activating"), unit(restarts=1), unit(restarts=1)], "active"),
    ("it fails", 'local ok, e = pcall(require("hikeshi.systemd").wait_active, "db-1", "app")\ndata.x = tostring(e)',
     [unit("activating"), unit("failed", "oom-kill")], "app.service has failed (oom-kill)"),
    ("it does not stay up", 'local ok, e = pcall(require("hikeshi.systemd").wait_active, "db-1", "app", {stable = "10s"})\ndata.x = tostring(e)',
     [unit(restarts=1), unit(restarts=2)], "app.service did not stay up for 10 s"),
    ("it takes too long", 'local ok, e = pcall(require("hikeshi.systemd").wait_active, "db-1", "app", {timeout = "4s"})\ndata.x = e.code',
     [{**unit("activating"), "times": 3}], "timeout"),
    ("a journal", 'data.x = require("hikeshi.systemd").journal("db-1", "app", {lines = 5, since = "-1h", sudo = true})',
     [{"run": ["journalctl", "--no-pager", "--quiet", "--output=short-iso", "--lines=5", "--unit=app", "--since=-1h"], "sudo": True,
       "stdout": "out of memory\n"}], "out of memory\n"),
    # psql
    ("rows", '''local db = require("hikeshi.psql").open("db-1", {database = "shop", user = "o'ops", server = "/run/pg", port = 5433, sudo = "postgres"})
local rows, columns = db:query("select * from t where a = :'a' and b = :'b'::int and c = ':nothing' and d > :'d'",
    {a = "x'; drop table t; --\\n\\\\! id", b = -5, d = 0.5})
data.x = {rows = rows, columns = columns}''',
     [query("select * from t where a = :'a' and b = :'b'::int and c = ':nothing' and d > :'d'",
            'a,b,"q""r"\n1,\\N,\n"x,y","line\nbreak","say ""hi"""\n', "--dbname=shop", "--username=o'ops", "--host=/run/pg", "--port=5433",
            "--set=a=x'; drop table t; --\n\\! id", "--set=b=-5", "--set=d=0.5", sudo="postgres")],
     {"rows": [{"a": "1", 'q"r': ""}, {"a": "x,y", "b": "line\nbreak", 'q"r': 'say "hi"'}], "columns": ["a", "b", 'q"r']}),
    ("no rows", 'data.x = #require("hikeshi.psql").open("db-1"):query("select 1 where false")', [query("select 1 where false", "n\n")], 0),
    ("one row", 'data.x = require("hikeshi.psql").open("db-1", {timeout = "30s"}):row("select 1 as n").n', [query("select 1 as n", "n\n1\n")], "1"),
    ("not one row", 'local ok, e = pcall(function() require("hikeshi.psql").open("db-1"):row("select n") end)\ndata.x = tostring(e)',
     [query("select n", "n\n1\n2\n")], "the query should have one row, and has 2"),
    ("several statements", 'local ok, e = pcall(function() require("hikeshi.psql").open("db-1"):query("select 1; select 2,3") end)\ndata.x = e.code',
     [query("select 1; select 2,3", "a\n1\na,b\n2,3\n")], "parse"),
    ("a change", 'local tag, n = require("hikeshi.psql").open("db-1"):execute("delete from t where a = :\'a\'", {a = true})\ndata.x = {tag, n}',
     [{"run": [*PSQL, "--set=a=true"], "stdout": "SET\nSET\nDELETE 3\n",
       "stdin": "SET client_encoding = 'UTF8'; SET statement_timeout = 30000; delete from t where a = :'a'\n;\n"}], ["DELETE 3", 3]),
    ("psql's own words", 'local ok, e = pcall(function() require("hikeshi.psql").open("db-1"):query("select") end)\ndata.x = e.code .. ": " .. e.message',
     [query("select", "", code=3, stderr="psql:<stdin>:2: ERROR:  relation does not exist\n")],
     "exit: 'psql --no-psqlrc --no-password --csv --pset=null=\\N --set=ON_ERROR_STOP=1 --quiet' ended with exit code 3 on db-1: "
     "psql:<stdin>:2: ERROR:  relation does not exist"),
    ("CSV", 'local csv = require("hikeshi.psql").csv\ndata.x = {csv("a,\\n"), csv(""), csv("a,b"), csv("\\n\\"\\"\\n"), csv("a,")}', [],
     [[["a", ""]], [], [["a", "b"]], [[""], [""]], [["a", ""]]]),
    ("CSV that ends too early", 'local ok, e = pcall(require("hikeshi.psql").csv, \'a,"b""\')\ndata.x = e.code', [], "parse"),
    # kubectl
    ("an object", 'data.x = require("hikeshi.kubectl").on("db-1", {namespace = "prod", context = "eu west", kubeconfig = "/etc/kube"}):get("deployment", "shop")',
     [kubectl("get", "deployment", "shop", "--output=json", "--kubeconfig=/etc/kube", "--context=eu west", "--namespace=prod",
              stdout='{"spec": {"replicas": 2, "paused": null, "list": []}}')], {"spec": {"replicas": 2, "list": []}}),
    ("a list", 'data.x = require("hikeshi.kubectl").on("db-1", {sudo = true}):get("node", nil, {selector = "a in (b, c)", fields = "spec.x!=y"})',
     [kubectl("get", "node", "--output=json", "--selector=a in (b, c)", "--field-selector=spec.x!=y", sudo=True, stdout='{"items": [{"a": 1}]}')],
     [{"a": 1}]),
    ("pods", 'data.x = require("hikeshi.kubectl").on("db-1"):pods{selector = "app=shop"}',
     [kubectl("get", "pod", "--output=json", "--selector=app=shop", stdout=PODS)],
     [{"name": "shop-a", "phase": "Pending", "ready": False, "restarts": 0},
      {"name": "shop-b", "node": "n1", "phase": "Running", "started": "2026-11-22T03:00:00Z", "ready": False, "restarts": 16,
       "waiting": "CrashLoopBackOff", "container": "app", "last_reason": "OOMKilled", "last_code": 137}]),
    ("no JSON", 'local ok, e = pcall(function() require("hikeshi.kubectl").on("db-1"):get("pod") end)\ndata.x = e.code',
     [kubectl("get", "pod", "--output=json", stdout="Error")], "parse"),
    ("logs", 'data.x = require("hikeshi.kubectl").on("db-1"):logs("shop-b", {container = "app", previous = true, lines = 3})',
     [kubectl("logs", "shop-b", "--tail=3", "--container=app", "--previous", stdout="panic\n")], "panic\n"),
    ("changes of a workload", '''local k = require("hikeshi.kubectl").on("db-1")
k:restart("deployment", "shop")
k:rollout_status("deployment", "shop", "90s")
k:undo("deployment", "shop")
k:undo("deployment", "shop", 4)
k:delete_pod("shop-b")
data.x = 1''', [kubectl("rollout", "restart", "deployment/shop"),
                kubectl("rollout", "status", "deployment/shop", "--watch=true", "--timeout=90s", request=False),
                kubectl("rollout", "undo", "deployment/shop"), kubectl("rollout", "undo", "deployment/shop", "--to-revision=4"),
                kubectl("delete", "pod", "shop-b", "--wait=true", "--timeout=60s", request=False)], 1),
    # httpcheck
    ("an answer", 'data.x = require("hikeshi.httpcheck").get("db-1", "http://shop/health")',
     [{"run": [*CURL, "--url", "http://shop/health"], "stdout": "a\nb\n\n200 0.0125"}], {"status": 200, "seconds": 0.0125, "body": "a\nb\n"}),
    ("all options", '''data.x = require("hikeshi.httpcheck").get("db-1", "https://shop/", {timeout = 1.5, method = "HEAD", follow = true, insecure = true,
    address = "2001:db8::1", headers = {["X-B"] = 1, Authorization = "Bearer t"}}).status''',
     [{"run": [*CURL[:8], "1.5", *CURL[9:], "--head", "--location", "--max-redirs", "5", "--insecure", "--header", "@-", "--connect-to",
               "::[2001:db8::1]:", "--url", "https://shop/"], "stdin": "Authorization: Bearer t\nX-B: 1\n", "stdout": "\n301 0.1"}], 301),
    ("no answer", 'local a = require("hikeshi.httpcheck").get("db-1", "http://shop/")\ndata.x = {a.error, a.message, a.status == nil}',
     [{"run": [*CURL, "--url", "http://shop/"], "code": 7, "stdout": "\n000 0.001", "stderr": "curl: (7) Failed to connect\n"}],
     ["connect", "curl: (7) Failed to connect", True]),
    ("what is expected", '''local expect, said = require("hikeshi.httpcheck").expect, {}
for i, want in ipairs{{}, {status = {301, 302}}, {within = "100ms"}, {contains = "fine"}, {contains = "ok", within = "1s"}, {timeout = "10s"}} do
    local fine, e = pcall(expect, "db-1", "http://shop/", want)
    said[i] = fine and e.status or e.code .. ": " .. e.message
end
data.x = said''',
     [{"run": [*CURL, "--url", "http://shop/"], "stdout": f"all ok\n{status} 0.250", **more} for status, more in
      [(503, {}), (200, {}), (200, {}), (200, {}), (200, {}), (0, {"code": 28, "stderr": "curl: (28) Timeout\n"})]],
     ["check_failed: http://shop/ answered 503, and should answer 200", "check_failed: http://shop/ answered 200, and should answer 301 or 302",
      "check_failed: http://shop/ took 0.25 s, and may take 0.1 s", "check_failed: http://shop/ answered without 'fine'", 200,
      "check_failed: http://shop/ did not answer (timeout): curl: (28) Timeout"]),
]

# Nothing is sent to the host for any of these.
REFUSED = [
    ("a pattern", 'systemd.restart("db-1", "app*")', "the name of one unit"),
    ("an option", 'systemd.restart("db-1", "app --now")', "the name of one unit"),
    ("a line break", 'systemd.unit("db-1", "app\\nb")', "the name of one unit"),
    ("nothing", 'systemd.unit("db-1", nil)', "the unit must be text, not nil"),
    ("an unknown option", 'systemd.restart("db-1", "app", {sud = true})', "did you mean 'sudo'"),
    ("another host", 'systemd.unit("db-9", "app")', "db-9"),
    ("too many lines", 'systemd.journal("db-1", "app", {lines = 1e9})', "a whole number from 1 to 10000"),
    ("a line break in a time", 'systemd.journal("db-1", "app", {since = "-1h\\n"})', "one line of UTF-8"),
    ("a shell of psql", 'db:query("select 1 \\\\! id")', "backslash"),
    ("a backslash in a string", "db:query([[select E'\\n']])", "backslash"),
    ("a value without quotes", 'db:query("select :a", {a = "1"})', "write :'a'"),
    ("a value without quotes, behind a cast", 'db:query("select :::a, :\'a\'", {a = "1"})', "write :'a'"),
    ("a value as a name", 'db:query([[select :"a"]], {a = "1"})', "write :'a'"),
    ("a value without a place", 'db:query("select 1", {a = "1"})', "the query has no :'a'"),
    ("a place without a value", 'db:query("select :\'a\'")', "no value of that name"),
    ("another place of psql's", 'db:query("select :\'a\'", {a = 1, ON_ERROR_STOP = 0})', "ON_ERROR_STOP"),
    ("psql's own variable", 'db:query("select :\'ON_ERROR_STOP\'", {ON_ERROR_STOP = 0})', "small letters, digits and _"),
    ("a value that is a table", 'db:query("select :\'a\'", {a = {}})', "must be text, a number or a boolean"),
    ("NULL", 'db:query("select :\'a\'", {a = json.null})', "must be text, a number or a boolean"),
    ("broken UTF-8", 'db:query("select :\'a\'", {a = "\\xc0\'"})', "must be UTF-8"),
    ("NUL", 'db:query("select :\'a\'", {a = "a\\0b"})', "must be UTF-8 without NUL"),
    ("no query", 'db:query(" ")', "must be text"),
    ("without a colon", 'db.query("select 1")', "colon"),
    ("settings as a database", 'psql.open("db-1", {database = "host=evil"})', "must be a name"),
    ("an address as a database", 'psql.open("db-1", {database = "postgres://evil/x"})', "must be a name"),
    ("a port that is none", 'psql.open("db-1", {port = "5432"})', "a whole number from 1 to 65535"),
    ("a process that is none", 'db:terminate({pid = -1, started = "1"})', "a whole number from 1"),
    ("a process without a beginning", 'db:terminate({pid = 7})', "'started' must be text"),
    ("two kinds", 'k:get("pod,secret")', "one kind"),
    ("a kind with a name", 'k:get("pod/x")', "one kind"),
    ("an option as a name", 'k:get("pod", "--all")', "small letters"),
    ("an option as a pod", 'k:delete_pod("--all")', "small letters"),
    ("capital letters", 'k:restart("deployment", "Shop")', "small letters"),
    ("an option as a selector", 'k:pods{selector = "a=b\\n--all"}', "a label selector"),
    ("a namespace", 'kubectl.on("db-1", {namespace = "a b"})', "small letters"),
    ("a revision", 'k:undo("deployment", "shop", "3")', "a whole number"),
    ("a file", 'httpcheck.get("db-1", "file:///etc/passwd")', "must begin with http:// or https://"),
    ("an option as an address", 'httpcheck.get("db-1", "-o/etc/x http://a")', "must begin with http:// or https://"),
    ("a header with a line break", 'httpcheck.get("db-1", "http://a/", {headers = {a = "b\\r\\nc: d"}})', "one line of UTF-8"),
    ("a header's name", 'httpcheck.get("db-1", "http://a/", {headers = {["a: b"] = "c"}})', "letters, digits and '-'"),
    ("a method", 'httpcheck.get("db-1", "http://a/", {method = "get it"})', "a method like GET"),
    ("an address with a port", 'httpcheck.get("db-1", "http://a/", {address = "a.b"})', "an IP address"),
]


def run(folder, cases, *args):
    """Runs runbook/case pairs, each a step in a runbook of its own."""
    (folder / "hikeshi").mkdir(exist_ok=True)
    (folder / "runbooks").mkdir(exist_ok=True)
    (folder / "hikeshi/inventory.yaml").write_text("hosts:\n  db-1: {address: 192.0.2.1}\n")
    for number, (why, text, case) in enumerate(cases):
        (folder / f"runbooks/r{number}.md").write_text(f"# R\n```lua {{step=a}}\n{text}\n```\n")
        (folder / f"runbooks/r{number}.test.yaml").write_text(yaml.safe_dump({"cases": [{"name": why, **case}]}, width=10000))
    return subprocess.run([HIKESHI, "test", *args], cwd=folder, capture_output=True, text=True, timeout=120, env=dict(os.environ, NO_COLOR="1"))


def test_what_is_sent_and_what_comes_back(tmp_path):
    done = run(tmp_path, [(why, text, {"hosts": {"db-1": answers}, "expect": {"data": {"x": wanted}}}) for why, text, answers, wanted in ROWS])
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("  ok   ") == len(ROWS)


def test_what_is_refused_before_anything_is_sent(tmp_path):
    before = ('local systemd, psql, kubectl, httpcheck = require("hikeshi.systemd"), require("hikeshi.psql"), require("hikeshi.kubectl"), '
              'require("hikeshi.httpcheck")\nlocal db, k = psql.open("db-1"), kubectl.on("db-1")\n')
    cases = [(why, before + text, {"expect": {"state": "failed", "error": words}}) for why, text, words in REFUSED]
    done = run(tmp_path, cases)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("  ok   ") == len(REFUSED)


def test_web_services_from_the_runner(tmp_path):
    text = """local web = require("hikeshi.httpcheck")
local a = web.get(web.runner, "https://shop/health", {headers = {Authorization = "Bearer t"}, timeout = "3s"})
local b = web.get(web.runner, "https://shop/health")
local fine, e = pcall(web.expect, web.runner, "https://shop/health", {contains = "ok"})
local refused, why = pcall(web.get, web.runner, "https://shop/", {insecure = true})
local _, bad = pcall(web.get, web.runner, "https://shop/", {method = "get it"})
data.x = {a.status, a.body, b.error, b.message ~= nil, e.code, e.message, tostring(web.runner), refused, bad ~= nil}
assert(tostring(why):find("needs a host that has curl"))"""
    http = [{"get": "https://shop/health", "headers": {"Authorization": "Bearer t"}, "status": 503, "answer": "no"},
            {"get": "https://shop/health", "error": "timeout"}, {"get": "https://shop/health", "answer": "fine"}]
    wanted = [503, "no", "timeout", True, "check_failed", "https://shop/health answered without 'ok'", "the runner", False, True]
    done = run(tmp_path, [("one", text, {"http": http, "expect": {"data": {"x": wanted}}})])
    assert done.returncode == 0, done.stdout


def test_errors_name_the_runbooks_line(tmp_path):
    done = run(tmp_path, [("wrong", 'local systemd = require("hikeshi.systemd")\n\nsystemd.restart("db-1", "a b")', {})])
    assert "step 'a' (runbooks/r0.md:5): the unit must be the name of one unit, like app.service, not 'a b'" in done.stdout, done.stdout


def test_an_unknown_module_is_named_with_the_nearest(tmp_path):
    done = run(tmp_path, [("wrong", 'require("hikeshi.systmd")', {})])
    assert "unknown module 'hikeshi.systmd' of the standard library; did you mean 'hikeshi.systemd'?" in done.stdout, done.stdout
    lint = subprocess.run([HIKESHI, "lint", "--json"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    messages = [(f["message"], f["suggestion"]) for f in json.loads(lint.stdout)["findings"]]
    assert ("there is no module 'hikeshi.systmd'", "hikeshi.systemd") in messages


def test_a_module_is_made_once_a_step(tmp_path):
    text = ('local a = require("hikeshi.psql")\na.mine = 1\n'
            'data.x = {require("hikeshi.psql").mine, (pcall(require, "std.arguments")), (pcall(require, "arguments"))}\n'
            '```\n```lua {step=b}\ndata.y = require("hikeshi.psql").mine == nil')
    done = run(tmp_path, [("one", text, {"expect": {"data": {"x": [1, False, False], "y": True}}})])
    assert done.returncode == 0, done.stdout


def functions():
    """(module, "." or ":", name) of every function of the standard library, with the comment above it."""
    for path in sorted((ROOT / "lua/std/hikeshi").glob("*.lua")):
        for comment, owner, dot, name in re.findall(r"((?:^---.*\n)*)^function (\w+)([.:])(\w+)\(", path.read_text(), re.M):
            yield path.stem, dot, name, comment


def test_every_function_is_documented_and_tested():
    docs, tests = (ROOT / "docs/stdlib.md").read_text(), Path(__file__).read_text() + (ROOT / "tests/box/test_stdlib_real.py").read_text()
    seen = 0
    for module, dot, name, comment in functions():
        seen += 1
        handle = {"psql": "db", "kubectl": "k"}.get(module) if dot == ":" else module
        assert comment.startswith("--- "), f"{module}: {name} has no comment"
        assert re.search(rf"^### `{handle}{dot}{name}\(", docs, re.M), f"docs/stdlib.md has no heading for {handle}{dot}{name}"
        assert re.search(rf"[.:]{name}\b", tests), f"no test calls {module} {name}"
    assert seen > 25
