"""Webhooks: what is answered, what is kept, what is refused (senders' rules)."""
import hashlib
import hmac
import json
import socket

import pytest

from .conftest import AM_TOKEN, PD_OLD_SECRET, PD_SECRET
from .support.process import wait_for
from .support.server import Server


def sign(body, *secrets):
    return ",".join("v1=" + hmac.new(s.encode(), body, hashlib.sha256).hexdigest() for s in secrets)


def post(server, body, signature, hook="pd", **headers):
    return server.request("POST", f"/hooks/{hook}", body, token=None, headers={"X-PagerDuty-Signature": signature, **headers})[0]


def ping():
    return json.dumps({"event": {"id": "E1", "event_type": "pagey.ping", "resource_type": "pagey", "occurred_at": "2999-01-01T00:00:00Z",
                                 "data": {"message": "Hello from your friend Pagey!", "type": "ping"}}}).encode()


def test_signatures(site):
    server, body = site.server, ping()
    good, old, bad = sign(body, PD_SECRET), sign(body, PD_OLD_SECRET), sign(body, "other")
    assert post(server, body, good) == 202
    assert post(server, body, old) == 202, "the old secret during rotation"
    assert post(server, body, f"{bad}, {good}") == 202, "several signatures, one matches"
    assert post(server, body, f"v2=ffff,{good}") == 202, "unknown versions are ignored"
    assert post(server, body, bad) == 403
    assert post(server, body, "") == 403
    assert post(server, body, good[:-1]) == 403, "truncated"
    assert post(server, body[:-1] + b" ", good) == 403, "one byte changed"
    assert len(server.items("/deliveries")) == 1, "the same event id is one delivery"


def test_methods_names_and_sizes(site):
    server, body = site.server, ping()
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        assert server.request(method, "/hooks/pd", None if method == "GET" else body, token=None)[0] == 405, method
    assert post(server, body, sign(body, PD_SECRET), hook="nobody") == 404
    large = b"x" * (10 * 1024 * 1024)
    try:
        assert post(server, large, sign(large, PD_SECRET)) == 413
    except OSError:
        pass  # the server may close before the body is sent
    assert post(server, b"{", sign(b"{", PD_SECRET)) == 202, "malformed with a good signature is kept"
    assert post(server, b"a=b", sign(b"a=b", PD_SECRET), **{"Content-Type": "application/x-www-form-urlencoded"}) == 202
    wait_for(lambda: all(d["state"] == "dead" for d in server.items("/deliveries")) and len(server.items("/deliveries")) == 2,
             "both to be dead letters")


def test_unknown_event_is_kept_with_its_reason(site):
    server = site.server
    assert server.pagerduty("pd", PD_SECRET, event_type="incident.invented_tomorrow")[0] == 202
    delivery = wait_for(lambda: [d for d in server.items("/deliveries") if d["state"] != "received"], "the delivery")[0]
    text = json.dumps(server.get(f"/deliveries/{delivery['id']}/explain"))
    assert "invented_tomorrow" in text, text


def raw(server, head):
    """What the server says to a request whose body never comes, until it closes the connection."""
    host, port = server.listen.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(head)
        said = b""
        while chunk := connection.recv(65536):
            said += chunk
        return said.decode()


@pytest.mark.parametrize("path,header,status", [
    ("/hooks/nobody", "", 404), ("/hooks/am", "Authorization: Bearer wrong\r\n", 401), ("/hooks/git/nobody", "", 403),
    ("/api/v1/runs", "", 401), ("/api/v1/runs", "Authorization: Bearer hks_wrong\r\n", 401), ("/api/v1/nothing", "", 404)])
def test_a_body_that_nobody_wants_is_not_waited_for(site, path, header, status):
    said = raw(site.server, f"POST {path} HTTP/1.1\r\nHost: x\r\n{header}Content-Length: 1000\r\n\r\n".encode())
    assert said.startswith(f"HTTP/1.1 {status} "), said


def test_a_slow_request_is_cut(tmp_path):
    server = Server(tmp_path / "serve", "http: {request_timeout: 500ms}\nsources: {pd: {kind: pagerduty, secrets: [\"env:PD\"]}}\n",
                    env={"PD": PD_SECRET}, args=["--no-runner"])
    try:
        wait_for(lambda: server.request("GET", "/healthz", token=None)[0] == 200, "the server")
        for head in (b"", b"GET /healthz HT", b"POST /hooks/pd HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{"):
            assert raw(server, head) == "", "closed without an answer, which a sender would take for a refusal"
        assert "hikeshi_http_requests_late_total 1" in server.request("GET", "/metrics", token=None)[1]
    finally:
        server.stop()


def alertmanager_body(status="firing", **changes):
    body = {"version": "4", "groupKey": "{}:{alertname=\"X\"}", "truncatedAlerts": 0, "receiver": "hikeshi", "status": status, "groupLabels": {},
            "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://am", "alerts": [
                {"status": status, "labels": {"alertname": "X", "instance": "db-1:1"}, "annotations": {}, "startsAt": "2026-01-01T00:00:00Z",
                 "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "", "fingerprint": "f1"}]}
    body.update(changes)
    return {k: v for k, v in body.items() if v is not None}


def test_alertmanager_answers(site):
    server = site.server

    def send(body, token=AM_TOKEN):
        return server.request("POST", "/hooks/am", body, token=token)[0]
    assert send(alertmanager_body()) == 200
    assert send(alertmanager_body()) == 200, "a repeat"
    assert send(alertmanager_body(), token="wrong") == 401
    assert server.request("POST", "/hooks/am", alertmanager_body(), token=None)[0] == 401
    assert send(alertmanager_body(version=None)) == 400, "a custom body is malformed"
    assert send(b"not json") == 400
    many = alertmanager_body(groupKey="many")
    many["alerts"] = [dict(many["alerts"][0], fingerprint=f"f{n}", labels={"alertname": "Y", "n": str(n)}) for n in range(1000)]
    assert send(many) == 200
    wait_for(lambda: [i for i in server.items("/incidents") if i["key"] == "many"], "the group of 1,000")
    incident = [i for i in server.items("/incidents") if i["key"] == "many"][0]
    assert len(server.get(f"/incidents/{incident['id']}")["alerts"]) == 1000
