"""secret() of steps: who gets which, and that none leaves a run in any form, on a real server, sshd, HTTP server and PagerDuty stand-in."""
import base64
import glob
import hashlib
import html
import http.client
import json
import os
import random
import socket
import string
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from .conftest import PD_SECRET, Site
from .support.process import wait_for
from .support.sshd import Sshd
from .test_main_job import incident_with_runs
from .test_run import HEAD, Folder, hikeshi_test, lua

SECRET = "s3cr+t/p&ss 'w\"rd\\é"


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    server = Sshd(str(tmp_path_factory.mktemp("sshd")), options=["Subsystem sftp /usr/lib/openssh/sftp-server"])
    yield server
    server.stop()


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


def test_the_hash_of_a_secret_is_not_recorded(folder):
    file = folder.runbook(lua("go", f'''local text = ("x"):rep(5000) .. secret("token")
ssh("db-1"):upload(text, "{folder.path}/uploaded")'''), FRONT)
    record = folder.path / "ops" / "runbooks" / "try.test.yaml"
    assert folder.run(file, "--record", str(record)).returncode == 0
    sent = (folder.path / "uploaded").read_bytes()
    assert sent == b"x" * 5000 + SECRET.encode()
    assert hashlib.sha256(sent).hexdigest() not in record.read_text()
    tested = hikeshi_test(folder)
    assert tested.returncode == 0, tested.stdout + record.read_text()


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


# ---- nothing of a value is anywhere ----

MARK = "".join(random.choices("abcdefghjkmnpqrstuvwxyz", k=14))  # in every value: nothing else has it
VALUES = {
    "words": f"{MARK} 'battery' \"staple\" \\ é & <b>",
    "plus": f"+++{MARK}+++///===",
    "lines": f"-----BEGIN {MARK}-----\nMIIEvQ{MARK}ADANBg\nab\n-----END {MARK}-----",
    "regex": f"^({MARK}+)+$[a-z]{{2,}}\\d.*|?",
    "template": f"{{{{s}}}}%s%n$HOME`id`{{s}}{MARK}$(id)",
    "long": MARK + "".join(random.choices(string.ascii_letters + string.digits + "+/", k=300)),
    "url": f"https://user:{MARK}@db.example.com:8443/hook/{MARK}?x=1&y=2#z",
    "latin": b"p\xe4ss".decode("latin-1") + MARK,
}
PIECE = 24  # letters of an encoding that say something


def pieces(text):
    return {text[i:i + PIECE] for i in range(0, max(1, len(text) - PIECE + 1))} if len(text) >= PIECE else {text}


def needles(value):
    """What must not be found, by encodings of our own making."""
    raw = value.encode()
    found = {MARK, MARK.encode().hex(), MARK.encode().hex().upper()}
    for before in (b"", b"u", b"us"):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            core = encode(before + raw + b"...")[4:-8].decode()
            found |= pieces(core)
    for line in value.split("\n"):
        if len(line) >= 8:
            found |= {line, urllib.parse.quote(line, safe=""), urllib.parse.quote_plus(line), html.escape(line), json.dumps(line)[1:-1]}
    return found


ALL_NEEDLES = set().union(*(needles(value) for value in VALUES.values()))


def leaks(text):
    """Each with what stands around it."""
    return [text[max(0, text.index(needle) - 60):text.index(needle) + len(needle) + 60] for needle in ALL_NEEDLES if needle in text][:5]


SAYS = r"""
local h = ssh("db-1")
local prints = [[
printf '%s' "$S"; echo; printf '%s' "$S" >&2
printf '%s' "$S" | base64; printf '%s' "$S" | base64 -w0; echo; printf 'u:%s' "$S" | base64 -w0; echo; printf 'us:%s;' "$S" | base64 -w0; echo
printf '%s' "$S" | od -An -v -tx1 | tr -d ' \n'; echo
env | grep -A9 '^S='; set -x; : "$S"
]]
local python = [[
import base64, html, json, os, shlex, sys, time, urllib.parse
s = os.environ["S"]
b = s.encode()
for t in (json.dumps(s), json.dumps(s, ensure_ascii=False), json.dumps({s: [s]}).replace("/", "\\/"), html.escape(s), shlex.quote(s), urllib.parse.quote(s),
          urllib.parse.quote(s, safe=""), urllib.parse.quote_plus(s), urllib.parse.urlencode({"a": s}), b.hex(), b.hex().upper(),
          base64.urlsafe_b64encode(b"user:" + b).decode(), base64.encodebytes(b).decode(), s * 3, s.replace("\n", "\r\n")):
    print(t)
sys.stdout.flush()
for i in range(len(b)):
    os.write(1, b[i:i+1])
    if i % 16 == 0: time.sleep(0.001)
]]
for _, name in ipairs{NAMES} do
  local s = secret(name)
  local in_url = s:gsub("[^%w]", function(c) return ("%%%02X"):format(c:byte()) end)
  log("log", s, {s}, {[s] = 1})
  log(("x"):rep(65530 - #s // 2) .. s)
  note("note {s}", {s = s})
  for _, tell in ipairs{
    function() incidents.open{key = "key " .. s, title = "title " .. s, labels = {label = s}} end,
    function() incidents.resolve("key " .. s) end,
    function() notify("pagerduty", "message {s}", {s = s}) end,
    function() notify(s, "to a channel of that name") end,
  } do
    log(select(2, pcall(tell))) -- some are refused: their words must not be, either
  end
  report.text("text " .. s, s .. s)
  report.metric("metric " .. s, 1, s)
  report.table("table", {"a" .. s}, {{s}, {"x" .. s .. "y"}})
  h:run({"sh", "-c", prints}, {env = {S = s}, check = false})
  if name ~= "latin" then h:run({"python3", "-c", python}, {env = {S = s}}) end -- Python has no text for it
  h:run({"cat"}, {stdin = s})
  h:run({"head", "-n", "1"}, {stdin = s .. "\n", pty = true, check = false})
  h:run({"printf", "%s", s})
  h:script("cat <<'EOF_'\n" .. s .. "\nEOF_\n")
  h:run({"sh", "-c", [[printf %s "$S"; printf %s "$S" >&2; exit 3]]}, {env = {S = s}, check = false, max_output = #s // 2 + 9})
  h:upload(s, "FILE")
  log((h:download("FILE")))
  h:run{"rm", "FILE"}
  each({s}, function(item) log(item) error("item " .. item) end, {keep_going = true})
  for _, f in ipairs{
    function() fail("failed " .. s) end,
    function() error(s) end,
    function() error({code = s, message = s}) end,
    function() check(false, s) end,
    function() json.decode(s) end,
    function() ssh(s) end,
    function() secret(s) end,
    function() http.get(s) end,
    function() http.post("URL/500", {body = s, headers = {["X-S"] = (s:gsub("[\n\128-\255]", ""))}}) end,
    function() http.get("URL/500?token=" .. in_url) end,
    function() http.get("http://u:" .. in_url .. "@127.0.0.1:1/" .. in_url) end,
    function() exec({"sh", "-c", [[cat; printf %s "$S"; exit 4]]}, {env = {S = s}, stdin = s}) end,
    function() exec{"/nonexistent/" .. s} end,
    function() h:run({"sh", "-c", "cat; exit 5"}, {stdin = s}) end,
    function() h:run({"nonexistent-" .. s}) end,
    function() h:run({"true"}, {cwd = "/" .. s}) end,
    function() h:run({"true"}, {[s] = 1}) end,
    function() h:download("/nonexistent/" .. s) end,
    function() require(s) end,
    function() local t = {} ; t[s].x = 1 end,
    function() time.parse(s) end,
    function() time.duration(s) end,
    function() return params[s] end,
    function() return _ENV[s] end,
  } do
    local fine, e = pcall(f)
    if fine then log("did not fail", _) end
    log(tostring(e), type(e) == "table" and {e.code, e.message, e.file} or "")
  end
end
data.said = true
"""


class Mirror(BaseHTTPRequestHandler):
    """Answers with what it was sent, and a bad status."""
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = (b"x" * 150 + body) if body else str(self.path).encode()
        self.send_response(500)
        self.send_header("Content-Length", str(len(answer)))
        self.send_header("X-Mirror", self.headers.get("X-S", ""))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def mirror():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def runbook_of_leaks(tmp_path, mirror):
    said = SAYS.replace("NAMES", ", ".join(f'"{name}"' for name in VALUES)).replace("FILE", str(tmp_path / "uploaded")).replace("URL", mirror)
    fails = "".join(lua(f"fails-{name}", f'error("failed with " .. secret("{name}"))', on_error="continue") for name in VALUES)
    front = f'hosts: "role=db"\nsecrets: [{", ".join(VALUES)}]\ntriggers: [{{kind: incident, match: {{alert: Leak}}}}, {{kind: manual}}]'
    return HEAD.format(front=front) + lua("say", said, timeout="3m") + fails


def references(folder):
    folder.mkdir()
    for name, value in VALUES.items():
        (folder / name).write_text(value + "\n", encoding="latin-1" if name == "latin" else "utf-8")
    return "secrets: {" + ", ".join(f'{name}: "file:{folder}/{name}"' for name in VALUES) + "}\n"


def files_below(*folders):
    for folder in folders:
        for path, _, names in os.walk(folder):
            for name in names:
                yield os.path.join(path, name)


def check_files(paths):
    for path in paths:
        try:
            with open(path, "rb") as f:
                assert not leaks(f.read().decode("latin-1")), path
        except OSError:
            pass  # a socket, or gone


def test_no_value_is_left_anywhere_by_a_server(tmp_path_factory, tmp_path, sshd, pagerduty, mirror):
    began = time.time()
    (tmp_path / "tmp").mkdir()
    site = Site(tmp_path, sshd, pagerduty.url, "log: {level: debug}\n" + references(tmp_path_factory.mktemp("values") / "f"),
                env={"TMPDIR": str(tmp_path / "tmp"), "HIKESHI_RUNNER_EXEC": "true"})
    try:
        site.server.wait_ready()
        site.publish({"runbooks/leak.md": runbook_of_leaks(tmp_path, mirror)})
        pagerduty.add_incident("PLEAK", [{"alertname": "Leak", "instance": "db-1"}])
        assert site.server.pagerduty("pd", PD_SECRET, incident="PLEAK")[0] == 202
        run_id = incident_with_runs(site.server, "pd")["runs"][0]
        followed = site.server.cli("runs", "log", run_id, "--follow", check=False)
        run = site.server.wait_run(run_id)
        assert run["steps"][0]["result"] == "ok" and run["data"] == {"said": True}, json.dumps(run["steps"][0]["error"])
        assert all(step["result"] == "failed" and step["error"]["message"].startswith("failed with ***") for step in run["steps"][1:]), run["steps"]
        wait_for(lambda: any("***" in note for note in pagerduty.notes("PLEAK")), "a note in PagerDuty")
        log = json.dumps(site.server.items(f"/runs/{run_id}/log"), ensure_ascii=False)
        assert "did not fail" not in followed.stdout and followed.stdout.count("***") > 40 * len(VALUES)
        incident = site.server.get(f"/incidents/{run['incident']}")
        texts = {"run": json.dumps(run, ensure_ascii=False), "log": log, "followed": followed.stdout + followed.stderr,
                 "incident": json.dumps(incident, ensure_ascii=False), "pagerduty": repr(pagerduty.requests),
                 "shown": site.server.cli("runs", "show", run_id).stdout, "printed": site.server.cli("runs", "log", run_id).stdout}
        for name, text in texts.items():
            assert not leaks(text), (name, leaks(text))
        check_files(files_below(tmp_path))
    finally:
        site.stop()
    check_files(files_below(tmp_path))
    check_files(path for path in glob.glob("/tmp/*") if os.path.isfile(path) and os.stat(path).st_mtime >= began)


def test_no_value_is_in_what_a_terminal_shows_or_records(folder, tmp_path_factory, mirror):
    (folder.path / "hikeshi.yaml").write_text(references(tmp_path_factory.mktemp("values") / "f"))
    folder.env["HIKESHI_RUNNER_EXEC"] = "true"
    folder.write("runbooks/leak.md", runbook_of_leaks(folder.path, mirror))
    record = folder.path / "ops" / "runbooks" / "leak.test.yaml"
    file = str(folder.path / "ops" / "runbooks" / "leak.md")
    done = folder.run(file, "--record", str(record))
    assert "did not fail" not in done.stdout and done.stdout.count("failed with ***") >= len(VALUES) and "recorded" in done.stderr + done.stdout, (done.stdout[-3000:], done.stderr)
    assert not leaks(done.stdout + done.stderr), leaks(done.stdout + done.stderr)
    assert not leaks(record.read_text()), leaks(record.read_text())
    assert not leaks(folder.run(file, "--json").stdout)


@pytest.mark.parametrize("how", ["env", "stdin", "script", "sudo", "pty", "exec", "argv"])
def test_no_value_is_in_a_process_list(folder, tmp_path_factory, how):
    """Of any process of this machine, which is the runner's and the host: a command waits until the test has looked."""
    (folder.path / "hikeshi.yaml").write_text(references(tmp_path_factory.mktemp("values") / "f"))
    folder.env["HIKESHI_RUNNER_EXEC"] = "true"
    gate = folder.path / "gate"
    os.mkfifo(gate)
    wait = {"env": 'h:run({"cat", "GATE"}, {env = {S = s}})', "stdin": 'h:run({"sh", "-c", "cat; cat GATE"}, {stdin = s})',
            "script": 'h:script("S=$(cat <<\'EOF_\'\\n" .. s .. "\\nEOF_\\n)\\ncat GATE")', "pty": 'h:run({"cat", "GATE"}, {pty = true, stdin = s})',
            "sudo": 'h:run({"cat", "GATE"}, {sudo = true, env = {S = s}})', "exec": 'exec({"cat", "GATE"}, {env = {S = s}, stdin = s})',
            "argv": 'h:run({"python3", "-c", [[import sys, ctypes\nopen("GATE").read()]], s})'}[how].replace("GATE", str(gate))
    file = folder.runbook(lua("go", f'local h, s = ssh("db-1"), secret("words")\n{wait}'), f'hosts: "role=db"\nsecrets: [words]')
    child = threading.Thread(target=lambda: done.append(folder.run_json(file)))
    done = []
    child.start()
    with open(gate, "w"):  # opens once the command reads
        found = {}
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            try:
                with open(path, "rb") as f:
                    line = f.read()
            except OSError:
                continue
            text = line.decode("utf-8", "replace")
            if leaks(text) or MARK.translate({ord(c): f"%0{ord(c):03o}" for c in MARK}) in text:
                found[path] = text
    child.join()
    assert done[0][0] == 0, done
    if how == "argv":  # the program itself, and nothing above it
        assert len(found) == 1 and all("python3" in text.split("\0")[0] for text in found.values()), found
    else:
        assert not found
