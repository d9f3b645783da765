"""OpenSSH and Dropbear × every way to sign in × every form of command. Needs root: it makes a user with a password, and sudo rules."""
import os
import subprocess

import pytest

from .support import account as accounts
from .support import dropbear as dropbears
from .support.dropbear import Dropbear
from .support.place import Place
from .support.process import Process, wait_for
from .support.sshd import Sshd, keygen

pytestmark = pytest.mark.skipif(not accounts.possible(), reason="needs root, to make a user with a password")

HOSTILE = ["", "-n", "a b", "it's", '"', "$HOME `id` $(id)", "\\", "\n", "*", "~", "!x", "ü火", "%s", "a=b", "#", ";", "|&<>"]

FORMS = """
local hostile = json.decode([==[{hostile}]==])
local words = {{"printf", "%s|"}}
for _, word in ipairs(hostile) do words[#words + 1] = word end
local h = ssh("it")
check(h:run{{"echo", "plain"}}.stdout == "plain\\n", "form A: words that mean themselves")
check(h:run(words).stdout == table.concat(hostile, "|") .. "|", "form B: every word arrives exactly")
local long = string.rep("x y'", 3000)
check(h:run{{"printf", "%s", long}}.stdout == long, "form C: a long line")
check(h:run({{"sh", "-c", 'printf %s "$A$PWD"'}}, {{env = {{A = long}}, cwd = "/usr/lib"}}).stdout == long .. "/usr/lib", "variables, directory")
check(h:run({{"cat"}}, {{stdin = long .. "\\0\\255"}}).stdout == long .. "\\0\\255", "standard input")
local r = h:script("echo out; echo err >&2; cat; exit 77", {{stdin = "in", check = false}})
check(r.stdout == "out\\nin" and r.stderr:find("err", 1, true) and r.code == 77, "script, streams apart, exit code")
check(h:script("kill -TERM $$", {{check = false}}).signal == "TERM", "signal")
check(h:script("test -t 0 && echo tty", {{pty = true}}).stdout == "tty\\r\\n", "terminal")
check(h:run({{"sh", "-c", "echo $$ >/dev/null; sleep 600 & sleep 600"}}, {{timeout = "300ms", check = false}}) == nil, "unreachable")
"""
# The last line raises timeout; that it was stopped stands in the error, which the tests look at.


@pytest.fixture(scope="module")
def account():
    made = accounts.Account()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def openssh(tmp_path_factory, account):
    server = Sshd(str(tmp_path_factory.mktemp("openssh")), options=["PasswordAuthentication yes", f"AuthorizedKeysFile {account.keys}"])
    yield server
    server.stop()


@pytest.fixture(scope="module")
def prompting(tmp_path_factory, account):
    server = Sshd(str(tmp_path_factory.mktemp("prompting")), prompts=True, options=[f"AuthorizedKeysFile {account.keys}"])
    yield server
    server.stop()


@pytest.fixture(scope="module")
def dropbear(tmp_path_factory):
    if not dropbears.installed():
        pytest.skip("needs dropbear")
    server = Dropbear(str(tmp_path_factory.mktemp("dropbear")))
    yield server
    server.stop()


@pytest.fixture(params=["openssh", "dropbear"])
def place(request, tmp_path, account):
    return Place(tmp_path, account, request.getfixturevalue(request.param))


def forms():
    import json
    return FORMS.format(hostile=json.dumps(HOSTILE))


def check_forms(done):
    """Everything before the last line passed, and that one was stopped."""
    assert done.returncode == 1 and "the command timed out; stopped on it" in done.stdout, done.stdout + done.stderr


def key(place, kind, passphrase=""):
    path = keygen(str(place.folder / "key"), kind, passphrase)
    place.account.authorize(path + ".pub")
    return path


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_keys(place, kind):
    check_forms(place.run(forms(), f'identities: ["file:{key(place, kind)}"]'))


def test_encrypted_key(place):
    check_forms(place.run(forms(), f'identities: ["file:{key(place, "ed25519", "pass phrase")}"], passphrase: "env:KEY_PASSPHRASE"'))


def test_RSA_key_works_or_says_what_to_do(place):
    done = place.run('log("code " .. ssh("it"):run{"true"}.code)', f'identities: ["file:{key(place, "rsa")}"]')
    told = "RSA identity" in done.stdout and "use an ed25519 or ECDSA key" in done.stdout
    assert done.returncode == 0 and "code 0" in done.stdout or done.returncode == 1 and told, done.stdout


def test_agent(place):
    path, socket = key(place, "ed25519"), str(place.folder / "agent")
    agent = Process(["ssh-agent", "-D", "-a", socket], str(place.folder / "agent.log"))
    wait_for(lambda: os.path.exists(socket), "the agent's socket")
    subprocess.run(["ssh-add", "-q", path], check=True, env=dict(os.environ, SSH_AUTH_SOCK=socket), stderr=subprocess.DEVNULL)
    os.unlink(path)
    check_forms(place.run(forms(), "agent: true", {"SSH_AUTH_SOCK": socket}))
    agent.stop()


def test_password(place):
    check_forms(place.run(forms(), 'password: "env:IT_PASSWORD"'))


def test_keyboard_interactive(tmp_path, account, prompting):
    place = Place(tmp_path, account, prompting)
    check_forms(place.run(forms(), 'password: "env:IT_PASSWORD"'))
