"""sudo with a password: it arrives at sudo alone, once, with and without a terminal; what cannot work ends at once and says why.
The sudo of this machine, for a throwaway user. Needs root, to make that user."""
import glob
import os
import subprocess

import pytest

from .support import account as accounts
from .support.place import Place
from .support.server import HIKESHI
from .support.sshd import Sshd

pytestmark = pytest.mark.skipif(not accounts.possible() or not os.path.exists("/usr/bin/sudo"), reason="needs root and sudo")

ANY, FREE, ONE, TERMINAL = "USER ALL=(ALL) ALL", "USER ALL=(ALL) NOPASSWD: ALL", "USER ALL=(root) /usr/bin/id", "Defaults:USER requiretty"
PTY_OF_ITS_OWN, NO_CACHE = "Defaults:USER use_pty", "Defaults:USER !use_pty"
GIVEN, WRONG, NONE = 'sudo_password: "env:IT_PASSWORD"', 'sudo_password: "env:IT_WRONG"', ""


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    made = accounts.Account()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{made.home}/key"], check=True)
    made.authorize(f"{made.home}/key.pub")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory, account):
    made = Sshd(str(tmp_path_factory.mktemp("sshd")), options=[f"AuthorizedKeysFile {account.keys}", "Subsystem sftp internal-sftp"])
    yield made
    made.stop()


@pytest.fixture
def place(tmp_path, account, server):
    made = Place(tmp_path, account, server)
    made.sudo = lambda lua, ssh, *rules, **more: (account.sudo(*rules), made.run(lua, f'identities: ["file:{account.home}/key"], {ssh}', **more))[1]
    yield made
    assert folders_of(subprocess_uid(account)) == [], "a folder of pipes was left on the host"


def folders_of(uid):
    found = []
    for path in glob.glob("/tmp/tmp.*"):
        try:
            found += [path] if os.stat(path).st_uid == uid else []
        except FileNotFoundError:
            pass  # somebody else's, and gone meanwhile
    return found


def subprocess_uid(account):
    return int(subprocess.run(["id", "-u", account.name], capture_output=True, check=True).stdout)


def good(done):
    assert done.returncode == 0, done.stdout + done.stderr


def refused(done, *words):
    text = done.stdout + done.stderr
    assert done.returncode == 1, text
    for word in words:
        assert word in text, f"{word!r} is missing in: {text}"
    return text


COMMANDS = """
local h, long = ssh("it"), string.rep("x y'", 3000)
local function on(o) o.pty = {pty}; return o end
local function text(s) return (s:gsub("\\r\\n", "\\n")) end
check(text(h:run({{"id", "-u"}}, on{{sudo = true}}).stdout) == "0\\n", "as root")
check(text(h:run({{"id", "-un"}}, on{{sudo = "nobody"}}).stdout) == "nobody\\n", "as somebody else")
check(text(h:run({{"printf", "%s|", "it's", "$A", "", "-n"}}, on{{sudo = true}}).stdout) == "it's|$A||-n|", "argv")
check(text(h:run({{"sh", "-c", 'echo $A; pwd'}}, on{{sudo = true, env = {{A = "b c"}}, cwd = "/usr/lib"}}).stdout) == "b c\\n/usr/lib\\n", "env, cwd")
check(text(h:script("id -u; echo $A", on{{sudo = true, env = {{A = "1"}}}}).stdout) == "0\\n1\\n", "script")
check(h:run({{"sh", "-c", "exit 77"}}, on{{sudo = true, check = false}}).code == 77, "exit code")
local read = h:run({{"sh", "-c", "read -r a; read -r b; echo \\"[$a][$b]\\""}}, on{{sudo = true, stdin = "one\\ntwo\\n"}})
check(text(read.stdout):find("[one][two]\\n", 1, true), "stdin: " .. read.stdout)
if not {pty} then
  check(h:run({{"cat"}}, {{sudo = true, stdin = long .. "\\0\\255"}}).stdout == long .. "\\0\\255", "stdin, every byte")
  check(h:run({{"printf", "%s", long}}, {{sudo = true}}).stdout == long, "a long command")
  local apart = h:script("echo out; echo err >&2", {{sudo = true}})
  check(apart.stdout == "out\\n" and apart.stderr == "err\\n", "streams apart: " .. apart.stderr)
end
"""


@pytest.mark.parametrize("pty", ["false", "true"])
@pytest.mark.parametrize("rules", [(ANY, NO_CACHE), (ANY, PTY_OF_ITS_OWN), (FREE,)], ids=["asks", "use_pty", "NOPASSWD"])
def test_commands(place, rules, pty):
    done = place.sudo(COMMANDS.format(pty=pty), GIVEN, *rules)
    good(done)
    assert place.account.password not in done.stdout + done.stderr


@pytest.mark.parametrize("pty", ["false", "true"])
def test_a_command_that_sudoers_name_is_given_as_it_is(place, pty):
    good(place.sudo(f'check(ssh("it"):run({{"/usr/bin/id", "-u"}}, {{sudo = true, pty = {pty}}}).stdout:match("%d+") == "0")', GIVEN, ONE))


def test_a_host_has_its_own_sudo_password_by_name(place):
    place.inventory(", sudo_password: root")
    good(place.sudo('ssh("it"):run({"true"}, {sudo = true})', 'passwords: {root: "env:IT_PASSWORD"}', ANY))


@pytest.mark.parametrize("pty", ["false", "true"])
def test_a_wrong_password_ends_soon_and_eats_nothing(place, pty):
    """It was tried once, the command did not run, and nothing of the input was taken for another try."""
    lua = f"""
local ok, e = pcall(function() ssh("it"):run({{"cat"}}, {{sudo = true, pty = {pty}, check = false, stdin = "line one\\nline two\\n"}}) end)
check(not ok and e.code == "auth", tostring(e))
log(e.message)
log("[" .. e.result.stdout .. e.result.stderr .. "]")
"""
    before = authentication_failures(place.account)
    done = place.sudo(lua, WRONG, ANY)
    good(done)
    assert "did not take the password of runner.ssh.sudo_password for user" in done.stdout and "the command did not run" in done.stdout, done.stdout
    assert "wr0ng-one" not in done.stdout + done.stderr
    assert "1 incorrect password attempt" in done.stdout and "2 incorrect" not in done.stdout, done.stdout
    assert "line one" not in done.stdout or pty == "true", done.stdout  # a terminal shows what is typed to nobody
    assert before is None or authentication_failures(place.account) >= before


def authentication_failures(account):
    try:
        with open("/var/log/auth.log") as log:
            return log.read().count(f"user={account.name}")
    except FileNotFoundError:
        return None


@pytest.mark.parametrize("pty", ["false", "true"])
def test_where_no_password_is_needed_nobody_gets_it(place, pty):
    """The command reads all that there is to read, and looks at what it inherited."""
    read = "head -n 1" if pty == "true" else "cat"  # a terminal has no end
    lua = f"""
local seen = ssh("it"):run({{"sh", "-c", "{read}; env; cat /proc/$$/cmdline /proc/$PPID/cmdline"}},
  {{sudo = true, pty = {pty}, stdin = "mine\\n"}})
log(seen.stdout .. seen.stderr)
"""
    done = place.sudo(lua, GIVEN, FREE)
    good(done)
    assert "mine" in done.stdout and place.account.password not in done.stdout


SAYS_WHY = [
    ("no password is configured", NONE, (ANY,), "false", "sudo wants a password: set runner.ssh.sudo_password, or let sudoers allow"),
    ("none, on a terminal", NONE, (ANY,), "true", "sudo wants a password: set runner.ssh.sudo_password, or let sudoers allow"),
    ("requiretty without a terminal", GIVEN, (TERMINAL, ANY), "false", "sudo wants a terminal (requiretty in sudoers): use pty = true"),
    ("requiretty without a password", NONE, (TERMINAL, FREE), "false", "sudo wants a terminal (requiretty in sudoers): use pty = true"),
    ("not in sudoers", GIVEN, ("# nothing",), "false", "sudoers must allow this user the command"),
    ("another program", GIVEN, (ONE,), "false", "sudoers must allow the program itself"),
    ("the password cannot be read", 'sudo_password: "env:IT_NONE"', (ANY,), "false",
     "runner.ssh.sudo_password: secret 'env:IT_NONE': the environment variable is not set"),
]


@pytest.mark.parametrize("ssh, rules, pty, says", [row[1:] for row in SAYS_WHY], ids=[row[0] for row in SAYS_WHY])
def test_what_cannot_work_ends_at_once_and_says_why(place, ssh, rules, pty, says):
    """Without a terminal and without a password elsewhere this hangs until somebody looks."""
    refused(place.sudo(f'ssh("it"):run({{"cat"}}, {{sudo = true, pty = {pty}, stdin = "x"}})', ssh, *rules, timeout="20s"), says)


def test_requiretty_is_met_by_a_terminal(place):
    good(place.sudo('check(ssh("it"):run({"id", "-u"}, {sudo = true, pty = true}).stdout:match("%d+") == "0")', GIVEN, TERMINAL, ANY))


def test_time_out_stops_what_runs_as_root(place):
    """It may only be looked for and killed with the same password."""
    tag = f"{os.getpid()}4321"
    done = place.sudo(f'ssh("it"):run({{"sh", "-c", "sleep {tag} & sleep {tag}"}}, {{sudo = true, timeout = "1s"}})', GIVEN, ANY)
    refused(done, "the command timed out; stopped on it")
    assert subprocess.run(["pgrep", "-f", f"^sleep {tag}"]).returncode == 1


FILES = """
local h, path = ssh("it"), "{path}"
h:upload("by root\\n", path, {{sudo = true, mode = "0640"}})
check(h:download(path, {{sudo = true}}) == "by root\\n", "what came back differs")
local ok, e = pcall(function() h:upload("not by root", path) end)
check(not ok and e.code == "file", tostring(e))
"""


@pytest.mark.parametrize("ssh, rules", [(GIVEN, (ANY,)), (GIVEN, (FREE,)), (NONE, (FREE,))], ids=["password", "not needed", "NOPASSWD"])
def test_files_of_root(place, tmp_path_factory, ssh, rules):
    folder = tmp_path_factory.mktemp("files")
    os.chmod(folder, 0o755)
    path = f"{folder}/it"
    good(place.sudo(FILES.format(path=path), ssh, *rules))
    status = os.stat(path)
    assert (status.st_uid, status.st_mode & 0o7777) == (0, 0o640)
    assert os.listdir(folder) == ["it"]


@pytest.mark.parametrize("ssh, rules, says", [
    (NONE, (ANY,), "set runner.ssh.sudo_password"),
    (WRONG, (ANY,), "did not take the password of runner.ssh.sudo_password"),
    (GIVEN, (ONE,), "sudoers must allow the program itself; with env, cwd, a script or an upload, /bin/sh"),
], ids=["none", "wrong", "not allowed"])
def test_files_of_root_that_cannot_be_had_say_why(place, ssh, rules, says):
    refused(place.sudo('ssh("it"):upload("x", "/root/never", {sudo = true})', ssh, *rules), says)
    assert not os.path.exists("/root/never")


def test_from_a_terminal(place):
    """hikeshi hosts exec --sudo reads the same configuration."""
    place.sudo("log(1)", GIVEN, ANY)
    done = subprocess.run([HIKESHI, "hosts", "exec", "it", "--sudo", "--config", f"{place.folder}/hikeshi.yaml",
                           "--inventory", f"{place.folder}/ops/hikeshi/inventory.yaml", "--", "id", "-u"],
                          env=place.env, cwd=place.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "0" in done.stdout.split(), done.stdout + done.stderr
