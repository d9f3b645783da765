"""Who we are to a host: what is said when it does not believe us, on OpenSSH and Dropbear. That each way to sign in works is in
test_ssh_matrix.py. Needs root, to make a user with a password."""
import subprocess

import pytest

from .support import account as accounts
from .support import dropbear as dropbears
from .support.place import Place
from .support.sshd import Sshd, keygen

pytestmark = pytest.mark.skipif(not accounts.possible(), reason="needs root, to make a user with a password")

TRUE = 'ssh("it"):run{"true"}'


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
    server = dropbears.Dropbear(str(tmp_path_factory.mktemp("dropbear")))
    yield server
    server.stop()


@pytest.fixture(params=["openssh", "dropbear"])
def place(request, tmp_path, account):
    return Place(tmp_path, account, request.getfixturevalue(request.param))


@pytest.fixture
def asked(tmp_path, account, prompting):
    return Place(tmp_path, account, prompting)


def refused(done, *words):
    text = done.stdout + done.stderr
    assert done.returncode == 1, text
    for word in words:
        assert word in text, f"{word!r} is missing in: {text}"
    assert "wr0ng-one" not in text
    return text


def test_wrong_password_is_told_with_what_was_tried_and_what_the_host_takes(place):
    key = keygen(str(place.folder / "stranger"))
    print_ = subprocess.run(["ssh-keygen", "-lf", key + ".pub"], capture_output=True, text=True, check=True).stdout.split()[1]
    done = place.run(TRUE, f'identities: ["file:{key}"], password: "env:IT_WRONG"')
    refused(done, f"'it' ({place.server.address}:{place.server.port}) refused user '{place.account.name}'", key, print_, "then the password",
            "It takes publickey,password", "Check the user and the password")


def test_wrong_password_is_tried_once(place):
    """A host that locks people out counts."""
    before = place.server.process.output()
    refused(place.run(TRUE, 'password: "env:IT_WRONG"'), "tried the password")
    log = place.server.process.output()[len(before):]
    assert log.count("Failed password") + log.count("Bad password attempt") == 1, log


def test_without_a_password_the_error_says_that_one_would_do(place):
    refused(place.run(TRUE, f'identities: ["file:{keygen(str(place.folder / "stranger"))}"]'), "It takes publickey,password", "runner.ssh.password")


def test_a_password_that_the_host_does_not_take(tmp_path, account, sshd):
    place = Place(tmp_path, account, sshd)
    refused(place.run(TRUE, 'password: "env:IT_PASSWORD"'), "the password was not tried", "It takes publickey")


@pytest.mark.parametrize("password, words", [
    ("env:IT_NONE", ["no password: runner.ssh.password: secret 'env:IT_NONE'"]),
    ("file:/nowhere/it", ["no password: runner.ssh.password: secret 'file:/nowhere/it'"]),
    ("wr0ng-one", ["no password: runner.ssh.password: a secret must be a reference"]),
])
def test_a_password_that_cannot_be_read_is_told(place, password, words):
    refused(place.run(TRUE, f'password: "{password}"'), *words)


def test_a_host_has_its_own_password_by_name(place):
    place.inventory(', password: switches')
    settings = 'password: "env:IT_WRONG", passwords: {switches: "env:IT_PASSWORD"}'
    done = place.run(TRUE, settings)
    assert done.returncode == 0, done.stdout
    place.inventory(', password: routers')
    refused(place.run(TRUE, settings), "runner.ssh.passwords.routers: the inventory names it for host 'it', this runner has none")


def test_an_inventory_cannot_say_where_a_password_is_read(place):
    place.inventory(', password: "file:/etc/hostname"')
    done = place.run(TRUE)
    assert done.returncode != 0 and "'password' must be a name in runner.ssh.passwords" in done.stdout + done.stderr, done.stderr


def test_wrong_password_by_prompt(asked):
    before = asked.server.process.output()
    refused(asked.run(TRUE, 'password: "env:IT_WRONG"'), "tried the password", "keyboard-interactive")
    log = asked.server.process.output()[len(before):]
    assert log.count("authentication failure") + log.count("Authentication failure") <= 2, log  # PAM's word and sshd's, for one try


def test_a_prompt_that_is_not_for_a_password_is_refused_with_its_text(asked):
    asked.account.expire()  # sshd then asks for the old password once more, and for a new one
    try:
        refused(asked.run(TRUE, 'password: "env:IT_PASSWORD"'), "; it asks 'You are required to change your password", "Current password:', which is not answered")
    finally:
        asked.account.expire(False)
    assert asked.run(TRUE, 'password: "env:IT_PASSWORD"').returncode == 0


def test_key_and_password_together(tmp_path, account, tmp_path_factory):
    server = Sshd(str(tmp_path_factory.mktemp("both")), options=["PasswordAuthentication yes", f"AuthorizedKeysFile {account.keys}",
                                                                  "AuthenticationMethods publickey,password"])
    place = Place(tmp_path, account, server)
    key = keygen(str(tmp_path / "key"))
    account.authorize(key + ".pub")
    identity = f'identities: ["file:{key}"]'
    refused(place.run(TRUE, identity), "It takes password", "runner.ssh.password")
    done = place.run(TRUE, identity + ', password: "env:IT_PASSWORD"')
    assert done.returncode == 0, done.stdout
    server.stop()


def test_the_password_stands_nowhere(place):
    """Not in what is written, whatever the format, and not in any process's arguments while the command runs."""
    done = place.run('log(ssh("it"):script("cat /proc/[0-9]*/cmdline | tr \'\\\\0\' \' \'").stdout)', 'password: "env:IT_PASSWORD"',
                     options=("--json",))
    assert done.returncode == 0, done.stdout
    assert place.account.password not in done.stdout + done.stderr
