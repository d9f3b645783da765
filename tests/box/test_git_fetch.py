"""Git over SSH and HTTP as the fetching child does it: strict host keys, each kind of credential, no fetch without them."""
import base64
import http.server
import json
import os
import re
import ssl
import subprocess
import threading

import pytest

from .support.repository import Repository
from .support.server import HIKESHI
from .support.sshd import Sshd, keygen


def fetch(mirror, url, env=None, **settings):
    """Exit status and the one line of a fetch."""
    request = json.dumps({"mirror": str(mirror), "url": url, **settings})
    environment = {k: v for k, v in os.environ.items() if k != "SSH_AUTH_SOCK"}
    done = subprocess.run([HIKESHI, "git-fetch"], input=request, capture_output=True, text=True, timeout=60,
                          env={**environment, "GIT_CONFIG_GLOBAL": "/dev/null", **(env or {})})
    return done.returncode, done.stdout.strip()


def head_of(mirror):
    return subprocess.run(["git", "--git-dir", str(mirror), "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    made = Repository(tmp_path_factory.mktemp("git") / "ops")
    made.head = made.commit({"runbooks/a.md": "# a\n"})
    return made


@pytest.fixture(scope="module", params=["ed25519", "ecdsa"])
def server(request, tmp_path_factory):
    sshd = Sshd(str(tmp_path_factory.mktemp("git-sshd")), host_key=request.param)
    yield sshd
    sshd.stop()


@pytest.fixture
def url(server, repository):
    return f"ssh://{server.user}@127.0.0.1:{server.port}{repository.path}"


@pytest.fixture
def known(server, tmp_path):
    return server.known_hosts(str(tmp_path / "known_hosts"))


def test_key_file(server, repository, url, known, tmp_path):
    mirror = tmp_path / "m.git"
    assert fetch(mirror, url, known_hosts=known, identity=f"file:{server.client_key}") == (0, "")
    assert head_of(mirror) == repository.head


def test_encrypted_key_file(server, repository, url, known, tmp_path):
    key = keygen(str(tmp_path / "locked"), passphrase="open sesame")
    with open(key + ".pub") as public, open(f"{server.folder}/authorized_keys", "a") as allowed:
        allowed.write(public.read())
    mirror = tmp_path / "m.git"
    assert fetch(mirror, url, known_hosts=known, identity=f"file:{key}", passphrase="env:KEY_PASS",
                 env={"KEY_PASS": "open sesame"}) == (0, "")
    status, line = fetch(tmp_path / "n.git", url, known_hosts=known, identity=f"file:{key}", passphrase="env:KEY_PASS",
                         env={"KEY_PASS": "wrong"})
    assert status == 1 and line.startswith("cannot fetch 'ssh://127.0.0.1")
    assert "wrong" not in line


def test_agent(server, repository, url, known, tmp_path):
    started = subprocess.run(["ssh-agent", "-s", "-a", str(tmp_path / "agent")], check=True, capture_output=True, text=True).stdout
    pid = int(re.search(r"SSH_AGENT_PID=(\d+)", started).group(1))
    env = {"SSH_AUTH_SOCK": str(tmp_path / "agent")}
    try:
        subprocess.run(["ssh-add", "-q", server.client_key], check=True, env={**os.environ, **env})
        assert fetch(tmp_path / "m.git", url, known_hosts=known, env=env) == (0, "")
    finally:
        os.kill(pid, 15)


def test_refused_key(server, url, known, tmp_path):
    stranger = keygen(str(tmp_path / "stranger"))
    status, line = fetch(tmp_path / "m.git", url, known_hosts=known, identity=f"file:{stranger}")
    assert status == 1
    assert f"the server refused {stranger}" in line


def test_no_agent_and_no_key(url, known, tmp_path):
    status, line = fetch(tmp_path / "m.git", url, known_hosts=known)
    assert status == 1 and "cannot fetch" in line


@pytest.mark.parametrize("why,content,said", [
    ("unknown", "", "is unknown"),
    ("another key", "[127.0.0.1]:{port} {other}", "another one"),
    ("known without the port", "127.0.0.1 {key}", "is unknown"),
    ("revoked", "[127.0.0.1]:{port} {key}\n@revoked * {key}", "is revoked"),
    ("behind a bad line", "nonsense\n[127.0.0.1]:{port} {key}", None),
])
def test_host_keys(why, content, said, server, repository, url, tmp_path):
    def public(path):
        with open(path + ".pub") as file:
            return " ".join(file.read().split()[:2])
    other = public(keygen(str(tmp_path / "other")))
    known = tmp_path / "known_hosts"
    known.write_text(content.format(port=server.port, key=public(server.host_key), other=other) + "\n")
    mirror = tmp_path / "m.git"
    status, line = fetch(mirror, url, known_hosts=str(known), identity=f"file:{server.client_key}")
    if said is None:
        assert (status, line) == (0, "")
        return
    assert status == 1 and said in line and str(known) in line
    assert not os.path.exists(mirror / "refs/heads/main")


def test_missing_repository(server, repository, url, known, tmp_path):
    status, line = fetch(tmp_path / "m.git", url + "-missing", known_hosts=known, identity=f"file:{server.client_key}")
    assert status == 1 and "cannot fetch" in line


@pytest.mark.parametrize("path,said", [("nowhere", "there is no such folder"), ("", "not a Git repository, or not its root folder")])
def test_no_local_repository(path, said, tmp_path):
    status, line = fetch(tmp_path / "m.git", str(tmp_path / path))
    assert (status, line) == (1, f"cannot fetch '{tmp_path / path}': {said}")


def test_url_with_a_password_is_not_shown(tmp_path):
    status, line = fetch(tmp_path / "m.git", "https://user:hunter2@127.0.0.1:1/x.git")
    assert status == 1 and "hunter2" not in line


def test_bad_request(tmp_path):
    done = subprocess.run([HIKESHI, "git-fetch"], input="nonsense", capture_output=True, text=True)
    assert done.returncode == 1 and "request:1:" in done.stdout


class Backend(http.server.BaseHTTPRequestHandler):
    """git http-backend behind basic authentication."""
    token = "s3cret"

    def do_GET(self):
        self.serve(b"")

    def do_POST(self):
        self.serve(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def serve(self, body):
        wanted = "Basic " + base64.b64encode(f"bot:{self.token}".encode()).decode()
        if self.headers.get("Authorization") != wanted:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        env = {**os.environ, "GIT_PROJECT_ROOT": self.server.root, "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path, "QUERY_STRING": query,
               "REQUEST_METHOD": self.command, "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
               "REMOTE_USER": "bot"}
        done = subprocess.run(["git", "http-backend"], input=body, capture_output=True, env=env)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture
def web(repository):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    server.root = os.path.dirname(repository.path)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_http_with_token(web, repository, tmp_path):
    url = f"http://127.0.0.1:{web.server_port}/ops/.git"
    mirror = tmp_path / "m.git"
    assert fetch(mirror, url, user="bot", token="env:BOT", env={"BOT": "s3cret"}) == (0, "")
    assert head_of(mirror) == repository.head
    status, line = fetch(tmp_path / "n.git", url, user="bot", token="env:BOT", env={"BOT": "wrong"})
    assert status == 1 and "the server refused the user and token" in line
    status, line = fetch(tmp_path / "o.git", url)
    assert status == 1 and "asks for a user and token" in line
    status, line = fetch(tmp_path / "p.git", url, user="bot", token="env:NOT_SET")
    assert status == 1 and "secret 'env:NOT_SET'" in line


def test_untrusted_certificate(web, tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj",
                    "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", tmp_path / "key", "-out", tmp_path / "cert"],
                   check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    web.socket = context.wrap_socket(web.socket, server_side=True)
    status, line = fetch(tmp_path / "m.git", f"https://127.0.0.1:{web.server_port}/ops/.git", user="bot", token="env:BOT",
                         env={"BOT": "s3cret"})
    assert status == 1 and re.search("certificate|SSL|TLS", line), line
