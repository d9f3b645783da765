"""The webhook channel: what docs/connect-webhook.md says, checked as a receiver would."""
import hashlib
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from .conftest import PD_SECRET
from .support.process import wait_for
from .support.repository import Repository
from .support.server import Server

RUNBOOK = """---
hikeshi: 1
title: Look
triggers: [{kind: incident, match: {source: pd}}]
---
```lua {step=look effect=read}
report.text("shown", "yes")
report.text("hidden", "no", {private = true})
note("seen")
```
"""


class Receiver:
    def __init__(self):
        self.messages = messages = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                messages.append((self.headers, self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *args):
                pass
        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.stop()


@pytest.fixture
def server(tmp_path, receiver):
    repository = Repository(tmp_path / "ops")
    repository.commit({"runbooks/look.md": RUNBOOK})
    made = Server(tmp_path / "serve", f"""repositories: {{ops: {{url: "{repository.path}"}}}}
sources: {{pd: {{kind: pagerduty, secrets: ["env:PD_SECRET"]}}}}
channels: {{tickets: {{kind: webhook, url: "http://127.0.0.1:{receiver.server.server_port}/x", secret: ["env:NEW", "env:OLD"]}}}}
""", env={"PD_SECRET": PD_SECRET, "NEW": "new-secret", "OLD": "old-secret"})
    made.wait_ready()
    yield made
    made.stop()


def signed(headers, body, secret):
    text = f"{headers['X-Hikeshi-Delivery']}.{headers['X-Hikeshi-Timestamp']}.".encode() + body
    wanted = "v1=" + hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()
    return any(hmac.compare_digest(wanted, one) for one in headers["X-Hikeshi-Signature"].split(","))


def test_each_event_is_told_and_signed(server, receiver):
    assert server.pagerduty("pd", PD_SECRET)[0] == 202
    (run,) = server.wait_runs(1)
    assert server.pagerduty("pd", PD_SECRET, event_type="incident.resolved")[0] == 202
    wanted = {"run_started", "note", "step_ended", "run_ended", "incident_resolved"}

    def told():
        found = {json.loads(body)["event"]: json.loads(body) for _, body in receiver.messages}
        return found if set(found) >= wanted else None
    events = wait_for(told, "all events")
    assert set(events) == wanted
    for headers, body in receiver.messages:
        assert signed(headers, body, "new-secret") and signed(headers, body, "old-secret") and not signed(headers, body, "another")
        assert not signed(headers, body + b" ", "new-secret")
        assert json.loads(body)["id"] == headers["X-Hikeshi-Delivery"]
    ended = events["run_ended"]
    assert ended["run"]["id"] == run["id"] and ended["run"]["state"] == "succeeded" and ended["incident"]["key"] == "PINC001"
    assert ended["detail"]["state"] == "succeeded" and "succeeded" in ended["detail"]["text"]
    assert [r["title"] for r in ended["run"]["reports"]] == ["shown"], "private reports stay here"
    assert [r["title"] for r in server.run(run["id"])["reports"]] == ["shown", "hidden"]
    assert events["note"]["detail"] == {"step": "look", "text": "seen"}


def test_a_mistake_in_the_configuration_is_named(tmp_path):
    with pytest.raises(Exception) as died:
        Server(tmp_path / "serve", "channels:\n  chat: {kind: slack}\n")
    said = str(died.value)
    assert "hikeshi.yaml: line 2: channel 'chat' is of an unknown kind 'slack'; the kinds are pagerduty, webhook" in said
