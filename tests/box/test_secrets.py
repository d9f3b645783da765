"""secret(), http and exec() of steps, on a real sshd, a real HTTP server and real processes: what arrives, what is refused, and that
no secret leaves a run in any form."""
import base64
import http.client
import json
import os
import socket
import subprocess
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from .conftest import Site
from .support.process import wait_for
from .test_run import HEAD, Folder, hikeshi_test, lua

SECRET = "s3cr+t/p&ss 'w\"rd\\é"


@pytest.fixture
def folder(tmp_path, sshd):
    folder = Folder(tmp_path, sshd)
    (tmp_path / "token").write_text(SECRET + "\n")
    (tmp_path / "hikeshi.yaml").write_text(f'secrets: {{token: "file:{tmp_path}/token", short: "env:SHORT", gone: "file:/nowhere"}}\n')
    folder.env["SHORT"] = "abc"
    return folder


FRONT = 'hosts: "role=db"\nsecrets: [token, short, gone]'


def test_no_form_of_a_secret_leaves_a_run(folder):
    forms = {"raw": SECRET, "json": json.dumps(SECRET, ensure_ascii=False)[1:-1], "percent": urllib.parse.quote(SECRET, safe=""),
             "form": urllib.parse.quote_plus(SECRET), "hex": SECRET.encode().hex(), "base64": base64.b64encode(SECRET.encode()).decode(),
             "url64": base64.urlsafe_b64encode(b"user:" + SECRET.encode()).decode().rstrip("=")}
    for name, text in forms.items():
        (folder.path / name).write_text(text)
    cat = " ".join(f"{folder.path}/{name}" for name in forms)
    # One byte at a time, so that no chunk holds a whole secret.
    slow = "import sys,time\nfor b in open(sys.argv[1],'rb').read():\n sys.stdout.buffer.write(bytes([b])); sys.stdout.flush(); time.sleep(0.002)"
    file = folder.runbook(lua("go", f"""local s = secret("token")
local h = ssh("db-1")
log("log", s, {{s}})
note("note {{s}}", {{s = s}})
report.text("report " .. s, s)
report.table("t", {{"a"}}, {{{{s}}}})
h:run({{"sh", "-c", "echo env $S; echo err $S >&2", "sh"}}, {{env = {{S = s}}}})
h:run{{"echo", s}}
h:script("cat {cat}")
h:run{{"python3", "-c", [[{slow}]], "{folder.path}/raw"}}
local fine, e = pcall(function() h:run({{"sh", "-c", "cat >&2; exit 1"}}, {{stdin = s}}) end)
log(e.message)
data.length = #s
fail("failed with " .. s)""") +
                          f'```sh {{step=all hosts="name=db-2" always=true}}\ncat {cat}\n```\n', FRONT)
    record = folder.path / "ops" / "runbooks" / "try.test.yaml"
    plain = folder.run(file, "--record", str(record))
    status, run = folder.run_json(file)
    assert status == 1 and run["data"] == {"length": len(SECRET.encode())} or run["steps"][0]["error"], run
    said = plain.stdout + plain.stderr + json.dumps(run, ensure_ascii=False) + record.read_text()
    for name, text in forms.items():
        for piece in ([text] if name != "url64" else [text[8:-4]]):
            assert piece not in said, (name, piece)
    for words in ("log ***", "note ***", "report ***", "db-1: env ***", "err ***", "$ echo '***'", "failed with ***"):
        assert words in plain.stdout, (words, plain.stdout)
    assert "masked" not in plain.stdout


def test_a_secret_is_not_in_the_process_list_of_a_host(folder):
    file = folder.runbook(lua("go", """local s = secret("token")
local list = ssh("db-1"):run({"sh", "-c", 'cat /proc/$PPID/cmdline /proc/$$/cmdline | tr "\\\\0" " "', s}, {check = false})
data.seen = list.stdout:find("s3cr", 1, true) ~= nil""", effect="read"), FRONT)
    status, run = folder.run_json(file)
    # The program's own words are its own (sh has it as $0); nothing above it shows them.
    assert status == 0, run
    file = folder.runbook(lua("go", """local s = secret("token")
local r = ssh("db-1"):run{"sh", "-c", 'tr "\\\\0" " " < /proc/$PPID/cmdline', "x", s}
data.parent = r.stdout""", effect="read"), FRONT)
    status, run = folder.run_json(file)
    assert status == 0 and "s3cr" not in run["data"]["parent"] and base64.b64encode(SECRET.encode()).decode()[:8] not in run["data"]["parent"], run


@pytest.mark.parametrize("text, code, words", [
    ('secret("other")', "not_allowed", "'other'"),
    ('secret("gone")', "secret", "/nowhere"),
    ('secret("short")', "secret", "shorter than 4 bytes"),
    ('data.s = secret("token")', "secret", "data holds the value of a secret"),
    ('data.s = {secret("token")} checkpoint()', "secret", "checkpoint: data holds"),
])
def test_what_is_refused(folder, text, code, words):
    status, run = folder.run_json(folder.runbook(lua("go", text), FRONT))
    error = run["steps"][0]["error"]
    assert status == 1 and error["code"] == code and words in error["message"], run
    assert run["data"] == {}


def test_only_listed_secrets(folder):
    status, run = folder.run_json(folder.runbook(lua("go", 'secret("token")'), 'hosts: "role=db"'))
    assert status == 1 and run["steps"][0]["error"]["code"] == "not_allowed"


# ---- the server's trust ----

TRUST = """secrets: {token: "env:TOKEN", other: "env:OTHER", unnamed: "env:OTHER"}
trust: {secrets: {token: [storage], other: [web, storage]}}
"""


def owned(owner, *secrets):
    front = f"owner: {owner}\nsecrets: [{', '.join(secrets)}]\nhosts: \"role=db\""
    return HEAD.format(front=front) + "".join(lua(name, f'data["{name}"] = #secret("{name}")', on_error="continue") for name in secrets)


class SocketConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("runner")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def leased_job(server):
    """The next job, as a runner gets it."""
    with open(f"{server.data}/runner-token") as f:
        token = f.read().strip()
    connection = SocketConnection(f"{server.data}/runner.sock")
    connection.request("POST", "/runner/v1/lease", json.dumps({"runner": "r", "worker": "w", "slots": 1}),
                       {"Authorization": "Bearer " + token, "Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    assert answer.status == 200, text
    return json.loads(text)


def test_the_server_hands_a_secret_only_to_whom_it_trusts(tmp_path, sshd):
    site = Site(tmp_path, sshd, extra="no_runner: true\n" + TRUST)
    try:
        site.publish({"runbooks/mine.md": owned("storage", "token", "other", "unnamed"), "runbooks/theirs.md": owned("web", "token", "other"),
                      "runbooks/unlisted.md": owned("storage", "other")})
        for runbook, names in (("mine", {"token", "other"}), ("theirs", {"other"}), ("unlisted", {"other"})):
            site.server.start_run(runbook)
            job = leased_job(site.server)
            assert job["runbook"]["id"] == runbook and set(job["secrets"]) == names, job["secrets"]
    finally:
        site.stop()


def test_another_team_is_refused_a_secret(tmp_path, sshd):
    site = Site(tmp_path, sshd, extra=TRUST, env={"TOKEN": SECRET, "OTHER": "other-secret"})
    try:
        site.server.wait_ready()
        site.publish({"runbooks/mine.md": owned("storage", "token", "unnamed"), "runbooks/theirs.md": owned("web", "token", "other")})
        runs = {name: site.server.wait_run(site.server.start_run(name)) for name in ("mine", "theirs")}
        errors = {(name, step["id"]): (step["error"] or {}).get("code") for name, run in runs.items() for step in run["steps"]}
        assert errors == {("mine", "token"): None, ("mine", "unnamed"): "not_allowed",
                          ("theirs", "token"): "not_allowed", ("theirs", "other"): None}
        assert runs["mine"]["data"] == {"token": len(SECRET.encode())} and runs["theirs"]["data"] == {"other": 12}
    finally:
        site.stop()


class Echo(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self.server.seen.append((self.command, self.path, dict(self.headers), body))
        if self.path.startswith("/hang"):
            self.server.hung.wait(60)
        status = 503 if self.path == "/503" else 302 if self.path == "/302" else 200
        answer = b'{"ok": true, "n": 3}' if status == 200 else b"not\ntoday"
        self.send_response(status)
        self.send_header("X-Reply", "yes")
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_PUT = do_DELETE = do_POST

    def log_message(self, *args):
        pass


@pytest.fixture
def web():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.seen, server.hung, server.daemon_threads = [], threading.Event(), True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield server
    server.hung.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_http_requests(folder, web):
    record = folder.path / "ops" / "runbooks" / "try.test.yaml"
    file = folder.runbook(lua("go", f"""local r = http.get("{web.url}/a?token=x", {{headers = {{Authorization = "Bearer " .. secret("token")}}}})
data.n = json.decode(r.body).n
data.put = http.request{{method = "PUT", url = "{web.url}/b", json = {{list = {{1, 2}}}}}}.status
http.request{{method = "DELETE", url = "{web.url}/c", body = "raw"}}
data.moved = http.get("{web.url}/302").status
local fine, e = pcall(http.post, "{web.url}/503", {{body = "x"}})
data.code, data.status, data.message = e.code, e.result.status, e.message
local fine, e = pcall(http.get, "http://127.0.0.1:1/")
data.none = e.code""", effect="read"), FRONT)
    done = folder.run(file, "--record", str(record), "--json")
    run = json.loads(done.stdout)
    assert done.returncode == 0, (run, done.stderr)
    data = run["data"]
    assert (data["n"], data["put"], data["moved"]) == (3, 200, 302)
    assert (data["code"], data["status"], data["none"]) == ("http", 503, "unavailable")
    assert data["message"] == f"POST {web.url}/503 was answered with status 503: not today"
    methods = [(method, path, body) for method, path, headers, body in web.seen]
    assert methods == [("GET", "/a?token=x", ""), ("PUT", "/b", '{"list":[1,2]}'), ("DELETE", "/c", "raw"), ("GET", "/302", ""), ("POST", "/503", "x")]
    assert web.seen[0][2]["Authorization"].encode("latin-1").decode() == "Bearer " + SECRET
    assert web.seen[1][2]["Content-Type"] == "application/json"
    shown = folder.run(file).stdout
    assert f"http GET {web.url}/a\n" in shown and "token=x" not in shown
    web.seen.clear()
    tested = hikeshi_test(folder)
    assert tested.returncode == 0 and web.seen == [], tested.stdout + record.read_text()
    record.write_text(record.read_text().replace("list: [1, 2]", "list: [1, 3]"))
    tested = hikeshi_test(folder)
    assert tested.returncode == 1 and "-   list: [1, 3]" in tested.stdout.replace("json: {list: [1, 3]}", "-   list: [1, 3]"), tested.stdout


def test_headers_of_an_answer(folder, web):
    status, run = folder.run_json(folder.runbook(lua("go", f'data.reply = http.get("{web.url}/").headers["x-reply"]', effect="read")))
    assert status == 0 and run["data"] == {"reply": "yes"}
    (folder.path / "ops" / "runbooks" / "try.test.yaml").write_text(
        f'cases: [{{name: a, http: [{{get: "{web.url}/", answer_headers: {{X-Reply: yes}}}}], expect: {{data: {{reply: "yes"}}}}}}]')
    tested = hikeshi_test(folder)
    assert tested.returncode == 0, tested.stdout


def test_an_http_request_ends_in_time(folder, web):
    status, run = folder.run_json(folder.runbook(lua("go", f'http.get("{web.url}/hang", {{timeout = "300ms"}})')))
    assert status == 1 and run["steps"][0]["error"]["code"] == "timeout", run
    status, run = folder.run_json(folder.runbook(lua("go", f'http.get("{web.url}/hang")', timeout="300ms")))
    assert status == 1 and run["steps"][0]["result"] == "timed_out", run


def test_programs_of_this_machine_are_off(folder):
    status, run = folder.run_json(folder.runbook(lua("go", 'exec{"true"}')))
    assert status == 1 and run["steps"][0]["error"]["code"] == "not_allowed" and "runner.exec" in run["steps"][0]["error"]["message"], run


def test_programs_of_this_machine(folder):
    folder.env.update(HIKESHI_RUNNER_EXEC="true", LEAK="me", SHORT="abc")
    record = folder.path / "ops" / "runbooks" / "try.test.yaml"
    file = folder.runbook(lua("go", """local r = exec({"sh", "-c", "cat; pwd; echo [$LEAK][$A]; echo bad >&2; exit 3"}, {stdin = "in\\n", cwd = "/", env = {A = "b"}, check = false})
data.out, data.err, data.code, data.host = r.stdout, r.stderr, r.code, r.host
data.signal = exec({"sh", "-c", "kill -9 $$"}, {check = false}).signal
local fine, e = pcall(exec, {"/nonexistent/program"})
data.gone = e.code
data.big = #exec{"head", "-c", "3000000", "/dev/zero"}.stdout""", effect="read"))
    done = folder.run(file, "--record", str(record), "--json")
    run = json.loads(done.stdout)
    assert done.returncode == 0, (run["steps"][0]["error"], done.stderr)
    data = run["data"]
    assert data["out"] == "in\n/\n[][b]\n" and data["err"] == "bad\n" and data["code"] == 3 and data["host"] == "(runner)"
    assert data["signal"] == "KILL" and data["gone"] == "io" and data["big"] == 1024 * 1024
    assert run["steps"][0]["hosts"][0]["host"] == "(runner)"


def test_a_program_that_is_stopped_leaves_nothing_behind(folder):
    folder.env["HIKESHI_RUNNER_EXEC"] = "true"
    name = f"34{os.getpid()}{id(folder) % 1000000}"
    file = folder.runbook(lua("go", f"""exec({{"sh", "-c", "trap '' TERM; sleep {name} & sleep {name}; wait"}}, {{timeout = "400ms"}})"""))
    status, run = folder.run_json(file)
    assert status == 1 and "stopped on (runner)" in run["steps"][0]["error"]["message"], run
    wait_for(lambda: not subprocess.run(["pgrep", "-f", f"^sleep {name}"], capture_output=True).stdout, "the group to be gone")
