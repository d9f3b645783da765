"""http and exec() of steps, on a real HTTP server and real processes: what arrives, what comes back, what is refused."""
import json
import os
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from .support.process import wait_for
from .support.server import HIKESHI
from .test_run import hikeshi_test, lua
from .test_secrets import FRONT, SECRET, folder, sshd  # noqa: F401


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


# ---- what goes where ----

class Hostile(BaseHTTPRequestHandler):
    """Answers that no client should believe, or wait for."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.seen.append((self.path, dict(self.headers)))
        getattr(self, self.path.strip("/").split("?")[0])()

    def moved(self):
        self.send_response(302)
        self.send_header("Location", self.server.elsewhere)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def large(self):
        """Says nothing of its length."""
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.pour(b"x" * 65536)

    def announced(self):
        self.send_response(200)
        self.send_header("Content-Length", str(1 << 40))
        self.end_headers()

    def headers_for_ever(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        self.pour(b"X-More: " + b"y" * 1000 + b"\r\n")

    def drips(self):
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        while not self.server.over.wait(0.05):
            try:
                self.wfile.write(b".")
            except OSError:
                return

    def pour(self, piece):
        try:
            while not self.server.over.is_set():
                self.wfile.write(piece)
        except OSError:
            pass
        self.close_connection = True

    def log_message(self, *args):
        pass


def start(handler, context=None):
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.seen, server.hung, server.over, server.daemon_threads = [], threading.Event(), threading.Event(), True
    scheme = "http"
    if context:
        server.socket, scheme = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False), "https"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    return server


def stop(server):
    server.over.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def hostile():
    server = start(Hostile)
    yield server
    stop(server)


def error_of(folder, text, front='hosts: "role=db"', **attributes):
    status, run = folder.run_json(folder.runbook(lua("go", text, effect="read", **attributes), front))
    assert status == 1, run
    return run["steps"][0]["error"]


def test_a_redirect_is_an_answer_and_takes_no_secret_elsewhere(folder, web, hostile):
    hostile.elsewhere = web.url + "/stolen"
    status, run = folder.run_json(folder.runbook(lua("go", f"""local r = http.get("{hostile.url}/moved", {{headers = {{Authorization = secret("token")}}}})
data.status, data.location = r.status, r.headers.location""", effect="read"), FRONT))
    assert status == 0 and run["data"] == {"status": 302, "location": web.url + "/stolen"}, run
    assert len(hostile.seen) == 1 and web.seen == []


def test_a_certificate_is_verified(folder, tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", tmp_path / "key",
                    "-out", tmp_path / "cert", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    server = start(Echo, context)
    try:
        error = error_of(folder, f'http.get("{server.url}/", {{headers = {{Authorization = secret("token")}}}})', FRONT)
        assert error["code"] == "unavailable" and "certificate" in error["message"], error
        assert server.seen == []
    finally:
        stop(server)


@pytest.mark.parametrize("path, options, code, words", [
    ("large", "", "too_large", "8388608 bytes"),
    ("large", "max_bytes = 1000", "too_large", "1000 bytes"),
    ("announced", "", "too_large", "8388608 bytes"),
    ("headers_for_ever", "", "too_large", ""),
    ("drips", 'timeout = "400ms"', "timeout", "did not answer in time"),
])
def test_answers_have_bounds(folder, hostile, path, options, code, words):
    error = error_of(folder, f'http.get("{hostile.url}/{path}", {{{options}}})')
    assert error["code"] == code and words in error["message"], error


@pytest.mark.parametrize("text, code, words", [
    ('http.get("file:///etc/passwd")', "lua", "http:// or https://"),
    ('http.get("gopher://127.0.0.1/")', "lua", "http:// or https://"),
    ('http.get("http://")', "invalid", ""),
    ('http.get("URL/a b\\r\\nX: y")', "invalid", ""),
    ('http.get("URL/", {headers = {X = "a\\r\\nY: b"}})', "invalid", "'X' is no header"),
    ('http.get("URL/", {headers = {["X: a\\r\\nY"] = "b"}})', "invalid", "no header"),
    ('http.request{url = "URL/", method = "TRACE"}', "lua", "method"),
    ('http.request{url = "URL/", json = {}, body = "x"}', "lua", "not both"),
    ('http.get("URL/", {redirects = 3})', "lua", "unknown option"),
])
def test_what_is_no_request(folder, web, text, code, words):
    error = error_of(folder, text.replace("URL", web.url))
    assert error["code"] == code and words in error["message"] and web.seen == [], (error, web.seen)


@pytest.mark.parametrize("rules, host, allowed", [
    ("", "127.0.0.1", True), ("", "localhost", True), ("", "169.254.169.254", False), ("", "[fe80::1]", False), ("", "0xa9fea9fe", False),
    ("off", "127.0.0.1", False), ("127.0.0.1", "127.0.0.1", True), ("127.0.0.0/8", "localhost", True), ("10.0.0.0/8", "localhost", False),
    ("localhost", "localhost", True), ("localhost", "127.0.0.1", False), ("*.example.com,localhost", "LOCALHOST", True), ("example.com", "localhost", False),
])
def test_what_a_runner_lets_steps_reach(folder, web, rules, host, allowed):
    folder.env["HIKESHI_RUNNER_HTTP"] = rules
    url = web.url.replace("127.0.0.1", host) + "/x"
    status, run = folder.run_json(folder.runbook(lua("go", f'http.get("{url}", {{timeout = "5s"}})', effect="read")))
    if allowed:
        assert status == 0 and len(web.seen) == 1, run["steps"][0]["error"]
    else:
        assert status == 1 and run["steps"][0]["error"]["code"] == "not_allowed" and web.seen == [], json.dumps(run["steps"][0]["error"])


def test_a_rule_that_is_none_stops_the_start(folder, tmp_path):
    folder.env["HIKESHI_RUNNER_HTTP"] = "https://api.example.com"
    done = folder.run(folder.runbook(lua("go", "log(1)")))
    assert done.returncode == 2 and "runner.http" in done.stderr and "https://api.example.com" in done.stderr, done.stderr
    (tmp_path / "token").write_text("x")
    done = subprocess.run([HIKESHI, "runner", "--socket", tmp_path / "none", "--token-file", tmp_path / "token"], env=folder.env, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and "runner.http" in done.stderr, done.stderr
