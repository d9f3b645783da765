"""Parts that tests share. Each is real, on loopback, and is stopped by its fixture; a stop that fails fails the test."""
import pytest

from .support.fake_pagerduty import FakePagerDuty
from .support.repository import Repository
from .support.server import Server
from .support.sshd import Sshd

PD_SECRET, PD_OLD_SECRET, AM_TOKEN = "pd-secret-new", "pd-secret-old", "am-token"

TEAMS = """teams: {storage: {members: [aiko@example.com, ben@example.com]}}
policies:
  one: {need: [{count: 1, from: [{role: approver}, {role: admin}]}], expires: 30m}
  two: {need: [{count: 2, from: [{role: approver}, {role: admin}]}], expires: 30m}
  short: {need: [{count: 1, from: [{role: approver}, {role: admin}]}], expires: 1s}
"""


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    server = Sshd(str(tmp_path_factory.mktemp("sshd")))
    yield server
    server.stop()


@pytest.fixture
def pagerduty():
    fake = FakePagerDuty(token="pd-api-token")
    yield fake
    fake.stop()


class Site:
    """A server with a repository, both webhook sources and one reachable host db-1."""

    def __init__(self, folder, sshd, pagerduty_url=None, extra="", env=None):
        self.sshd = sshd
        self.repository = Repository(folder / "ops")
        self.repository.commit({"hikeshi/teams.yaml": TEAMS, "hikeshi/inventory.yaml": self.inventory()}, "start")
        channel = f"""channels: {{pagerduty: {{kind: pagerduty, token: "env:PD_TOKEN", from: ops@example.com, api: "{pagerduty_url}"}}}}
""" if pagerduty_url else ""
        api = f', api_token: "env:PD_TOKEN", api: "{pagerduty_url}"' if pagerduty_url else ""
        self.server = Server(folder / "serve", f"""environment: test
repositories: {{ops: {{url: "{self.repository.path}", branch: main, path: runbooks, poll: 1s}}}}
sources:
  pd: {{kind: pagerduty, secrets: ["env:PD_SECRET", "env:PD_OLD"]{api}}}
  am: {{kind: alertmanager, bearer: "env:AM_TOKEN"}}
{channel}runner:
  ssh: {{user: {sshd.user}, identities: ["file:{sshd.client_key}"], known_hosts: "{folder}/known_hosts"}}
{extra}""", env={"PD_SECRET": PD_SECRET, "PD_OLD": PD_OLD_SECRET, "PD_TOKEN": "pd-api-token", "AM_TOKEN": AM_TOKEN,
                     **(env or {})})

    def inventory(self):
        return f"""defaults: {{user: {self.sshd.user}, port: {self.sshd.port}}}
hosts:
  db-1: {{address: 127.0.0.1, labels: {{role: db}}, host_key: "{self.sshd.fingerprint}"}}
  web-1: {{address: 127.0.0.1, labels: {{role: web}}, host_key: "{self.sshd.fingerprint}"}}
  gone: {{address: gone.invalid, labels: {{role: db}}}}
  changed: {{address: 127.0.0.1, labels: {{role: db}}, host_key: "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}}
  unknown: {{address: 127.0.0.1, labels: {{role: db}}}}
"""

    def publish(self, files):
        """Commits files and waits until that commit is in service."""
        from .support.process import wait_for
        commit = self.repository.commit(files)
        self.server.request("POST", "/api/v1/repositories/fetch")

        def in_service():
            return any(r.get("commit") == commit for r in self.server.items("/repositories"))
        wait_for(in_service, f"commit {commit} in service")
        return commit

    def stop(self):
        self.server.stop()


@pytest.fixture
def site(tmp_path, sshd):
    made = Site(tmp_path, sshd)
    made.server.wait_ready()
    yield made
    made.stop()


@pytest.fixture
def site_with_pagerduty(tmp_path, sshd, pagerduty):
    made = Site(tmp_path, sshd, pagerduty.url)
    made.server.wait_ready()
    yield made
    made.stop()
