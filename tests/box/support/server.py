"""server: the real `hikeshi serve` with its own data folder and port 0, and a small client of its API."""
import hashlib
import hmac
import json
import os
import subprocess
import urllib.error
import urllib.request
import uuid

from .process import Process, wait_for

HIKESHI = os.environ.get("HIKESHI") or os.path.join(os.path.dirname(__file__), "../../../build-dev/hikeshi")
ENDED = {"succeeded", "failed", "denied", "cancelled", "expired", "suppressed", "unknown"}


class Server:
    def __init__(self, folder, config, env=None, args=()):
        """config: text of hikeshi.yaml without `listen` and `data`."""
        self.folder, self.env, self.args = str(folder), dict(env or {}), list(args)
        os.makedirs(self.folder, exist_ok=True)
        self.data = os.path.join(self.folder, "data")
        self.config = os.path.join(self.folder, "hikeshi.yaml")
        self.listen = "127.0.0.1:0"
        with open(self.config, "w") as f:
            f.write(config)
        self.process = None
        self.start()

    def start(self):
        self.process = Process([HIKESHI, "serve", "--config", self.config, "--data", self.data, "--listen", self.listen, *self.args],
                               os.path.join(self.folder, "serve.log"), env=self.env)
        self.url = self.process.wait_output(r"listening on (http://[^\s\"]+)").group(1)
        self.listen = self.url.split("//")[1].rstrip("/")  # the same address after a restart
        with open(os.path.join(self.data, "admin-token")) as f:
            self.token = f.read().strip()

    def restart(self, kill=False):
        if kill:
            self.process.kill()
            self.process.child.wait()
        else:
            self.process.stop()
        self.start()

    def stop(self):
        status = self.process.stop()
        assert status == 0, f"serve ended with {status}:\n{self.process.output()[-4000:]}"

    def wait_ready(self, timeout=30):
        """Until the catalog and the runner are there."""
        wait_for(lambda: self.request("GET", "/readyz", token=None)[0] == 200, "/readyz", timeout)

    def request(self, method, path, body=None, headers=None, token="", timeout=30):
        """(status, parsed JSON or text). token None = no credentials."""
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers or {}, method=method)
        if data is not None and not request.has_header("Content-type"):
            request.add_header("Content-Type", "application/json")
        if token is not None:
            request.add_header("Authorization", "Bearer " + (token or self.token))
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode()
        except urllib.error.URLError:
            if not self.process.alive():
                raise RuntimeError("serve died:\n" + self.process.output()[-4000:]) from None
            raise
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text

    def get(self, path):
        status, body = self.request("GET", "/api/v1" + path)
        assert status == 200, (path, status, body)
        return body

    def items(self, path):
        return self.get(path)["items"]

    def run(self, run_id):
        return self.get(f"/runs/{run_id}")

    def wait_run(self, run_id, states=ENDED, timeout=60):
        """The run once it is in one of `states`."""
        def look():
            run = self.run(run_id)
            return run if run["state"] in states else None
        return wait_for(look, f"run {run_id} to be in {sorted(states)}", timeout)

    def wait_runs(self, count, states=ENDED, timeout=60):
        def look():
            runs = [r for r in self.items("/runs") if r["state"] in states]
            return runs if len(runs) >= count else None
        return wait_for(look, f"{count} runs in {sorted(states)}", timeout)

    def start_run(self, runbook, params=None, **headers):
        status, body = self.request("POST", "/api/v1/runs", {"runbook": runbook, "params": params or {}}, headers=headers)
        assert status in (200, 201, 202), (status, body)
        return body["id"]

    def pagerduty(self, source, secret, event_type="incident.triggered", incident="PINC001", title="Disk is filling up on db-1",
                  event_id=None, **data):
        """Sends a signed PagerDuty v3 webhook; returns (status, body)."""
        event_id = event_id or uuid.uuid4().hex.upper()
        body = json.dumps({"event": {
            "id": event_id, "event_type": event_type, "resource_type": "incident", "occurred_at": now(), "agent": None, "client": None,
            "data": {"id": incident, "type": "incident", "self": f"https://api.pagerduty.com/incidents/{incident}",
                     "html_url": f"https://example.pagerduty.com/incidents/{incident}", "number": 1,
                     "status": event_type.split(".")[1], "incident_key": "k-" + incident, "created_at": now(), "title": title,
                     "service": {"id": "PSVC001", "summary": "db", "type": "service_reference"}, "assignees": [],
                     "escalation_policy": {"id": "PESC001", "summary": "Default"}, "teams": [], "priority": None,
                     "urgency": "high", "conference_bridge": None, "resolve_reason": None, **data}}}).encode()
        self.sent = {"path": f"/hooks/{source}", "body": body, "headers": {
            "Content-Type": "application/json", "X-Webhook-Id": event_id,
            "X-PagerDuty-Signature": "v1=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}}
        return self.redeliver()

    def redeliver(self, **headers):
        """The last PagerDuty webhook again, byte for byte; headers: what differs."""
        return self.request("POST", self.sent["path"], self.sent["body"], token=None, headers={**self.sent["headers"], **headers})

    def cli(self, *args, check=True, env=None):
        """Runs `hikeshi ARGS` against this server; returns the finished process (text)."""
        full = {**os.environ, "HIKESHI_SERVER": self.url, "HIKESHI_TOKEN": self.token, "NO_COLOR": "1", **(env or {})}
        done = subprocess.run([HIKESHI, *args], env=full, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)
        assert not check or done.returncode == 0, (args, done.returncode, done.stdout, done.stderr)
        return done


def now():
    from datetime import datetime, timezone
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
