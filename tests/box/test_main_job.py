"""The main job: an alert arrives, its runbook runs on a host, the result is on the incident and in PagerDuty."""
import re

import pytest

from .conftest import AM_TOKEN, PD_SECRET
from .support.alertmanager import Alertmanager
from .support.process import wait_for

DISK = """---
hikeshi: 1
title: Disk is filling up
owner: storage
severity: SEV2
covers: [alert/NodeDiskFull]
hosts: "role=db"
params:
  host: {type: host, required: true, from: alert.labels.instance}
triggers:
  - kind: incident
    match: {alert: NodeDiskFull}
    for_each: alert
---
# Disk is filling up

## How full is it?
```lua {step=look effect=read}
local df = ssh(params.host):run{"df", "-P", "/"}
data.used = tonumber(df.stdout:match("(%d+)%%"))
report.metric("disk used", data.used, "%")
report.text("for us only", "not in channels", {private = true})
note("disk of {host} is {used} % full", {host = params.host, used = data.used})
```

## Is it better?
```lua {step=verify verify=true attempts=2}
check(data.used <= 100, "over 100 %")
```
"""
DOCUMENT = """---
title: What NodeDiskFull means
covers: [alert/NodeDiskFull]
tags: [hugo, keys, are, left, alone]
---
Read this first.
"""


def incident_with_runs(server, source, count=1):
    def look():
        for row in server.items("/incidents"):
            incident = server.get(f"/incidents/{row['id']}")
            if incident["source"] == source and len(incident["runs"]) >= count:
                return incident
        return None
    return wait_for(look, f"an incident of {source} with {count} runs")


def test_pagerduty(site_with_pagerduty, pagerduty):
    server = site_with_pagerduty.server
    commit = site_with_pagerduty.publish({"runbooks/disk-full.md": DISK, "runbooks/notes/disk.md": DOCUMENT})
    pagerduty.add_incident("PINC001", [{"alertname": "NodeDiskFull", "instance": "db-1:9100", "severity": "critical"}])
    status, _ = server.pagerduty("pd", PD_SECRET, incident="PINC001")
    assert status == 202
    incident = incident_with_runs(server, "pd")
    run = server.wait_run(incident["runs"][0])
    assert (run["state"], run["verified"], run["reason"]) == ("succeeded", True, None), run
    assert run["commit"] == commit and run["params"] == {"host": "db-1"} and run["trigger"]["kind"] == "incident"
    assert [(s["id"], s["state"], s["result"]) for s in run["steps"]] == [("look", "done", "ok"), ("verify", "done", "ok")]
    assert isinstance(run["data"]["used"], int)
    metric = {"step": "look", "kind": "metric", "title": "disk used", "value": run["data"]["used"], "unit": "%", "host": None}
    assert metric.items() <= run["reports"][0].items(), run["reports"]
    (host,) = run["steps"][0]["hosts"]
    assert (host["host"], host["result"], host["code"], host["error"]) == ("db-1", "ok", 0, None), host
    for event in server.items(f"/runs/{run['id']}/log"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["at"]), event
    incident = server.get(f"/incidents/{incident['id']}")
    assert incident["key"] == "PINC001" and incident["status"] == "triggered" and incident["alerts"][0]["name"] == "NodeDiskFull"
    assert {"disk-full.md", "disk.md"} <= {d["path"].rsplit("/", 1)[-1] for d in incident["documents"]}, incident["documents"]
    assert any(f"{run['data']['used']} % full" in entry["text"] for entry in incident["timeline"]), incident["timeline"]
    # the note in PagerDuty: one, edited as the run goes
    note = wait_for(lambda: [n for n in pagerduty.notes("PINC001") if "succeeded" in n], "the note in PagerDuty")
    assert len(pagerduty.notes("PINC001")) == 1 and "Disk is filling up" in note[0]
    assert f"disk used: {run['data']['used']} %\n" in note[0] and "for us only" not in note[0], "private reports stay off channels"


def test_redelivery_and_acknowledgement_start_nothing(site):
    server = site.server
    site.publish({"runbooks/disk-full.md": DISK.replace("alert.labels.instance", "incident.labels.host").replace(
        "match: {alert: NodeDiskFull}", 'match: {source: pd}').replace("for_each: alert", "for_each: incident").replace(
        ", from: incident.labels.host", ", default: db-1").replace("required: true", "required: false")})
    assert server.pagerduty("pd", PD_SECRET, event_id="E1")[0] == 202
    assert server.redeliver()[0] == 202
    assert server.redeliver(**{"X-Webhook-Id": "another"})[0] == 202, "what is not signed makes nothing new"
    assert server.pagerduty("pd", PD_SECRET, event_id="E2", event_type="incident.acknowledged")[0] == 202
    server.wait_runs(1)
    wait_for(lambda: all(d["state"] != "received" for d in server.items("/deliveries")), "all deliveries to be processed")
    assert len(server.items("/deliveries")) == 2
    assert server.pagerduty("pd", PD_SECRET, event_id="E1")[0] == 202, "other bytes, the same event"
    wait_for(lambda: all(d["state"] != "received" for d in server.items("/deliveries")), "all deliveries to be processed")
    assert len(server.items("/runs")) == 1
    assert server.items("/incidents")[0]["status"] == "acknowledged"


def test_alertmanager(site, tmp_path):
    server = site.server
    site.publish({"runbooks/disk-full.md": DISK})
    alertmanager = Alertmanager(str(tmp_path / "am"), server.url + "/hooks/am", AM_TOKEN)
    try:
        labels = {"alertname": "NodeDiskFull", "instance": "https://db-1:9100", "severity": "warning", "service": "db"}
        alertmanager.fire(labels, {"summary": "disk is full"})
        incident = incident_with_runs(server, "am")
        run = server.wait_run(incident["runs"][0])
        assert run["state"] == "succeeded" and run["params"]["host"] == "db-1", run
        assert incident["severity"] == "SEV3" and incident["service"] == "db", incident
        assert incident["alerts"][0]["labels"]["alertname"] == "NodeDiskFull"
        alertmanager.resolve(labels)
        wait_for(lambda: server.get(f"/incidents/{incident['id']}")["status"] == "resolved", "the resolve")
        # it fires again: a new opening, a new run
        alertmanager.fire(labels)
        runs = server.wait_runs(2)
        assert len({r["incident"] for r in runs}) == 2, runs
    finally:
        alertmanager.stop()


@pytest.mark.parametrize("runbook, reason, code, words", [
    ("spin", "timed_out", "timeout", "time"),
    ("bomb", "step_failed", "memory", "memory"),
    ("gone", "step_failed", "dns", "gone"),
    ("changed", "step_failed", "host_key", "changed"),
    ("unknown", "step_failed", "host_key", "unknown"),
    ("stranger", "step_failed", "not_in_inventory", "stranger"),
    ("refused", "step_failed", "not_allowed", "web-1"),
])
def test_errors_are_clear_and_the_next_run_works(site, runbook, reason, code, words):
    def book(text, hosts="role=db"):
        return f'---\nhikeshi: 1\ntitle: T\nhosts: "{hosts}"\ntriggers: [{{kind: manual}}]\n---\n# T\n\n```lua {{step=go timeout=2s}}\n{text}\n```\n'
    site.publish({"runbooks/spin.md": book("while true do end"), "runbooks/bomb.md": book('local s = string.rep("x", 1e10)'),
                  "runbooks/gone.md": book('ssh("gone"):run{"true"}'), "runbooks/changed.md": book('ssh("changed"):run{"true"}'),
                  "runbooks/unknown.md": book('ssh("unknown"):run{"true"}'), "runbooks/stranger.md": book('ssh("stranger"):run{"true"}'),
                  "runbooks/refused.md": book('ssh("web-1"):run{"true"}'), "runbooks/fine.md": book('ssh("db-1"):run{"true"}')})
    run = site.server.wait_run(site.server.start_run(runbook))
    error = run["steps"][0]["error"]
    assert (run["state"], run["reason"], error["code"]) == ("failed", reason, code), run
    assert words in error["message"].lower(), error
    assert error["file"].endswith(f"{runbook}.md") and error["line"] == 10, error
    assert site.server.wait_run(site.server.start_run("fine"))["state"] == "succeeded"
