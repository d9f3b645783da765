"""http and exec() of steps, on a real HTTP server and real processes: what arrives, what comes back, what is refused."""
import json
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from .support.process import wait_for
from .test_run import hikeshi_test, lua
from .test_secrets import FRONT, SECRET, folder  # noqa: F401


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
