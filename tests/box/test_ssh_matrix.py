"""Each server × each way to sign in × each form of command: every cell is a test. One run of hikeshi a server and way to sign in
goes through all forms, each a step, so the whole table takes seconds. Needs root: it makes a user with a password and a
sudoers entry. What goes wrong: test_ssh_signin.py, test_ssh_sudo.py.

The rows of the issue's lists, and where each is tested: docs/design/ssh-tests.md."""
import json
import os
import subprocess

import pytest

from .support import account as accounts
from .support import dropbear as dropbears
from .support.place import Place
from .support.process import Process, wait_for
from .support.sshd import Sshd, keygen

pytestmark = pytest.mark.skipif(not accounts.possible(), reason="needs root, to make a user with a password")

SERVERS = ["openssh", "dropbear"]

# name: (keys of runner.ssh, environment); PATH stands for the folder with the keys. Dropbear asks no prompts.
SIGN_IN = {
    "agent": ("agent: true", {"SSH_AUTH_SOCK": "PATH/agent"}),
    "ed25519": ('identities: ["file:PATH/ed25519"]', {}),
    "ecdsa": ('identities: ["file:PATH/ecdsa"]', {}),
    "rsa": ('identities: ["file:PATH/rsa"]', {}),
    "encrypted": ('identities: ["file:PATH/encrypted"], passphrase: "env:KEY_PASSPHRASE"', {}),
    "password": ('password: "env:IT_PASSWORD"', {}),
    "prompts": ('password: "env:IT_PASSWORD"', {}),
}

# name: Lua. h is the host; bytes are all but NUL; hostile are words that some shell would take for something else.
COMMON = r"""
local h, bytes, hostile = ssh("it"), "", {"", "-n", "--", "a b", "it's", '"', "$HOME `id` $(id)", "\\", "\\\\", "\n", "a\nb", "\r\n", "*", "~",
  "!x", "!!", "ü火🔥", "\xff\xfe\xc3", "%s%%", "a=b", "#", ";", "|&<>", "{a,b}", "[a-z]", "^", "$'x'", "\t", "%0101"}
for i = 1, 255 do bytes = bytes .. string.char(i) end
hostile[#hostile + 1] = bytes
local function same(got, wanted, what) check(got == wanted, what .. ": " .. #got .. " bytes, wanted " .. #wanted) end
"""
FORMS = {
    "plain": r"""same(h:run{"echo", "plain"}.stdout, "plain\n", "stdout")""",
    "argv": r"""
local words = {"printf", "%s|"}
for _, word in ipairs(hostile) do words[#words + 1] = word end
same(h:run(words).stdout, table.concat(hostile, "|") .. "|", "words")""",
    "long argv": r"""
local word = string.rep("x y'\n", 7200)
check(#word > 34 * 1024)
same(h:run{"printf", "%s", word, word}.stdout, word .. word, "over 34 KB twice")""",
    "env": r"""
local env = {BYTES = bytes, LONG = string.rep("ab'", 5000)}
for i, word in ipairs(hostile) do env["W" .. i] = word end
same(h:run({"sh", "-c", 'printf %s "$BYTES$LONG$W5"'}, {env = env}).stdout, bytes .. env.LONG .. "it's", "variables")""",
    "cwd": r"""
same(h:run({"pwd"}, {cwd = "/usr/lib"}).stdout, "/usr/lib\n", "cwd")
local r = h:run({"pwd"}, {cwd = "/no such 'folder'", check = false})
check(r.code == 126 and r.stdout == "" and r.stderr:find("/no such 'folder'", 1, true), r.code .. r.stderr)""",
    "stdin": r"""
local input = bytes .. "\0\r\n" .. string.rep("0123456789abcdef", 20000)
same(h:run({"cat"}, {stdin = input}).stdout, input, "stdin")
same(h:run({"cat"}).stdout, "", "no stdin")""",
    "script": r"""
local r = h:script("echo out; echo err >&2; cat\necho \"$A\" # ü\nexit 5", {stdin = "in\n", env = {A = "it's"}, check = false})
check(r.stdout == "out\nin\nit's\n" and r.stderr:find("err", 1, true) and r.code == 5, r.stdout .. r.stderr .. r.code)""",
    "CRLF script": r"""
local r = h:script("printf '%s' 'a\r\nb'\r\nprintf x\r\n", {check = false})
check(r.stdout:sub(1, 4) == "a\r\nb", "its bytes are the script's: " .. r.stdout)""",
    "sudo": r"""
same(h:run({"id", "-u"}, {sudo = true}).stdout, "0\n", "root")
same(h:run({"printf", "%s|%s", bytes, "$A"}, {sudo = "nobody"}).stdout, bytes .. "|$A", "words")
same(h:script("cat; printf %s \"$A\"", {sudo = true, stdin = bytes, env = {A = bytes}}).stdout, bytes .. bytes, "script, stdin, env")""",
    "sudo pty": r"""check(h:run({"sh", "-c", "id -u; test -t 0 && echo tty"}, {sudo = true, pty = true}).stdout:find("^0\r\ntty\r\n"))""",
    "pty": r"""
same(h:script("test -t 0 && test -t 1 && test -t 2 && echo tty; echo err >&2", {pty = true}).stdout, "tty\r\nerr\r\n", "terminal")
same(h:run({"printf", "%s|%s", "it's", "$A"}, {pty = true}).stdout, "it's|$A", "words")""",
    "binary output": r"""
local script = "i=0; while [ $i -lt 256 ]; do printf \"\\\\$(printf %03o $i)\"; i=$((i + 1)); done"
local all, r = bytes, h:script(script .. "; { " .. script .. "; } >&2")
same(r.stdout, "\0" .. all, "stdout")
check(r.stderr:sub(-256) == "\0" .. all, "stderr")""",
    "exit codes": r"""
for _, code in ipairs{0, 1, 77, 99, 126, 127, 128, 255} do
  check(h:run({"sh", "-c", "exit " .. code}, {check = false}).code == code, "exit " .. code)
end
local ok, e = pcall(h.run, h, {"sh", "-c", "exit 99"})
check(not ok and e.code == "exit" and e.result.code == 99, tostring(e))""",
    "signal": r"""
for _, name in ipairs{"TERM", "KILL", "USR1"} do
  local r = h:script("kill -" .. name .. " $$", {check = false})
  check(r.signal == name and r.code == nil, name .. ": " .. tostring(r.signal) .. " " .. tostring(r.code))
end
local ok, e = pcall(h.script, h, "kill -TERM $$")
check(not ok and e.code == "signal", tostring(e))""",
    "truncated": r"""
local r = h:script("yes out | head -c 300000; yes err | head -c 200000 >&2; exit 3", {max_output = 1000, check = false})
check(#r.stdout == 1000 and #r.stderr == 1000 and r.truncated and r.code == 3, #r.stdout .. " " .. #r.stderr .. " " .. tostring(r.truncated))
check(not h:run{"echo", "short"}.truncated, "short")""",
}


@pytest.fixture(scope="module")
def account():
    made = accounts.Account()
    made.sudo("USER ALL=(ALL) ALL")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def keys(tmp_path_factory, account):
    """A folder with one key of each kind, which the account takes, and an agent with one more."""
    folder = tmp_path_factory.mktemp("keys")
    for name, kind, passphrase in (("ed25519", "ed25519", ""), ("ecdsa", "ecdsa", ""), ("rsa", "rsa", ""), ("encrypted", "ed25519", "pass phrase"),
                                   ("held", "ed25519", "")):
        account.authorize(keygen(str(folder / name), kind, passphrase) + ".pub")
    agent = Process(["ssh-agent", "-D", "-a", str(folder / "agent")], str(folder / "agent.log"))
    wait_for(lambda: os.path.exists(folder / "agent"), "the agent's socket")
    subprocess.run(["ssh-add", "-q", str(folder / "held")], check=True, env=dict(os.environ, SSH_AUTH_SOCK=str(folder / "agent")))
    os.unlink(folder / "held")
    yield str(folder)
    agent.stop()


@pytest.fixture(scope="module")
def servers(tmp_path_factory, account):
    made = {}

    def get(name):
        folder = str(tmp_path_factory.mktemp(name))
        if name == "dropbear" and not dropbears.installed():
            pytest.skip("needs dropbear")
        if name not in made:
            made[name] = {"openssh": lambda: Sshd(folder, options=["PasswordAuthentication yes", f"AuthorizedKeysFile {account.keys}"]),
                          "prompts": lambda: Sshd(folder, options=[f"AuthorizedKeysFile {account.keys}"], prompts=True),
                          "dropbear": lambda: dropbears.Dropbear(folder)}[name]()
        return made[name]
    yield get
    for server in made.values():
        server.stop()


@pytest.fixture(scope="module")
def cells(tmp_path_factory, account, keys, servers):
    """cells(server, way) is the run: {form: step}, made once."""
    made = {}

    def get(server, way):
        if (server, way) not in made:
            ssh, env = SIGN_IN[way]
            place = Place(tmp_path_factory.mktemp("place"), account, servers("prompts" if way == "prompts" else server))
            steps = [f"```lua {{step={name.replace(' ', '-').lower()}}}\n--| on_error: continue\n{COMMON}{lua.strip()}\n```\n" for name, lua in FORMS.items()]
            done = place.runbook("\n".join(steps), ssh.replace("PATH", keys) + ', sudo_password: "env:IT_PASSWORD"',
                                 {name: value.replace("PATH", keys) for name, value in env.items()}, options=("--json",))
            assert account.password not in done.stdout + done.stderr
            assert done.stdout.startswith("{"), done.stdout + done.stderr
            made[server, way] = dict(zip(FORMS, json.loads(done.stdout)["steps"]))
        return made[server, way]
    return get


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("way", SIGN_IN)
@pytest.mark.parametrize("server", SERVERS)
def test_cell(cells, server, way, form):
    if server == "dropbear" and way == "prompts":
        pytest.skip("this Dropbear is built without keyboard-interactive")
    step = cells(server, way)[form]
    message = (step["error"] or {}).get("message", "")
    if way == "rsa" and "RSA identity" in message:  # libssh2 before 1.11
        assert step["error"]["code"] == "auth" and "use an ed25519 or ECDSA key" in message, message
        return
    assert step["result"] == "ok", step["error"]


@pytest.mark.parametrize("server", SERVERS)
def test_time_out_stops_it(tmp_path, account, keys, servers, server):
    """On Dropbear a command's process group is the connection's own, unless we make one."""
    done = Place(tmp_path, account, servers(server)).run('ssh("it"):run({"sh", "-c", "sleep 600 & sleep 600"}, {timeout = "300ms"})',
                                                         f'identities: ["file:{keys}/ed25519"]')
    assert done.returncode == 1 and "the command timed out; stopped on it" in done.stdout, done.stdout


def test_a_runbook_with_CRLF_lines_runs_as_one_without(tmp_path, account, keys, servers):
    """A checkout on another system has them; a shell would take them for letters."""
    text = '```sh {step=it hosts="name=it"}\nx=1\nif [ $x = 1 ]; then\n  echo yes\nfi\ncat <<END\ntext\nEND\n```\n```lua {step=look}\n' \
           'check(steps.it.hosts.it.stdout == "yes\\ntext\\n", steps.it.hosts.it.stdout)\n```\n'
    done = Place(tmp_path, account, servers("openssh")).runbook(text, f'identities: ["file:{keys}/ed25519"]', newline="\r\n")
    assert done.returncode == 0, done.stdout + done.stderr
