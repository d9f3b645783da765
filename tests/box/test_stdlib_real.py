"""The standard library against what it speaks to: two real PostgreSQL servers, one following the other, and curl, on a host behind a real sshd."""
import json
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from .support.postgres import Postgres
from .support.process import free_port, wait_for
from .support.server import HIKESHI


@pytest.fixture(scope="module")
def primary():
    server = Postgres()
    server.sql("create role ops login superuser", "create table orders (id int primary key, note text)")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def standby(primary):
    server = Postgres(follows=primary)
    yield server
    server.stop()


class Desk:
    """A folder with one runbook, which is run on db-1: this machine, behind sshd."""

    def __init__(self, folder, sshd):
        self.folder, self.sshd = folder, sshd
        known = sshd.known_hosts(f"{folder}/known_hosts")
        (folder / "hikeshi").mkdir()
        (folder / "hikeshi/inventory.yaml").write_text(
            f"defaults: {{user: {sshd.user}, port: {sshd.port}}}\nhosts: {{db-1: {{address: 127.0.0.1, host_key: \"{sshd.fingerprint}\"}}}}\n")
        self.args = ["--identity", sshd.client_key, "--known-hosts", known]

    def run(self, lua, fails=False):
        """data.x of the step, or its error."""
        (self.folder / "try.md").write_text(f"# Try\n```lua {{step=try}}\n{lua}\n```\n")
        done = subprocess.run([HIKESHI, "run", "try.md", "--json", *self.args], cwd=self.folder, capture_output=True, text=True, timeout=120,
                              env=dict(os.environ, NO_COLOR="1"))
        answer = json.loads(done.stdout)
        assert (answer["state"] == "failed") == fails, done.stdout + done.stderr
        return answer["steps"][0]["error"] if fails else answer["data"].get("x")


@pytest.fixture
def desk(tmp_path, sshd):
    return Desk(tmp_path, sshd)


def opened(server):
    return (f'local db = require("hikeshi.psql").open("db-1", '
            f'{{database = "postgres", user = "ops", server = "{server.folder}", port = {server.port}}})\n')


HOSTILE = ["", "'", "''", "\\", "\\'; drop table orders; --", "\n\\! touch /tmp/x\n", "-", "--help", ":'a'", "$1 $$ `id`", "ünï ☃ \U0001f525", "a\tb\r\n",
           "\\N ", "x" * 5000]


def test_values_arrive_as_they_are(desk, primary):
    lua = opened(primary) + "local got = {}\n"
    lua += f"local values = json.decode([====[{json.dumps(HOSTILE)}]====])\n"
    lua += """for i, value in ipairs(values) do got[i] = db:row("select :'a' as text", {a = value}).text end
data.x = got"""
    assert desk.run(lua) == HOSTILE
    assert primary.sql("select count(*) from orders") == "0"


def test_types_nulls_and_names(desk, primary):
    got = desk.run(opened(primary) + """local rows, columns = db:query([[select null as a, '' as b, 1.50 as "c d", true as e, 'x,"y' as f;]])
data.x = {rows = rows, columns = columns, number = db:row("select :'n'::float8 = 0.1 as same, :'b' as b", {n = 0.1, b = false})}""")
    assert got == {"rows": [{"b": "", "c d": "1.50", "e": "t", "f": 'x,"y'}], "columns": ["a", "b", "c d", "e", "f"],
                   "number": {"same": "t", "b": "false"}}


def test_a_query_cannot_write_and_execute_can(desk, primary):
    error = desk.run(opened(primary) + """db:query("insert into orders values (1, 'x')")""", fails=True)
    assert error["code"] == "exit" and "cannot execute INSERT in a read-only transaction" in error["message"]
    got = desk.run(opened(primary) + """data.x = {db:execute("insert into orders values (:'id'::int, :'note'), (8, null)", {id = 7, note = "o'k"})}""")
    assert got == ["INSERT 0 2", 2]
    assert primary.sql("select string_agg(note, '') from orders") == "o'k"
    assert desk.run(opened(primary) + "data.x = {db:execute([[delete from orders -- all of them]])}") == ["DELETE 2", 2]


def test_a_query_is_ended_by_the_server(desk, primary):
    lua = opened(primary).replace("port =", 'timeout = "1s", port =') + 'db:query("select pg_sleep(60)")'
    assert "canceling statement due to statement timeout" in desk.run(lua, fails=True)["message"]


def test_replication(desk, primary, standby):
    wait_for(lambda: primary.sql("select count(*) from pg_stat_replication where state = 'streaming'") == "1", "the standby to stream")
    primary.sql("insert into orders values (1, 'x')")
    wait_for(lambda: standby.sql("select count(*) from orders") == "1", "the standby to have the row")
    got = desk.run(opened(primary) + "data.x = {db:standby(), db:replicas()}")
    assert got[0]["standby"] is False and got[0]["receiver"] == "stopped"
    assert [(r["name"], r["state"], r["sync"]) for r in got[1]] == [("standby", "streaming", "async")] and got[1][0]["lag_bytes"] >= 0
    got = desk.run(opened(standby) + "data.x = {db:standby(), db:replicas()}")
    assert got == [{"standby": True, "receiver": "streaming", "paused": False, "waiting_bytes": 0, "lag_seconds": 0}, []]
    standby.sql("select pg_wal_replay_pause()")
    primary.sql("insert into orders values (2, 'y')")
    wait_for(lambda: int(standby.sql("select pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::bigint")) > 0, "the row to arrive")
    got = desk.run(opened(standby) + "data.x = db:standby()")
    assert got["paused"] and got["waiting_bytes"] > 0 and got["lag_seconds"] > 0
    standby.sql("select pg_wal_replay_resume()")


def test_long_transactions(desk, primary):
    session = primary.session("set application_name = 'report'", "begin", "select 1")
    got = desk.run(opened(primary) + 'data.x = db:long_transactions("0s")')
    assert [(s["application"], s["state"], s["user"], s["query"]) for s in got] == [("report", "idle in transaction", "postgres", "select 'done';")]
    later = json.dumps(json.dumps({**got[0], "started": "1.5"}))
    assert desk.run(opened(primary) + f"data.x = {{db:terminate(json.decode({later})), db:cancel(json.decode({later}))}}") == [False, False]
    lua = 'local s = db:long_transactions("0s")\ndata.x = {db:cancel(s[1]), db:terminate(s[1])}'
    assert desk.run(opened(primary) + lua) == [True, True]
    session.stdin.write("select 1;\n")
    session.stdin.close()
    assert session.wait(timeout=30) != 0
    session.stdout.close()


class Service(BaseHTTPRequestHandler):
    def do_GET(self):
        answers = {"/ok": (200, b"all fine\n\n200 9"), "/bad": (503, b""), "/to": (302, b"")}
        status, body = answers.get(self.path, (200, self.headers.get("X-Who", "").encode()))
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/ok")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def web():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_web_services(desk, web):
    lua = f'local web, url = require("hikeshi.httpcheck"), "{web}"\n' + """
local function facts(path, opts)
    local a = web.get("db-1", url .. path, opts)
    return {a.status or a.error, a.body}
end
data.x = {facts("/ok"), facts("/bad"), facts("/to"), facts("/to", {follow = true}), facts("/me", {headers = {["X-Who"] = "o'ops {}[]"}}),
          facts("/ok", {address = "127.0.0.1"}), web.get("db-1", url .. "/ok", {method = "HEAD"}).status,
          web.expect("db-1", url .. "/ok", {contains = "fine", within = "9s"}).status}"""
    assert desk.run(lua) == [[200, "all fine\n\n200 9"], [503, ""], [302, ""], [200, "all fine\n\n200 9"], [200, "o'ops {}[]"],
                             [200, "all fine\n\n200 9"], 200, 200]
    lua = f'data.x = require("hikeshi.httpcheck").get("db-1", "http://127.0.0.1:{free_port()}/").error'
    assert desk.run(lua) == "connect"
    error = desk.run(f'require("hikeshi.httpcheck").expect("db-1", "{web}/bad")', fails=True)
    assert (error["code"], error["host"]) == ("check_failed", "db-1") and error["message"].endswith("answered 503, and should answer 200")
