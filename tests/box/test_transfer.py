"""Files to and from hosts: every byte, at once or not at all, whoever the server is."""
import hashlib
import os
import subprocess

import pytest

from .support.server import HIKESHI
from .support.sshd import Sshd
from .test_run import Folder, lua

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def files_sshd(tmp_path_factory):
    server = Sshd(str(tmp_path_factory.mktemp("sshd")), options=["Subsystem sftp /usr/lib/openssh/sftp-server"])
    yield server
    server.stop()


@pytest.fixture
def folder(tmp_path, files_sshd):
    return Folder(tmp_path, files_sshd)


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def test_24_MB_pass_through_upload_pipe_stdin_and_download(folder, tmp_path):
    size = 24 * MIB + 13
    with open(tmp_path / "random", "wb") as file:
        file.write(os.urandom(size))
    wanted = sha256(tmp_path / "random")
    file = folder.runbook(lua("files", f"""
local h, at = ssh("db-1"), "{tmp_path}/"
local bytes, read = h:download(at .. "random")
check(read.sha256 == "{wanted}" and #bytes == {size}, "download differs")
local up = h:upload(bytes, at .. "up", {{mode = "0600", verify = true, sha256 = "{wanted}"}})
check(up.sha256 == "{wanted}" and up.bytes == {size} and up.mode == "0600", "upload differs")
h:script("cat up | cat > piped", {{cwd = at}})
h:run({{"tee", at .. "stdin"}}, {{stdin = bytes, max_output = 1}})
bytes = nil
local _, back = h:download(at .. "piped")
check(back.sha256 == "{wanted}", "what went through the pipe differs")
""", timeout="2m"))
    done = folder.run(file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [sha256(tmp_path / name) for name in ("up", "piped", "stdin")] == [wanted] * 3
    assert os.stat(tmp_path / "up").st_mode & 0o7777 == 0o600
    assert f"(upload of {size} bytes to {tmp_path}/up)" in done.stdout and f"(download of {tmp_path}/random)" in done.stdout


def test_a_failed_upload_says_what_the_host_said(folder, tmp_path):
    file = folder.runbook(lua("files", f"""
local ok, e = pcall(function() ssh("db-1"):upload("x", "{tmp_path}/none/x") end)
check(not ok and e.code == "file" and e.host == "db-1", e.message)
local ok, e = pcall(function() ssh("db-1"):download("/etc", {{}}) end)
check(not ok and e.code == "file" and e.message:find("not a regular file"), e.message)
ssh("db-1"):download("{tmp_path}/nothing")
"""))
    done = folder.run(file)
    assert done.returncode == 1 and "cannot read" in done.stdout and "No such file" in done.stdout, done.stdout


def test_bytes_of_output_reach_Lua_as_they_are(folder):
    file = folder.runbook(lua("bytes", r"""
local r = ssh("db-1"):run{"printf", "\\377\\000\\n"}
check(r.stdout == "\255\0\n", base64.encode(r.stdout))
"""))
    done = folder.run(file)
    assert done.returncode == 0, done.stdout + done.stderr


def test_recorded_transfers_are_a_case_that_passes(folder, tmp_path):
    (tmp_path / "conf").write_text("limit 1\n")
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    file = folder.runbook(lua("files", f"""
local h = ssh("db-1")
local text = h:download("{tmp_path}/conf")
h:upload(text:gsub("1", "2"), "{tmp_path}/conf", {{mode = "0600"}})
h:upload(h:download("{tmp_path}/binary"), "{tmp_path}/copy")
local ok, e = pcall(function() h:download("{tmp_path}/none") end)
check(not ok and e.code == "file")
"""))
    record = folder.path / "ops" / "runbooks" / "try.test.yaml"
    assert folder.run(file, "--record", str(record)).returncode == 0
    text = record.read_text()
    assert 'content: "limit 2' in text and "base64: " in text and "sha256: " in text and 'mode: "0600"' in text, text

    def replay():
        return subprocess.run([HIKESHI, "test", str(record)], capture_output=True, text=True, cwd=folder.path / "ops")
    done = replay()
    assert done.returncode == 0, done.stdout + done.stderr
    record.write_text(text.replace("limit 2", "limit 3"))
    done = replay()
    assert done.returncode == 1 and "limit 3" in done.stdout and "limit 2" in done.stdout, done.stdout


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a file system of 4 MiB."""
    at = tmp_path / "small"
    at.mkdir()
    if os.getuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "hikeshi-test", str(at)], capture_output=True).returncode != 0:
        pytest.skip("mounting needs root")
    yield at
    subprocess.run(["umount", str(at)], check=True)


def test_a_full_disk_leaves_the_old_file_and_nothing_else(folder, small_disk):
    (small_disk / "conf").write_text("old\n")
    file = folder.runbook(lua("files", f"""
local h = ssh("db-1")
local ok, e = pcall(function() h:upload(string.rep("x", {8 * MIB}), "{small_disk}/conf") end)
check(not ok and e.code == "file" and e.host == "db-1", tostring(e))
log(e.message)
check(h:download("{small_disk}/conf") == "old\\n", "the old file is not what it was")
h:upload("new\\n", "{small_disk}/conf")
"""))
    done = folder.run(file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"cannot write '{small_disk}/conf' on 'db-1' (127.0.0.1:{folder.sshd.port}): Failure (is the disk full?); the file is as it was" in done.stdout, done.stdout
    assert (small_disk / "conf").read_text() == "new\n" and os.listdir(small_disk) == ["conf"]


def test_a_wrong_checksum_changes_nothing(folder, tmp_path):
    at = tmp_path / "files"
    at.mkdir()
    (at / "conf").write_text("old\n")
    file = folder.runbook(lua("files", f"""
local h = ssh("db-1")
local ok, e = pcall(function() h:upload("new\\n", "{at}/conf", {{sha256 = ("0"):rep(64)}}) end)
check(not ok and e.code == "check_failed" and e.message:find("the file is as it was", 1, true), e.message)
local ok, e = pcall(function() h:download("{at}/conf", {{sha256 = ("0"):rep(64)}}) end)
check(not ok and e.code == "check_failed", e.message)
h:upload("new\\n", "{at}/conf", {{sha256 = sha256("new\\n"), verify = true}})
"""))
    done = folder.run(file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (at / "conf").read_text() == "new\n" and os.listdir(at) == ["conf"]


def test_readers_see_the_old_file_or_the_new_one(folder, tmp_path):
    at, size = tmp_path / "files", 2 * MIB
    at.mkdir()
    (at / "conf").write_bytes(b"a" * size)
    os.chmod(at / "conf", 0o640)
    file = folder.runbook(lua("files", f"""
local h = ssh("db-1")
for i = 1, 10 do h:upload(string.rep(i % 2 == 0 and "a" or "b", {size}), "{at}/conf") end
""", timeout="1m"))
    child = subprocess.Popen(folder.argv(file), cwd=folder.path, env=folder.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    seen = set()
    while child.poll() is None:
        bytes_read = (at / "conf").read_bytes()
        assert len(bytes_read) == size and bytes_read in (b"a" * size, b"b" * size), "half a file"
        seen.add(bytes_read[:1])
    assert child.wait() == 0, child.stdout.read()
    assert seen == {b"a", b"b"} and os.stat(at / "conf").st_mode & 0o7777 == 0o640 and os.listdir(at) == ["conf"]
