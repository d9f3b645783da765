"""report.file(): bytes that a step leaves behind: kept with the run, fetched as an attachment, never shown in place."""
import hashlib
import json
import os
import pty
import subprocess
import urllib.request

import pytest

from .support.server import HIKESHI
from .test_run import HEAD, Folder, hikeshi_test, lua

BINARY = bytes(range(256)) * 40
STEP = lua("go", """local b = {} for i = 0, 255 do b[#b + 1] = string.char(i) end
report.file("Größe 2.bin", table.concat(b):rep(40))
report.file("page.html", "<script>alert(1)</script>")
report.file("empty.txt", "")
report.file("page.html", "again", {private = true})""")


@pytest.fixture
def folder(tmp_path, sshd):
    return Folder(tmp_path, sshd)


def fetch(server, url, **headers):
    request = urllib.request.Request(url, headers={"Authorization": "Bearer " + server.token, **headers})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return dict(answer.headers), answer.read()


def test_files_are_kept_and_fetched(site, tmp_path):
    site.publish({"runbooks/files.md": HEAD.format(front='hosts: "role=db"') + STEP})
    run = site.server.wait_run(site.server.start_run("files"))
    assert run["state"] == "succeeded", run
    reports = run["reports"]
    assert [(r["kind"], r["name"], r["bytes"]) for r in reports] == \
        [("file", "Größe 2.bin", 10240), ("file", "page.html", 25), ("file", "empty.txt", 0), ("file", "page.html", 5)]
    assert reports[0]["sha256"] == hashlib.sha256(BINARY).hexdigest() and all("content" not in r for r in reports)
    log = json.dumps(site.server.items(f"/runs/{run['id']}/log"))
    assert "content" not in log and "alert(1)" not in log
    headers, body = fetch(site.server, reports[0]["url"])
    assert body == BINARY and headers["Content-Type"] == "application/octet-stream" and headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Disposition"] == "attachment; filename=\"Gr____e_2.bin\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%202.bin"
    headers, body = fetch(site.server, reports[1]["url"], Accept="text/html")
    assert body == b"<script>alert(1)</script>" and headers["Content-Type"] == "application/octet-stream"
    assert "sandbox" in headers["Content-Security-Policy"]
    assert fetch(site.server, reports[2]["url"])[1] == b""
    path = reports[0]["url"].removeprefix(site.server.url)
    assert site.server.request("GET", path, token=None)[0] == 401
    assert site.server.request("DELETE", path)[0] == 405
    other = site.server.start_run("files")
    assert site.server.request("GET", path.replace(run["id"], other))[0] == 404
    for name in ("0", "x", "%2e%2e%2f1", "1%00"):
        assert site.server.request("GET", path.rsplit("/", 1)[0] + "/" + name)[0] in (400, 404)

    cli = site.server.cli
    env = {**os.environ, "HIKESHI_SERVER": site.server.url, "HIKESHI_TOKEN": site.server.token}
    piped = subprocess.run([HIKESHI, "runs", "file", run["id"], "Größe 2.bin"], env=env, stdout=subprocess.PIPE, timeout=60)
    assert piped.returncode == 0 and piped.stdout == BINARY
    cli("runs", "file", run["id"], "page.html", "--output", str(tmp_path / "kept"))
    assert (tmp_path / "kept").read_bytes() == b"again", "the last of a name"
    assert json.loads(cli("runs", "file", run["id"], "empty.txt", "--json").stdout)["bytes"] == 0
    gone = cli("runs", "file", run["id"], "other.txt", check=False)
    assert gone.returncode == 1 and "no file 'other.txt'" in gone.stderr
    assert "file page.html, 25 bytes" in cli("runs", "show", run["id"]).stdout
    own, theirs = pty.openpty()
    shown = subprocess.run([HIKESHI, "runs", "file", run["id"], "page.html"], env=env, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE,
                           text=True, timeout=60)
    os.close(theirs)
    os.close(own)
    assert shown.returncode == 2 and "--output" in shown.stderr


def test_files_of_a_local_run(folder):
    file = folder.runbook(STEP)
    out = folder.path / "out"
    out.mkdir()
    done = folder.run(file, "--files", str(out))
    assert done.returncode == 0 and "file Größe 2.bin, 10.0" in done.stdout, done.stdout + done.stderr
    assert {name: (out / name).read_bytes() for name in os.listdir(out)} == {"Größe 2.bin": BINARY, "page.html": b"again", "empty.txt": b""}
    status, run = folder.run_json(file)
    report = run["reports"][1]
    assert status == 0 and (report["kind"], report["name"], report["bytes"]) == ("file", "page.html", 25) and "content" not in report
    nowhere = folder.run(file, "--files", "nowhere")
    assert nowhere.returncode == 2 and "nowhere" in nowhere.stderr


def test_files_in_tests(folder):
    folder.runbook(STEP)
    tests = folder.path / "ops" / "runbooks" / "try.test.yaml"
    case = "cases: [{name: a, expect: {reports: [{kind: file, name: page.html, content: CONTENT}, {name: empty.txt, bytes: 0}]}}]"
    tests.write_text(case.replace("CONTENT", "again"))
    tested = hikeshi_test(folder)
    assert tested.returncode == 0, tested.stdout
    tests.write_text(case.replace("CONTENT", "other"))
    tested = hikeshi_test(folder)
    assert tested.returncode == 1 and "content: other" in tested.stdout, tested.stdout


@pytest.mark.parametrize("text, code, words", [
    ('report.file("x", ("x"):rep(1024 * 1024 + 1))', "too_large", "1024 KiB"),
    ('for i = 1, 101 do report.file("x" .. i, "") end', "too_large", "100 files"),
    ('for i = 1, 17 do report.file("x", ("x"):rep(1024 * 1024)) end', "too_large", "16 MiB"),
    ('report.file("a/b", "x")', "lua", "file name"),
    ('report.file("..", "x")', "lua", "file name"),
    ('report.file("a\\nb", "x")', "lua", "file name"),
    ('report.file("", "x")', "lua", "file name"),
])
def test_what_is_no_file(folder, text, code, words):
    status, run = folder.run_json(folder.runbook(lua("go", text)))
    error = run["steps"][0]["error"]
    assert status == 1 and error["code"] == code and words in error["message"], error


def test_a_secret_in_a_file_is_masked(folder):
    (folder.path / "hikeshi.yaml").write_text('secrets: {token: "env:TOKEN"}\n')
    folder.env["TOKEN"] = "s3cr3t-t0k3n"
    (folder.path / "out").mkdir()
    file = folder.runbook(lua("go", 'report.file("a.bin", "\\0\\255" .. secret("token") .. base64.encode("u:" .. secret("token")))'),
                          'hosts: "role=db"\nsecrets: [token]')
    assert folder.run(file, "--files", str(folder.path / "out")).returncode == 0
    kept = (folder.path / "out" / "a.bin").read_bytes()
    assert kept.startswith(b"\0\xff***") and b"s3cr3t" not in kept and kept.count(b"***") == 2
    _, run = folder.run_json(file)
    assert run["reports"][0]["sha256"] == hashlib.sha256(kept).hexdigest() and run["reports"][0]["bytes"] == len(kept)
