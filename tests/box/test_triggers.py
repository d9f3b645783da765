"""Triggers beyond the match: hours of the owner's team, who may start by hand, a verified run that resolves, blackouts of schedules."""
import json
import subprocess
from datetime import datetime, timedelta, timezone

import pytest

from .conftest import PD_SECRET, TEAMS
from .support.process import wait_for
from .support.server import HIKESHI

RUNBOOK = """---
hikeshi: 1
title: Try
owner: storage
triggers: {triggers}
---
# Try
```lua {{step=look {attributes}}}
{lua}
```
"""


def runbook(triggers, lua="note('looked')", attributes="effect=read"):
    return RUNBOOK.format(triggers=json.dumps(triggers), lua=lua, attributes=attributes)


def token(site, name, role):
    return site.server.cli("token", "create", "--data", site.server.data, "--name", name, "--role", role).stdout.split()[-1]


def processed(server):
    def look():
        rows = server.items("/deliveries")
        return rows if rows and all(d["state"] == "processed" for d in rows) else None
    return wait_for(look, "the deliveries to be processed")


def outcome(server, delivery, runbook_id):
    rules = server.get(f"/deliveries/{delivery['id']}/explain")["rules"]
    return next((r["outcome"], {x["rule"]: x["got"] for x in r["rules"]}.get("hours")) for r in rules if r["runbook"] == runbook_id)


def test_hours_are_those_of_the_owners_team(site):
    far = (datetime.now(timezone.utc) + timedelta(days=3)).strftime("%a").upper()
    teams = TEAMS.replace("teams: {storage: {", 'teams: {away: {hours: {timezone: UTC, days: %s}}, storage: {hours: {timezone: Asia/Tokyo, from: "00:00", to: "24:00"}, ' % far)
    match = {"kind": "incident", "match": {"source": "pd"}}
    site.publish({"hikeshi/teams.yaml": teams, **{
        f"runbooks/{name}.md": runbook([{**match, "hours": hours}]).replace("owner: storage", f"owner: {owner}")
        for name, hours, owner in (("in", "in", "storage"), ("out", "out", "storage"), ("away-in", "in", "away"), ("away-out", "out", "away"))}})
    assert site.server.pagerduty("pd", PD_SECRET)[0] == 202
    delivery = processed(site.server)[0]
    assert [outcome(site.server, delivery, name) for name in ("in", "out", "away-in", "away-out")] == [
        ("started", "in"), ("not_matched", "in"), ("not_matched", "out"), ("started", "out")]
    assert {r["runbook"] for r in site.server.wait_runs(2)} == {"in", "away-out"}


def test_who_may_start(site):
    site.publish({"runbooks/ours.md": runbook([{"kind": "manual"}]),
                  "runbooks/bens.md": runbook([{"kind": "manual", "allow": [{"user": "ben@example.com"}]}])})
    aiko, carl, ben = (token(site, name, "operator") for name in ("aiko@example.com", "carl@example.com", "ben@example.com"))

    def start(name, who):
        return site.server.request("POST", "/api/v1/runs", {"runbook": name}, token=who)[0]
    assert (start("ours", aiko), start("ours", carl), start("ours", "")) == (201, 403, 201), "the owner's team, and admins"
    assert (start("bens", aiko), start("bens", ben), start("bens", "")) == (403, 201, 403), "those whom allow names, nobody else"
    status, problem = site.server.request("POST", "/api/v1/runs", {"runbook": "bens"}, token=aiko)
    assert "'aiko@example.com' may not start 'bens'" in json.dumps(problem)
    run = site.server.wait_runs(3)[0]
    assert site.server.request("POST", f"/api/v1/runs/{run['id']}/rerun", {}, token=carl)[0] == 403, "nor start it again"


RESOLVE = [{"kind": "incident", "match": {"source": "pd"}, "resolve": "verified"}]


@pytest.mark.parametrize("lua,resolved", [("check(true)", True), ("check(false, 'no')", False), ("skip('nothing to look at')", False)])
def test_only_a_verified_run_resolves(site_with_pagerduty, pagerduty, lua, resolved):
    site, server = site_with_pagerduty, site_with_pagerduty.server
    site.publish({"runbooks/try.md": runbook(RESOLVE, lua, "verify=true")})
    pagerduty.add_incident("PINC001", [{"alertname": "X"}])
    server.pagerduty("pd", PD_SECRET)
    run = server.wait_runs(1)[0]
    wait_for(lambda: any("(" in n or "succeeded" in n or "failed" in n for n in pagerduty.notes("PINC001")), "the note about the end")
    if resolved:
        wait_for(lambda: pagerduty.incidents["PINC001"]["status"] == "resolved", "the resolve")
    timeline = [e["text"] for e in server.get(f"/incidents/{run['incident']}")["timeline"]]
    assert any("its sender is asked to resolve the incident" in text for text in timeline) == resolved, timeline
    assert [r["path"] for r in pagerduty.requests if r["method"] == "PUT" and r["path"] == "/incidents/PINC001"] == ["/incidents/PINC001"] * resolved
    assert server.get(f"/incidents/{run['incident']}")["status"] == "triggered", "until PagerDuty says so"


def test_an_incident_is_not_resolved_under_another_run(site_with_pagerduty, pagerduty):
    site, server = site_with_pagerduty, site_with_pagerduty.server
    slow = runbook([{"kind": "incident", "match": {"source": "pd"}}]).replace("effect=read}", "effect=read approve=one}")
    site.publish({"runbooks/try.md": runbook(RESOLVE, "check(true)", "verify=true"), "runbooks/waits.md": slow})
    pagerduty.add_incident("PINC001", [{"alertname": "X"}])
    server.pagerduty("pd", PD_SECRET)
    incident = wait_for(lambda: server.items("/incidents"), "the incident")[0]["id"]

    def told():
        return [e["text"] for e in server.get(f"/incidents/{incident}")["timeline"] if "stays open" in e["text"]]
    assert "1 other run of it is under way" in wait_for(told, "the reason")[0]
    assert pagerduty.incidents["PINC001"]["status"] == "triggered"


def test_a_source_that_cannot_be_asked(site):
    site.publish({"runbooks/try.md": runbook(RESOLVE, "check(true)", "verify=true")})
    site.server.pagerduty("pd", PD_SECRET)
    run = site.server.wait_runs(1)[0]

    def told():
        return [e["text"] for e in site.server.get(f"/incidents/{run['incident']}")["timeline"] if "no channel can resolve incidents of 'pd'" in e["text"]]
    wait_for(told, "the reason")


def test_blackouts_are_left_out_of_what_comes(site):
    site.publish({"runbooks/try.md": runbook([{"kind": "schedule", "cron": "* * * * *", "timezone": "Asia/Tokyo",
                                               "blackout": [{"from": "2020-01-01", "to": "2099-12-31"}]},
                                              {"kind": "schedule", "cron": "0 12 * * *", "blackout": [{"days": "MON-SAT"}]}])})
    never, sundays = site.server.items("/schedules")
    assert never["next"] == [] and len(sundays["next"]) == 5
    assert {datetime.fromisoformat(t.replace("Z", "+00:00")).weekday() for t in sundays["next"]} == {6}


@pytest.mark.parametrize("front,problem", [
    ("owner: web\ntriggers: [{kind: incident, match: {alert: x}, hours: in}]", "the team 'web' has no 'hours'"),
    ("triggers: [{kind: incident, match: {alert: x}, hours: in}]", "'hours' are those of the owner's team: whose?"),
    ("triggers: [{kind: incident, match: {alert: x}, resolve: verified}]", "no step verifies"),
    ("triggers: [{kind: manual, allow: [{team: nobody}]}]", "there is no team 'nobody'"),
    ("triggers: [{kind: manual, allow: [{role: viewer}]}]", "viewers may start nothing"),
    ("triggers: [{kind: manual, allow: [{group: x}]}]", "unknown key 'group'"),
    ("triggers: [{kind: manual, allow: carl}]", "'allow' must be a list of people"),
    ("triggers: [{kind: schedule, cron: '@daily', allow: [{user: x}]}]", "a schedule starts by itself"),
    ("triggers: [{kind: schedule, cron: '@daily', blackout: [{days: FOO}]}]", "'days' must be days"),
    ("triggers: [{kind: schedule, cron: '@daily', blackout: [{from: 2026-12-24}]}]", "dates stand in both"),
    ("triggers: [{kind: schedule, cron: '@daily', blackout: {days: MON}}]", "'blackout' must be a list"),
])
def test_lint(tmp_path, front, problem):
    (tmp_path / "hikeshi").mkdir()
    (tmp_path / "hikeshi/teams.yaml").write_text("teams: {web: {members: [a]}}\n")
    (tmp_path / "try.md").write_text(f"---\nhikeshi: 1\n{front}\n---\n# T\n```lua {{step=a effect=read}}\nnote('x')\n```\n")
    done = subprocess.run([HIKESHI, "lint", "--format", "json"], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    errors = [f["message"] for f in json.loads(done.stdout)["findings"] if f["level"] == "error"]
    assert any(problem in message for message in errors), errors
