"""demo: what scripts/demo does after the build. Everything lives in one temporary folder and on loopback."""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile

from tests.box.support.alertmanager import Alertmanager
from tests.box.support.fake_pagerduty import FakePagerDuty
from tests.box.support.process import wait_for
from tests.box.support.repository import Repository
from tests.box.support.server import HIKESHI, Server
from tests.box.support.sshd import Sshd

PD_SECRET, AM_TOKEN = "demo-signing-secret", "demo-alertmanager-token"
OLD_FILES, KIB = 5, 64


def say(text):
    print(f"\n\033[1m== {text}\033[0m" if sys.stdout.isatty() else f"\n== {text}")


def make_log_folder(folder):
    """A log folder over its limit: some compressed logs are a month old, the current log is small."""
    os.makedirs(folder)
    for n in range(OLD_FILES):
        file = os.path.join(folder, f"app.log.{n}.gz")
        with open(file, "wb") as f:
            f.write(os.urandom(KIB * 1024))
        month_ago = os.stat(file).st_mtime - 30 * 86400
        os.utime(file, (month_ago, month_ago))
    with open(os.path.join(folder, "app.log"), "w") as f:
        f.write("started\n")


def make_repository(folder, sshd):
    repository = Repository(folder)
    shutil.copytree("examples", folder, dirs_exist_ok=True)
    repository.write("hikeshi/inventory.yaml", f"""# written by the demo: both hosts are the throwaway sshd on loopback
defaults: {{user: {sshd.user}, port: {sshd.port}}}
hosts:
  db-1: {{address: 127.0.0.1, labels: {{role: db, env: prod}}, host_key: "{sshd.fingerprint}"}}
  web-1: {{address: 127.0.0.1, labels: {{role: web, env: prod}}, host_key: "{sshd.fingerprint}"}}
""")
    commit = repository.commit(message="runbooks of the demo")
    print(f"{folder} at {commit[:12]}")
    return repository


def config(repository, sshd, pagerduty):
    return f"""environment: demo
repositories: {{ops: {{url: "{repository.path}", branch: main, path: runbooks, poll: 10s}}}}
sources:
  pd: {{kind: pagerduty, secrets: ["env:DEMO_PD_SECRET"], api_token: "env:DEMO_PD_TOKEN", api: "{pagerduty.url}"}}
  am: {{kind: alertmanager, bearer: "env:DEMO_AM_TOKEN"}}
channels:
  pagerduty: {{kind: pagerduty, token: "env:DEMO_PD_TOKEN", from: demo@example.com, api: "{pagerduty.url}"}}
runner:
  ssh: {{user: {sshd.user}, identities: ["file:{sshd.client_key}"], known_hosts: "{sshd.folder}/known_hosts"}}
"""


def follow(server, run):
    """The run live, as `hikeshi runs log --follow` shows it: a process that ends with the run."""
    env = dict(os.environ, HIKESHI_SERVER=server.url, HIKESHI_TOKEN=server.token)
    return subprocess.Popen([HIKESHI, "runs", "log", run, "--follow"], env=env)


def run_of(server, source):
    """The id of the run that an incident of this source started."""
    def look():
        for incident in server.items("/incidents"):
            if incident["source"] == source and server.get(f"/incidents/{incident['id']}")["runs"]:
                return incident["id"], server.get(f"/incidents/{incident['id']}")["runs"][0]
        return None
    return wait_for(look, f"a run for the incident from {source}")


def main_job(server, pagerduty, alertmanager, logs):
    say("PagerDuty sends a signed v3 webhook: LogFolderFull on db-1")
    pagerduty.add_incident("PDEMO01", [{"alertname": "LogFolderFull", "instance": "db-1:9100", "severity": "error", "folder": logs,
                                        "limit_kib": str(KIB)}])
    status, _ = server.pagerduty("pd", PD_SECRET, incident="PDEMO01", title="LogFolderFull on db-1")
    assert status == 202, status
    incident, run = run_of(server, "pd")
    print(f"202 accepted; incident {incident}, run {run}")
    live = follow(server, run)
    waiting = wait_for(lambda: [a for a in server.items("/approvals?state=waiting") if a["run"] == run], "the approval request")[0]
    say("The delete step waits for a person; this is what would run")
    print(server.cli("approvals", "show", waiting["id"]).stdout)
    print(server.cli("approvals", "approve", waiting["id"], "--digest", waiting["digest"], "--reason", "demo").stdout)
    live.wait(timeout=60)

    say("Alertmanager (the real one) sends NodeSystemSaturation for web-1")
    alertmanager.fire({"alertname": "NodeSystemSaturation", "instance": "web-1:9100", "severity": "warning", "env": "prod"})
    am_incident, am_run = run_of(server, "am")
    print(f"incident {am_incident}, run {am_run}")
    follow(server, am_run).wait(timeout=60)
    return (incident, run), (am_incident, am_run)


def show(server, pagerduty, logs, done):
    """Prints both incidents; returns the list of what is not as it should be."""
    wrong = []
    for incident, run in done:
        say(f"Incident {incident}")
        print(server.cli("incidents", "show", incident).stdout)
        end = server.wait_run(run)
        if end["state"] != "succeeded":
            wrong.append(f"run {run} of {end['runbook']} is {end['state']} ({end['reason']}), not succeeded")
    if server.run(done[0][1])["verified"] is not True:
        wrong.append("the log folder run is not verified")
    if left := [f for f in os.listdir(logs) if f.endswith(".gz")]:
        wrong.append(f"old logs are still there: {left}")
    say("The note on the PagerDuty incident")
    try:
        print(wait_for(lambda: [n for n in pagerduty.notes("PDEMO01") if "succeeded" in n], "the note in PagerDuty")[0])
    except TimeoutError as error:
        wrong.append(f"{error}; it has {pagerduty.notes('PDEMO01')}")
    return wrong


def main():
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="stop everything at the end; exit 0 only when the results are as expected")
    once = parser.parse_args().once
    folder = tempfile.mkdtemp(prefix="hikeshi-demo-")
    started = []
    try:
        say("A throwaway sshd on loopback is the host; a stand-in answers for PagerDuty's REST API")
        sshd = Sshd(os.path.join(folder, "sshd"))
        started.append(sshd)
        pagerduty = FakePagerDuty(token="demo-api-token")
        started.append(pagerduty)
        print(f"sshd on 127.0.0.1:{sshd.port}, host key {sshd.fingerprint}")
        logs = os.path.join(folder, "var-log-app")
        make_log_folder(logs)
        say("The runbook repository, from examples/")
        repository = make_repository(os.path.join(folder, "ops"), sshd)
        say("hikeshi serve")
        env = {"DEMO_PD_SECRET": PD_SECRET, "DEMO_PD_TOKEN": "demo-api-token", "DEMO_AM_TOKEN": AM_TOKEN}
        server = Server(folder, config(repository, sshd, pagerduty), env=env)
        started.append(server)
        server.wait_ready()
        print(f"ready on {server.url}")
        alertmanager = Alertmanager(os.path.join(folder, "alertmanager"), server.url + "/hooks/am", AM_TOKEN)
        started.append(alertmanager)
        wrong = show(server, pagerduty, logs, main_job(server, pagerduty, alertmanager, logs))
        for line in wrong:
            print("demo: " + line, file=sys.stderr)
        if not once:
            say("The server keeps running")
            print(f"address   {server.url}\ntoken     {server.data}/admin-token\nfolder    {folder}\n"
                  f"try       export HIKESHI_SERVER={server.url} HIKESHI_TOKEN=$(cat {server.data}/admin-token)\n"
                  f"          build/hikeshi incidents list\n"
                  f"stop      kill {' '.join(str(p.process.pid) for p in (server, alertmanager, sshd))}")
            started.clear()
            # the stand-in for PagerDuty lives in this process and ends with it; the outbox retries and then gives up
        return 1 if wrong else 0
    finally:
        for thing in reversed(started):
            thing.stop()
        if once:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
