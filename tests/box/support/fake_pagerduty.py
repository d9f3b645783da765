#!/usr/bin/env python3
"""fake_pagerduty: a stand-in for PagerDuty's REST API that refuses what the published API refuses.

As a module: FakePagerDuty(token=...) serves on a free port of loopback until stop(). As a program: prints its port, then one line
of JSON for each request, until it is ended. Checks the credentials, the Accept header, From where a user is needed, and bodies.
"""
import argparse
import json
import re
import sys
import threading
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

ACCEPT = "application/vnd.pagerduty+json;version=2"
MAX_NOTES = 2000


def now():
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def alertmanager_text(labels, annotations=None):
    """What Alertmanager's PagerDuty integration writes into the details of an event."""
    lines = ["Labels:"] + [f" - {k} = {v}" for k, v in sorted(labels.items())]
    lines += ["Annotations:"] + [f" - {k} = {v}" for k, v in sorted((annotations or {}).items())]
    return "\n".join(lines + ["Source: http://prometheus.example.com/graph", ""])


class Refused(Exception):
    def __init__(self, status, message, code=2001):
        super().__init__(message)
        self.status, self.code = status, code


class FakePagerDuty:
    """Knobs: fail_next(status, times, headers) answers the next requests so; slow(event) makes them wait for the event."""

    def __init__(self, token="pd-api-token", port=0, on_request=None):
        self.token, self.on_request = token, on_request
        self.requests = []       # {"method", "path", "query", "headers", "body", "status"}
        self.incidents = {}      # id → {"alerts": [...], "notes": [{"id", "content", ...}]}
        self._failures, self._gate = [], None
        self._lock, self._changed = threading.RLock(), threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def stop(self):
        if self._gate:
            self._gate.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    # --- what tests arrange and ask ---

    def add_incident(self, incident, alerts=(), style="details"):
        """alerts: dicts of labels. style: details (an object), cef, or text (as Alertmanager's integration writes it)."""
        made = [self._alert(incident, n, dict(labels), style) for n, labels in enumerate(alerts)]
        with self._lock:
            self.incidents[incident] = {"alerts": made, "notes": [], "status": "triggered"}

    def notes(self, incident):
        with self._lock:
            return [note["content"] for note in self.incidents[incident]["notes"]]

    def add_note(self, incident, content):
        """A note that somebody else wrote."""
        with self._lock:
            notes = self.incidents[incident]["notes"]
            notes.append({"id": f"PNOTE{len(notes) + 1:04d}", "content": content, "created_at": now(), "user": {"summary": "Somebody"}})

    def fail_next(self, status, times=1, headers=None):
        with self._lock:
            self._failures += [(status, headers or {})] * times

    def slow(self, event):
        """Every request waits until the event is set (None: no longer)."""
        self._gate = event

    def wait_requests(self, count, timeout=30):
        """Until so many requests were answered."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.requests) >= count, timeout):
                raise TimeoutError(f"{len(self.requests)} of {count} requests: {self.requests}")
        return self.requests

    # --- the API ---

    @staticmethod
    def _alert(incident, number, labels, style):
        severity = labels.get("severity", "critical")
        details = labels
        if style == "text":
            details = {"firing": alertmanager_text(labels), "resolved": "", "num_firing": "1", "num_resolved": "0"}
        body = {"type": "alert_body"}
        if style == "cef":
            body["cef_details"] = {"severity": severity, "details": details}
        else:
            body["details"] = details
        return {"id": f"PALERT{incident}{number}", "type": "alert", "summary": labels.get("alertname", "alert"), "status": "triggered",
                "alert_key": f"{incident}-{number}", "severity": severity if severity in ("info", "warning", "error", "critical") else "critical",
                "suppressed": False, "created_at": now(), "html_url": f"https://example.pagerduty.com/alerts/PALERT{number}", "body": body}

    def _check(self, method, headers, body):
        if headers.get("Authorization") != f"Token token={self.token}":
            raise Refused(401, "Unauthorized", 2006)
        if headers.get("Accept") != ACCEPT:
            raise Refused(406, "Accept must be " + ACCEPT)
        if method in ("POST", "PUT"):
            if headers.get("Content-Type") != "application/json":
                raise Refused(415, "Content-Type must be application/json")
            if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", headers.get("From", "")):
                raise Refused(400, "From must be the email address of a user", 2001)
            if not isinstance(body, dict):
                raise Refused(400, "the body must be a JSON object")

    @staticmethod
    def _content(body):
        note = body.get("note")
        if not isinstance(note, dict) or not isinstance(note.get("content"), str) or not note["content"].strip():
            raise Refused(400, "note.content must not be empty")
        if len(note["content"]) > 65535:
            raise Refused(400, "note.content is too long")
        return note["content"]

    def _answer(self, method, path, query, body):
        found = re.fullmatch(r"/incidents/([A-Z0-9]+)", path)
        if found and found.group(1) in self.incidents and method == "PUT":
            incident, wanted = self.incidents[found.group(1)], body.get("incident")
            if not isinstance(wanted, dict) or wanted.get("type") != "incident_reference" or wanted.get("status") not in ("acknowledged", "resolved"):
                raise Refused(400, "incident must be a reference with a status")
            if incident["status"] == "resolved":
                raise Refused(400, "Incident Already Resolved", 1001)
            incident["status"] = wanted["status"]
            return {"incident": {"id": found.group(1), "status": wanted["status"]}}
        found = re.fullmatch(r"/incidents/([A-Z0-9]+)/(alerts|notes)(?:/([A-Za-z0-9]+))?", path)
        incident = self.incidents.get(found.group(1)) if found else None
        if not incident:
            raise Refused(404, "Not Found", 2100)
        kind, note_id = found.group(2), found.group(3)
        if kind == "alerts" and method == "GET":
            limit, offset = min(int(query.get("limit", 25)), 100), int(query.get("offset", 0))
            return {"alerts": incident["alerts"][offset:offset + limit], "limit": limit, "offset": offset,
                    "more": len(incident["alerts"]) > offset + limit, "total": None}
        if kind == "notes" and method == "GET" and not note_id:
            return {"notes": incident["notes"]}
        if kind == "notes" and method == "POST" and not note_id:
            content = self._content(body)
            if len(incident["notes"]) >= MAX_NOTES:
                raise Refused(400, "an incident has at most 2000 notes")
            self.add_note(found.group(1), content)
            return {"note": incident["notes"][-1]}
        if kind == "notes" and method == "PUT" and note_id:
            for note in incident["notes"]:
                if note["id"] == note_id:
                    note["content"] = self._content(body)
                    return {"note": note}
            raise Refused(404, "Not Found", 2100)
        raise Refused(405, "Method Not Allowed")

    def handle(self, method, target, headers, raw):
        """(status, headers, answer) of one request."""
        gate = self._gate
        if gate:
            gate.wait(60)
        path, _, query = target.partition("?")
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = raw.decode("utf-8", "replace")
        limits = {"ratelimit-limit": "960", "ratelimit-remaining": "959", "ratelimit-reset": "60"}
        with self._lock:
            try:
                if self._failures:
                    status, extra = self._failures.pop(0)
                    limits.update(extra)
                    answer = {"error": {"message": "asked to fail", "code": 2020 if status == 429 else 2000}}
                else:
                    self._check(method, headers, body)
                    status, answer = 200, self._answer(method, path, dict(parse_qsl(query)), body)
            except Refused as refused:
                status, answer = refused.status, {"error": {"message": str(refused), "code": refused.code}}
            record = {"method": method, "path": path, "query": query, "headers": dict(headers), "body": body, "status": status}
        with self._changed:
            self.requests.append(record)
            self._changed.notify_all()
        if self.on_request:
            self.on_request(record)
        return status, limits, answer

    def _handler(fake):  # noqa: N805 (self is the handler's below)
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self):
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, headers, answer = fake.handle(self.command, self.path, self.headers, raw)
                text = json.dumps(answer).encode()
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # the client gave up: that is its right

            do_GET = do_POST = do_PUT = do_DELETE = serve

            def log_message(self, *args):
                pass
        return Handler


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--token", default="pd-api-token")
    parser.add_argument("--incident", action="append", default=[], metavar="ID[:alert=NAME,label=VALUE]", help="incidents that exist")
    parser.add_argument("--style", choices=["details", "cef", "text"], default="details", help="where alerts keep their details")
    parser.add_argument("--fail", action="append", default=[], metavar="STATUS", help="answer the next requests so, one each")
    options = parser.parse_args()
    fake = FakePagerDuty(options.token, options.port, lambda record: print(json.dumps(record), flush=True))
    for text in options.incident:
        incident, _, labels = text.partition(":")
        pairs = dict(pair.split("=", 1) for pair in labels.split(",") if "=" in pair)
        fake.add_incident(incident, [pairs] if pairs else [], options.style)
    for status in options.fail:
        fake.fail_next(int(status))
    print(fake.port, flush=True)
    try:
        sys.stdin.read()  # until the parent closes it
    except KeyboardInterrupt:
        pass
    fake.stop()


if __name__ == "__main__":
    main()
