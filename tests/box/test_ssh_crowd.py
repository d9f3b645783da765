"""Crowds: many commands on one session, many hosts behind one bastion, servers that take few. Nothing is mixed up, nobody fails for our own
crowding.

HIKESHI_CROWD_ROUNDS=20 scripts/test box tests/box/test_ssh_crowd.py   is the long form."""
import os
import resource

import pytest

from .support.sshd import Sshd
from .test_run import Folder, lua

ROUNDS = int(os.environ.get("HIKESHI_CROWD_ROUNDS", "1"))
HOSTS = 200

# Each command tells its number in all ways that it has; libssh2 by itself would hand the answers of some to others.
COMMANDS = """
local items = {{}}
for i = 1, {commands} do items[i] = tostring(i) end
local r = each(items, function(i)
  local n = tonumber(i)
  local back = ssh("db-1"):run({{"sh", "-c", "read x; echo $x; echo " .. i .. " >&2; exit " .. n % 200}}, {{stdin = i .. "\\n", check = false}})
  check(back.stdout == i .. "\\n" and back.stderr == i .. "\\n" and back.code == n % 200, "command " .. i .. " got another's answer")
end, {{at_once = {at_once}, keep_going = true}})
local wrong = {{}}
for _, item in ipairs(r.failed) do wrong[#wrong + 1] = item.name .. ": " .. tostring(item.error and item.error.message) end
check(#r.ok == {commands}, #r.ok .. " of {commands}; " .. table.concat(wrong, "; "):sub(1, 2000))
"""

# A host's own name is the address that it was reached at.
NAMES = """
local names = {{}}
for _, h in ipairs(hosts("role=target")) do names[#names + 1] = h.name end
check(#names == {hosts}, "hosts: " .. #names)
local r = each(names, function(name)
  local said = ssh(name):run{{"sh", "-c", "set -- $SSH_CONNECTION; echo $3"}}.stdout
  check(said == host(name).address .. "\\n", name .. " is not " .. said)
end, {{at_once = {at_once}, keep_going = true}})
local wrong = {{}}
for _, item in ipairs(r.failed) do wrong[#wrong + 1] = item.name .. ": " .. tostring(item.error and item.error.message) end
for _, item in ipairs(r.not_reached) do wrong[#wrong + 1] = item.name .. " not reached: " .. tostring(item.error and item.error.message) end
check(#r.ok == {hosts}, #r.ok .. " of {hosts}; " .. table.concat(wrong, "; "):sub(1, 2000))
"""


def run_rounds(folder, text, front, rounds=ROUNDS, descriptors=None):
    file = folder.runbook(lua("crowd", text, timeout="5m"), front=front)
    few = (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))) if descriptors else None
    for number in range(rounds):
        done = folder.run(file, preexec_fn=few)
        assert done.returncode == 0, f"round {number}: {done.stdout[-4000:]}{done.stderr[-2000:]}"


@pytest.fixture
def crowd(tmp_path, request):
    """A folder, and an sshd with the options of the test."""
    server = Sshd(str(tmp_path / "sshd"), address="0.0.0.0", options=getattr(request, "param", []))
    made = Folder(tmp_path, server)
    made.server = server
    yield made
    server.stop()


def many(folder, count, jump):
    lines = [f'  t-{n}: {{address: 127.{20 + n // 250}.7.{1 + n % 250}, labels: {{role: target}}, {"jump: bastion, " if jump else ""}'
             f'host_key: "{folder.server.fingerprint}"}}\n' for n in range(count)]
    folder.write("hikeshi/inventory.yaml", f"""defaults: {{user: {folder.server.user}, port: {folder.server.port}}}
hosts:
  bastion: {{address: 127.0.0.1, labels: {{role: bastion}}, host_key: "{folder.server.fingerprint}"}}
{"".join(lines)}""")


def test_500_commands_ten_at_once_on_one_session(crowd):
    run_rounds(crowd, COMMANDS.format(commands=500, at_once=10), 'hosts: "role=db"')


def test_200_hosts_behind_one_bastion_each_answers_with_its_own_name(crowd):
    many(crowd, HOSTS, jump=True)
    run_rounds(crowd, NAMES.format(hosts=HOSTS, at_once=HOSTS), f'hosts: "role=target"\nlimits: {{max_hosts: {HOSTS}}}')


@pytest.mark.parametrize("crowd", [["MaxSessions 2"], ["MaxSessions 10"], ["MaxSessions 1"]], indirect=True, ids=lambda p: p[0])
def test_commands_wait_for_a_place(crowd):
    run_rounds(crowd, COMMANDS.format(commands=100, at_once=20), 'hosts: "role=db"')


@pytest.mark.parametrize("jump", [True, False], ids=["behind a bastion", "direct"])
@pytest.mark.parametrize("crowd", [["MaxStartups 3:30:10"]], indirect=True, ids=lambda p: p[0])
def test_a_server_that_hangs_up_on_newcomers_fails_nobody(crowd, jump):
    many(crowd, 60, jump)
    run_rounds(crowd, NAMES.format(hosts=60, at_once=60), 'hosts: "role=target"\nlimits: {max_hosts: 60}')


@pytest.mark.parametrize("jump", [True, False], ids=["behind a bastion", "direct"])
def test_more_hosts_than_sessions(crowd, jump):
    hosts, sessions = (1100, 200) if ROUNDS > 1 else (60, 5)
    many(crowd, hosts, jump)
    crowd.env["HIKESHI_RUNNER_SSH_MAX_SESSIONS"] = str(sessions)
    run_rounds(crowd, NAMES.format(hosts=hosts, at_once=min(hosts, 1000)), f'hosts: "role=target"\nlimits: {{max_hosts: {hosts}}}', rounds=1)


def test_more_hosts_than_descriptors(crowd):
    """Each with a connection of its own."""
    many(crowd, 100, jump=False)
    run_rounds(crowd, NAMES.format(hosts=100, at_once=100), 'hosts: "role=target"\nlimits: {max_hosts: 100}', rounds=1, descriptors=100)
