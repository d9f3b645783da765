"""intake: durable PagerDuty webhooks a second, beside a bare libmicrohttpd that answers 202 and stores nothing.

wrk sends bodies with valid signatures and distinct ids from 64 connections, in turns against both, all in one run. Then a second load is
interrupted by kill -9: every delivery that was answered 2xx must be in the database."""
import argparse
import hashlib
import hmac
import json
import os
import random
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import uuid
from datetime import datetime, timedelta, timezone

from tests.box.support.process import Process, wait_for
from tests.box.support.repository import Repository
from tests.box.support.server import Server

SECRET = "bench-signing-secret"
PATH = "/hooks/pd"
BEGIN = datetime.now(timezone.utc) - timedelta(hours=1)
# The most that wrk could send in one measurement; beyond, requests repeat and are duplicates (cheaper: they would flatter).
MOST_A_SECOND = 45000


def body(event_id, number):
    incident = f"Q{number % 500:013d}"
    happened = BEGIN + timedelta(milliseconds=number) # one after the other, as they come
    return json.dumps({"event": {
        "id": event_id, "event_type": "incident.triggered", "resource_type": "incident", "occurred_at": happened.strftime("%Y-%m-%dT%H:%M:%S.") + f"{happened.microsecond // 1000:03d}Z",
        "agent": {"html_url": "https://example.pagerduty.com/users/PLH1HKV", "id": "PLH1HKV", "self":
                  "https://api.pagerduty.com/users/PLH1HKV", "summary": "Tenex Engineer", "type": "user_reference"},
        "client": {"name": "PagerDuty"},
        "data": {"id": incident, "type": "incident", "self": f"https://api.pagerduty.com/incidents/{incident}",
                 "html_url": f"https://example.pagerduty.com/incidents/{incident}", "number": number, "status": "triggered",
                 "incident_key": f"key-{incident}", "created_at": "2026-11-21T22:42:23Z", "title": "NodeDiskFull on db-1: 91% of /var",
                 "service": {"html_url": "https://example.pagerduty.com/services/PF9KMXH", "id": "PF9KMXH", "self":
                             "https://api.pagerduty.com/services/PF9KMXH", "summary": "API Service", "type": "service_reference"},
                 "assignees": [{"html_url": "https://example.pagerduty.com/users/PTUXL6G", "id": "PTUXL6G", "self":
                                "https://api.pagerduty.com/users/PTUXL6G", "summary": "User 123", "type": "user_reference"}],
                 "escalation_policy": {"id": "PUS0KTE", "summary": "Default", "type": "escalation_policy_reference"},
                 "teams": [{"id": "PFCVPS0", "summary": "Engineering", "type": "team_reference"}],
                 "priority": {"id": "PSO75BM", "summary": "P1", "type": "priority_reference"}, "urgency": "high",
                 "conference_bridge": {"conference_number": "+1 1234123412,,987654321#", "conference_url": "https://example.com"},
                 "resolve_reason": None}}}).encode()


def request(number, prefix):
    """(id, one whole HTTP request, always of the same length)."""
    event_id = f"{prefix}{number:09d}"
    content = body(event_id, 1000000 + number)
    signature = hmac.new(SECRET.encode(), content, hashlib.sha256).hexdigest()
    head = (f"POST {PATH} HTTP/1.1\r\nHost: hikeshi\r\nContent-Type: application/json\r\nUser-Agent: PagerDuty-Webhook/V3.0\r\n"
            f"X-PagerDuty-Signature: v1={signature}\r\nX-Webhook-Id: {event_id}\r\nX-Webhook-Subscription: PDABCDE\r\n"
            f"Content-Length: {len(content)}\r\n\r\n").encode()
    return event_id, head + content


def make_pool(path, count):
    prefix = "B" + uuid.uuid4().hex[:8].upper()
    with open(path, "wb") as f:
        lengths = set()
        for number in range(count):
            data = request(number, prefix)[1]
            lengths.add(len(data))
            f.write(data)
    assert len(lengths) == 1, lengths
    return lengths.pop()


def wrk(url, pool, length, count, options):
    out = subprocess.run(["wrk", "-t2", f"-c{options.connections}", f"-d{options.seconds}s", "-s", "bench/intake.lua", url, "--", pool,
                          str(length), str(count)], capture_output=True, text=True, check=True).stdout
    for line in out.splitlines():
        if line.startswith("RESULT "):
            requests, duration_us, refused, errors, p50, p99, most = map(int, line.split()[1:])
            return {"rate": requests * 1e6 / duration_us, "requests": requests, "refused": refused, "errors": errors,
                    "p50_ms": p50 / 1000, "p99_ms": p99 / 1000, "max_ms": most / 1000}
    raise RuntimeError(f"wrk said nothing:\n{out}")


def start_serve(folder):
    repository = Repository(os.path.join(folder, "ops"))
    repository.commit({"runbooks/disk.md": "# Disk\n\nA document.\n"})
    return Server(os.path.join(folder, "serve"), f"""repositories: {{ops: {{url: "{repository.path}", branch: main, path: runbooks}}}}
sources: {{pd: {{kind: pagerduty, secrets: ["env:BENCH_PD_SECRET"]}}}}
""", env={"BENCH_PD_SECRET": SECRET}, args=["--no-runner"])


def measure(options, folder):
    """Rates in turns: bare, hikeshi, bare, hikeshi, ..."""
    bare = Process([options.bare], os.path.join(folder, "bare.log"))
    bare_url = bare.wait_output(r"listening on (http://\S+)").group(1)
    serve = start_serve(folder)
    count, pool = MOST_A_SECOND * options.seconds, os.path.join(folder, "pool")
    rounds = {"bare": [], "hikeshi": []}
    for _ in range(options.rounds):
        length = make_pool(pool, count)
        rounds["bare"].append(wrk(bare_url + PATH, pool, length, count, options))
        rounds["hikeshi"].append(wrk(serve.url + PATH, pool, length, count, options))
        if rounds["hikeshi"][-1]["requests"] > count:
            raise RuntimeError("wrk sent more than was made: raise MOST_A_SECOND")
    os.unlink(pool)
    stored = deliveries(serve)
    serve.stop()
    bare.stop()
    sent = sum(r["requests"] - r["refused"] for r in rounds["hikeshi"])
    if stored < sent:
        raise RuntimeError(f"{sent} deliveries were accepted, {stored} are stored")
    return rounds


def deliveries(server):
    with sqlite3.connect(f"file:{server.data}/hikeshi.db?mode=ro", uri=True) as db:
        return db.execute("SELECT count(*) FROM deliveries").fetchone()[0]


class Client(threading.Thread):
    """One connection that remembers every id that was answered 2xx, until the server dies."""

    def __init__(self, address, prefix):
        super().__init__(daemon=True)
        self.address, self.prefix, self.accepted = address, prefix, []

    def run(self):
        number = 0
        try:
            with socket.create_connection(self.address) as connection:
                answers = connection.makefile("rb")
                while True:
                    event_id, data = request(number, self.prefix)
                    connection.sendall(data)
                    status = int(answers.readline().split()[1])
                    length = 0
                    while (line := answers.readline().strip()):
                        if line.lower().startswith(b"content-length:"):
                            length = int(line.split(b":")[1])
                    if len(answers.read(length)) < length:
                        return
                    if status // 100 == 2:
                        self.accepted.append(event_id)
                    number += 1
        except (OSError, IndexError, ValueError):
            pass  # the server is dead


def crash(options, folder):
    """(answered 2xx, of these missing in the database)."""
    serve = start_serve(os.path.join(folder, "crash"))
    host, port = serve.listen.rsplit(":", 1)
    clients = [Client((host, int(port)), f"C{n:03d}" + uuid.uuid4().hex[:5].upper()) for n in range(options.connections)]
    for client in clients:
        client.start()
    least = random.randrange(2000, 6000)
    wait_for(lambda: sum(len(c.accepted) for c in clients) >= least, f"{least} accepted deliveries", 60, 0.001)
    serve.process.kill(signal.SIGKILL)
    serve.process.child.wait()
    for client in clients:
        client.join()
    accepted = {event_id for client in clients for event_id in client.accepted}
    with sqlite3.connect(f"{serve.data}/hikeshi.db") as db:
        stored = {json.loads(body)["event"]["id"] for body, in db.execute("SELECT body FROM deliveries")}
    return len(accepted), sorted(accepted - stored)


def figure(case, metric, unit, hikeshi, peers):
    return {"bench": "intake", "case": case, "metric": metric, "unit": unit, "hikeshi": round(hikeshi, 3),
            "peers": {name: round(value, 3) for name, value in peers.items()}}


def figures(rounds, options, accepted, missing):
    case = f"{options.connections} connections"
    middle = {who: {key: statistics.median(r[key] for r in rounds[who]) for key in rounds[who][0]} for who in rounds}
    yield figure(case, "rate", "requests/s", middle["hikeshi"]["rate"], {"bare_libmicrohttpd": middle["bare"]["rate"]})
    for key in ("p50_ms", "p99_ms"):
        yield figure(case, key[:-3], "ms", middle["hikeshi"][key], {"bare_libmicrohttpd": middle["bare"][key]})
    yield figure(case, "not_2xx", "requests", sum(r["refused"] + r["errors"] for r in rounds["hikeshi"]),
                 {"bare_libmicrohttpd": sum(r["refused"] + r["errors"] for r in rounds["bare"])})
    yield figure("kill -9 under load", "answered_2xx", "deliveries", accepted, {})
    yield figure("kill -9 under load", "lost", "deliveries", len(missing), {})


def show(lines, options):
    print(f"{'case':<20} {'metric':<13} {'hikeshi':>10} {'bare':>10}  unit")
    for line in lines:
        peer = line["peers"].get("bare_libmicrohttpd")
        print(f"{line['case']:<20} {line['metric']:<13} {line['hikeshi']:>10,.6g} {'' if peer is None else format(peer, ',.6g'):>10}  {line['unit']}")
    rate = lines[0]
    print(f"\nratio {rate['hikeshi'] / rate['peers']['bare_libmicrohttpd']:.3f} of a server that stores nothing; "
          f"median of {options.rounds} rounds of {options.seconds} s each, in turns")


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench intake")
    parser.add_argument("--bare", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=64)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hikeshi-bench-", ignore_cleanup_errors=True) as folder:
        rounds = measure(options, folder)
        accepted, missing = crash(options, folder)
    lines = list(figures(rounds, options, accepted, missing))
    if options.json:
        for line in lines:
            print(json.dumps(line))
    else:
        show(lines, options)
    if missing:
        print(f"intake: LOST after 2xx: {missing[:5]} ...", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
