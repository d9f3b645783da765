"""Incidents that runbooks open and messages that they send: with a server they happen once, without one they are shown."""
import json
import subprocess

import pytest

from .support.process import wait_for
from .support.repository import Repository
from .support.server import HIKESHI, Server
from .test_channels import receiver  # noqa: F401 (a fixture)

FRONT = "---\nhikeshi: 1\ntitle: {title}\nowner: storage\n{more}---\n```lua {{step=tell effect=read}}\n{lua}\n```\n"
# Matches what it opens itself, which must not start it again.
WATCH = FRONT.format(title="Watch", more="triggers: [{kind: incident, match: {source: runbook}}, {kind: manual}]\n", lua="""
incidents.open{key = "backup db-1", title = "no backup", severity = "SEV3", labels = {env = "prod"}}
incidents.open{key = "backup db-1", title = "no backup for two days", severity = "SEV2", labels = {env = "prod"}}
notify("tickets", "{what} on {host}", {what = "<b>{x}", host = "db-1"})""")
# Is started by it; what it opens must start nothing.
ANSWER = FRONT.format(title="Answer", more="triggers: [{kind: incident, match: {source: runbook, labels.env: prod}}]\n", lua="""
incidents.open{key = "second", title = "and another", labels = {env = "prod", team = "web"}}""")
MEND = FRONT.format(title="Mend", more="", lua='incidents.resolve("backup db-1")\nincidents.resolve("never opened")')
TYPO = FRONT.format(title="Typo", more="", lua='notify("tikets", "x")')
PAGER = FRONT.format(title="Pager", more="", lua='notify("pager", "x")')
RUNBOOKS = {"watch": WATCH, "answer": ANSWER, "mend": MEND, "typo": TYPO, "pager": PAGER}


@pytest.fixture
def server(tmp_path, receiver):
    repository = Repository(tmp_path / "ops")
    repository.commit({f"runbooks/{name}.md": text for name, text in RUNBOOKS.items()})
    made = Server(tmp_path / "serve", f"""repositories: {{ops: {{url: "{repository.path}"}}}}
sources: {{pd: {{kind: pagerduty, secrets: ["env:SECRET"]}}}}
channels:
  tickets: {{kind: webhook, url: "http://127.0.0.1:{receiver.server.server_port}/x", secret: ["env:SECRET"]}}
  pager: {{kind: pagerduty, token: "env:SECRET", from: a@example.com, api: "http://127.0.0.1:9"}}
""", env={"SECRET": "a-secret"})
    made.wait_ready()
    yield made
    made.stop()


def settled(server, count):
    """All deliveries of the source once there are so many and all were worked on."""
    def look():
        items = server.items("/deliveries?source=runbook")
        return items if len(items) == count and all(item["state"] == "processed" for item in items) else None
    return wait_for(look, f"{count} deliveries to be worked on")


def messages(receiver):
    bodies = [json.loads(body) for _, body in receiver.messages]
    return {body["id"]: body for body in bodies if body["event"] == "message"}


def test_an_incident_starts_others_once_and_is_resolved(server, receiver):
    first = server.wait_run(server.start_run("watch"))
    assert (first["state"], first["incident"]) == ("succeeded", None)
    settled(server, 3)  # two of watch, one of answer
    runs = server.wait_runs(2)
    assert sorted(run["runbook"] for run in runs) == ["answer", "watch"]
    incidents = {incident["key"]: incident for incident in map(lambda one: server.get(f"/incidents/{one['id']}"), server.items("/incidents"))}
    assert sorted(incidents) == ["ops:backup db-1", "ops:second"]
    backup, second = incidents["ops:backup db-1"], incidents["ops:second"]
    assert (backup["source"], backup["title"], backup["severity"], backup["team"]) == ("runbook", "no backup for two days", "SEV2", "storage")
    assert backup["labels"] == {"env": "prod", "runbook": "watch", "repository": "ops", "team": "storage"}
    assert backup["runs"] == [run["id"] for run in runs if run["runbook"] == "answer"]
    assert (second["team"], second["runs"]) == ("web", [])
    outcomes = {rule["runbook"]: rule["outcome"] for item in server.items("/deliveries?source=runbook")
                for rule in server.get(f"/deliveries/{item['id']}/explain")["rules"] if rule["matched"]}
    assert outcomes["watch"] == "opened_it"
    (message,) = wait_for(lambda: messages(receiver), "the message").values()
    assert message["detail"] == {"step": "tell", "channel": "tickets", "text": "<b>{x} on db-1", "template": "{what} on {host}",
                                 "values": {"what": "<b>{x}", "host": "db-1"}}
    assert [one["text"] for one in first["messages"]] == ["<b>{x} on db-1"]
    assert [one["key"] for one in first["incidents"]] == ["backup db-1"] * 2

    assert server.wait_run(server.start_run("mend"))["state"] == "succeeded"
    settled(server, 5)
    assert server.get(f"/incidents/{backup['id']}")["status"] == "resolved"
    assert server.get(f"/incidents/{second['id']}")["status"] == "triggered"
    assert len(server.items("/incidents")) == 2  # none for the key that was never opened
    server.restart(kill=True)
    server.wait_ready()
    settled(server, 5)
    assert (len(server.items("/runs")), len(messages(receiver))) == (3, 1)


def test_what_cannot_be_told_fails_the_step(server):
    for runbook, code, words in (("typo", "not_found", "there is no channel 'tikets'; there are: pager, tickets"),
                                 ("pager", "unsupported", "the channel 'pager' writes on incidents of pagerduty, and this run is for none")):
        run = server.wait_run(server.start_run(runbook))
        error = run["steps"][0]["error"]
        assert (run["state"], error["code"]) == ("failed", code)
        assert words in error["message"]
    assert server.request("POST", "/hooks/runbook", {"action": "open", "key": "x", "title": "y"}, token=None)[0] == 404


def hikeshi(folder, *args):
    return subprocess.run([HIKESHI, *args], cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "watch.md").write_text(WATCH)
    return tmp_path


def test_without_a_server_nobody_is_told(folder):
    shown = hikeshi(folder, "run", "watch.md")
    assert shown.returncode == 0, shown.stderr
    assert "opens the incident 'backup db-1', SEV2: no backup for two days (not done: there is no server)" in shown.stdout
    assert "message to tickets: <b>{x} on db-1 (not sent: there is no server)" in shown.stdout
    run = json.loads(hikeshi(folder, "run", "watch.md", "--json").stdout)
    assert [one["channel"] for one in run["messages"]] == ["tickets"]
    dry = hikeshi(folder, "run", "watch.md", "--dry-run")
    assert 'notify("tickets"' in dry.stdout and "message to" not in dry.stdout


@pytest.mark.parametrize("expect, problem", [
    ('{messages: [{channel: tickets, text: "<b>{x} on db-1"}], incidents: [{action: open, key: backup db-1, severity: SEV2}]}', None),
    ("{messages: [{channel: tickets, text: hello}]}", "there should be a message with"),
    ("{incidents: [{action: resolve}]}", "there should be an incident with"),
])
def test_cases_expect_what_is_told(folder, expect, problem):
    (folder / "watch.test.yaml").write_text(f"cases:\n  - {{name: tells, expect: {expect}}}\n")
    result = hikeshi(folder, "test", ".")
    assert result.returncode == (1 if problem else 0), result.stdout
    if problem:
        assert problem in result.stdout


def test_a_recorded_case_expects_what_was_told(folder):
    assert hikeshi(folder, "run", "watch.md", "--record", "watch.test.yaml").returncode == 0
    text = (folder / "watch.test.yaml").read_text()
    assert "messages:" in text and "key: backup db-1" in text
    assert hikeshi(folder, "test", ".").returncode == 0
    (folder / "watch.md").write_text(WATCH.replace("SEV2", "SEV1"))
    assert "there should be an incident with" in hikeshi(folder, "test", ".").stdout


def test_a_run_tells_others_so_often_and_no_more(folder):
    (folder / "flood.md").write_text(FRONT.format(title="Flood", more="", lua='for i = 1, 1000 do incidents.open{key = "k" .. i, title = "t"} end'))
    run = json.loads(hikeshi(folder, "run", "flood.md", "--json").stdout)
    assert (run["state"], run["steps"][0]["error"]["code"], len(run["incidents"])) == ("failed", "too_large", 200)
