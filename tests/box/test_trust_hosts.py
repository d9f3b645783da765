"""trust.hosts of the server's configuration: a team's runbook reaches no other team's host, whichever way it tries. The server leaves
such hosts out of the job; the runner asks again for each command, so that a step that knows a name or an address gets nowhere."""
import pytest

from .conftest import Site
from .support.sshd import Sshd
from .test_run import HEAD, lua
from .test_secrets import leased_job

TRUST = 'trust: {hosts: {storage: "role=db", web: "role=web"}}\n'

# step: what runbook of team web tries to do on db-1, or through the bastion that only carries its connections
TRIES = {
    "by_name": 'ssh("db-1"):run{"touch", "MARK"}',
    "by_alias": 'ssh("db-1.example.com"):run{"touch", "MARK"}',
    "by_address": 'ssh("127.0.0.2"):run{"touch", "MARK"}',
    "script": 'ssh("db-1"):script("touch MARK")',
    "sudo": 'ssh("db-1"):run({"touch", "MARK"}, {sudo = true})',
    "upload": 'ssh("db-1"):upload("x", "MARK")',
    "download": 'ssh("db-1"):download("/etc/hostname")',
    "reachable": 'local yes, why = ssh("db-1"):reachable() check(yes, why)',
    "host": 'ssh(host("db-1")):run{"touch", "MARK"}',
    "fake_object": 'ssh({name = "db-1", address = "127.0.0.2"}):run{"touch", "MARK"}',
    "each": 'each({"db-1"}, function(name) return ssh(name):run{"touch", "MARK"} end)',
    "jump_host": 'ssh("bastion"):run{"touch", "MARK"}',
    "jump_upload": 'ssh("bastion"):upload("x", "MARK")',
}

SHELL = {"named": 'hosts="name=db-1"', "param": 'hosts="$params.on"', "bastion": 'hosts="name=bastion"'}


@pytest.fixture(scope="module")
def other_sshd(tmp_path_factory):
    server = Sshd(str(tmp_path_factory.mktemp("other")), address="127.0.0.2")
    yield server
    server.stop()


def inventory(sshd, other):
    return f"""defaults: {{user: {sshd.user}}}
hosts:
  web-1: {{address: 127.0.0.1, port: {sshd.port}, labels: {{role: web}}, host_key: "{sshd.fingerprint}", jump: bastion}}
  bastion: {{address: 127.0.0.1, port: {sshd.port}, labels: {{role: bastion}}, host_key: "{sshd.fingerprint}"}}
  db-1: {{address: 127.0.0.2, port: {other.port}, labels: {{role: db}}, aliases: [db-1.example.com], host_key: "{other.fingerprint}"}}
"""


@pytest.fixture
def site(tmp_path, sshd, other_sshd, request):
    made = Site(tmp_path, sshd, extra=TRUST + getattr(request, "param", ""))
    made.publish({"hikeshi/inventory.yaml": inventory(sshd, other_sshd)})
    yield made
    made.stop()


def test_another_teams_host_is_reached_in_no_way(site, tmp_path, other_sshd):
    mark = tmp_path / "touched"
    steps = "".join(lua(name, text.replace("MARK", str(mark)), on_error="continue") for name, text in TRIES.items())
    steps += "".join(f"```sh {{step=sh_{name} {hosts} on_error=continue}}\ntouch {mark}\n```\n" for name, hosts in SHELL.items())
    steps += lua("mine", 'local names = {} for _, h in ipairs(hosts{}) do names[#names + 1] = h.name end\n'
                         'data.seen = table.concat(names, " ")\ndata.mine = ssh("web-1"):run{"echo", "mine"}.stdout')
    front = "owner: web\nparams: {on: {type: string, default: db-1}}"
    site.publish({"runbooks/theirs.md": HEAD.format(front=front) + steps})
    before = other_sshd.process.output()
    run = site.server.wait_run(site.server.start_run("theirs"))
    results = {step["id"]: step for step in run["steps"]}
    assert results["mine"]["result"] == "ok" and run["data"] == {"seen": "web-1", "mine": "mine\n"}, results["mine"]
    assert not mark.exists()
    for name in TRIES:
        error = results[name]["error"]
        assert error and error["code"] in ("not_allowed", "not_in_inventory"), (name, results[name])
    for name in SHELL:
        step = results["sh_" + name]
        assert not step["hosts"] and step["result"] != "ok" or step["error"]["code"] in ("not_allowed", "not_in_inventory"), step
    assert other_sshd.process.output() == before, "somebody connected"


@pytest.mark.parametrize("site", ["no_runner: true\n"], indirect=True)
def test_a_runner_is_not_told_of_hosts_that_the_team_may_not_reach(site):
    site.publish({"runbooks/theirs.md": HEAD.format(front="owner: web") + lua("go", "log(1)"),
                  "runbooks/nobodys.md": HEAD.format(front="owner: unnamed") + lua("go", "log(1)")})
    site.server.start_run("theirs")
    job = leased_job(site.server)
    assert [(host["name"], host["jump_only"]) for host in job["inventory"]] == [("bastion", True), ("web-1", False)]
    site.server.start_run("nobodys")
    assert leased_job(site.server)["inventory"] == []
