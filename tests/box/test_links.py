"""Links: /go/RUNBOOK shows a form, POST of it starts the run as the token's person, once."""
import http.client
import re
import subprocess
from html.parser import HTMLParser
from urllib.parse import urlencode, urlsplit

import pytest

from .support.process import wait_for
from .support.server import HIKESHI

RUNBOOK = """---
hikeshi: 1
title: Restart <b>web</b> & "co"
owner: storage
hosts: "role=db"
params:
  word: {type: string, required: true, max_length: 40, description: "what to say <script>alert(1)</script>"}
  days: {type: integer, default: 7, minimum: 1, maximum: 30}
  mode: {type: choice, choices: [soft, hard], default: soft}
triggers: [{kind: link}, {kind: manual}]
---
# Restart
This **restarts** the web server, see [the wiki](https://example.com/x). It takes a minute.

## Say it
```lua {step=say effect=read}
note("said {word} {days} {mode}", {word = params.word, days = params.days, mode = params.mode})
```
"""
PLAIN = RUNBOOK.replace("{kind: link}, ", "")


class Page(HTMLParser):
    """Fields of the form, and every tag that stands in the page."""

    def __init__(self, text):
        super().__init__()
        self.text, self.fields, self.tags, self.select = text, {}, [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        if tag == "input":
            self.fields[attributes["name"]] = attributes.get("value", "")
        elif tag == "select":
            self.select = attributes["name"]
        elif tag == "option" and ("selected" in attributes or self.select not in self.fields):
            self.fields[self.select] = attributes["value"]


def ask(site, method, path, fields=None, **headers):
    where = urlsplit(site.server.url)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=30)
    body = urlencode(fields) if fields is not None else None
    if fields is not None:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": site.server.url, **headers}
    connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items() if v is not None})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, dict(answer.getheaders()), text


def token(site, name, role="operator"):
    return site.server.cli("token", "create", "--data", site.server.data, "--name", name, "--role", role).stdout.split()[-1]


@pytest.fixture
def published(site):
    site.publish({"runbooks/web/restart.md": RUNBOOK, "runbooks/plain.md": PLAIN, "runbooks/words.md": "---\ntitle: Words\n---\n# W\n"})
    return site


def form(site, query="word=hello"):
    status, headers, text = ask(site, "GET", "/go/web/restart?" + query)
    return status, headers, Page(text)


def run_id(text):
    return re.search(r"run_[0-9a-z]+", text).group()


def test_a_get_shows_a_form_and_changes_nothing(published):
    status, headers, page = form(published, "word=%3Cscript%3Ex&days=3&mode=hard")
    assert status == 200 and headers["Content-Type"] == "text/html; charset=utf-8"
    assert (page.fields["p.word"], page.fields["p.days"], page.fields["p.mode"]) == ("<script>x", "3", "hard")
    assert "This restarts the web server, see the wiki. It takes a minute." in page.text and "storage" in page.text
    assert "Restart &lt;b&gt;web&lt;/b&gt; &amp;" in page.text, "the title is text"
    assert not [t for t, a in page.tags if t in ("script", "b", "img", "link", "iframe")]
    assert not [a for _, a in page.tags if any(k.startswith("on") for k in a)]
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "form-action 'self'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert headers["Referrer-Policy"] == "same-origin" and headers["X-Frame-Options"] == "DENY" and headers["Cache-Control"] == "no-store"
    assert form(published)[2].fields["key"] != page.fields["key"], "each form is one start"
    assert ask(published, "HEAD", "/go/web/restart")[0] == 200
    assert published.server.items("/runs") == []


def test_what_is_filled_in_is_checked(published):
    for query, problem in (("days=99&word=x", "must be at most 30"), ("days=x&word=x", "must be a whole number"),
                           ("mode=odd&word=x", "must be one of"), ("wrod=x", "there is no param")):
        status, _, page = form(published, query)
        assert status == 400 and problem in page.text, page.text
    assert form(published, "")[0] == 200, "what is not there yet is the person's"


def test_only_runbooks_with_a_link_have_a_page(published):
    for path in ("/go/plain", "/go/nothing", "/go/words", "/go/..%2f..", "/go/web%2Frestart%00"):
        status, _, text = ask(published, "GET", path)
        assert status in (400, 404) and "Words" not in text, path
        assert ask(published, "POST", path, {"key": "k", "token": token(published, "root", "admin")})[0] in (400, 404)
    assert ask(published, "GET", "/go/web%2Frestart")[0] == 200
    assert published.server.items("/runs") == []


def test_a_post_starts_the_run_as_the_tokens_person_once(published):
    page = form(published)[2]
    fields = {**page.fields, "p.word": "hello <i>", "reason": "asked in chat", "token": token(published, "aiko@example.com")}
    status, headers, text = ask(published, "POST", "/go/web/restart?", fields)
    assert status == 200 and "frame-ancestors 'none'" in headers["Content-Security-Policy"] and fields["token"] not in text
    run = published.server.wait_run(run_id(text))
    assert run["state"] == "succeeded" and run["requested_by"]["name"] == "aiko@example.com" and run["trigger"] == {"kind": "link", "id": "link-1"}
    assert run["params"] == {"word": "hello <i>", "days": 7, "mode": "soft"}
    status, _, again = ask(published, "POST", "/go/web/restart?", fields)  # the reload
    assert status == 200 and run_id(again) == run["id"] and "succeeded" in again and "said hello &lt;i&gt; 7 soft" in again
    assert len(published.server.items("/runs")) == 1
    status, _, text = ask(published, "POST", "/go/web/restart", {**fields, "p.word": "other"})
    assert status == 409 and len(published.server.items("/runs")) == 1, "the same form with other words is another form"


def test_refusals_keep_what_was_typed_but_the_token(published):
    page, carl = form(published)[2], token(published, "carl@example.com")
    for who, status, problem in (("wrong-token", 401, "unknown, expired or revoked"), ("", 401, "unknown, expired or revoked"),
                                 (token(published, "vic", "viewer"), 403, "needs the role operator"), (carl, 403, "may not start")):
        got, _, text = ask(published, "POST", "/go/web/restart", {**page.fields, "p.word": "kept", "token": who})
        assert got == status and problem in text and Page(text).fields["p.word"] == "kept" and (not who or who not in text), text
    got, _, text = ask(published, "POST", "/go/web/restart", {**page.fields, "p.word": "", "token": token(published, "ben@example.com")})
    assert got == 400 and "is missing" in text
    assert published.server.items("/runs") == []


@pytest.mark.parametrize("headers,status", [
    ({"Origin": "https://evil.example"}, 403),
    ({"Origin": "null"}, 403),
    ({"Origin": None}, 403),
    ({"Origin": None, "Sec_Fetch_Site": "cross-site"}, 403),
    ({"Sec_Fetch_Site": "same-site"}, 403),
    ({"Sec_Fetch_Site": "none"}, 403),
    ({"Sec_Fetch_Site": "same-origin"}, 200),
    ({}, 200),
    ({"Content_Type": "text/plain"}, 400),
    ({"Content_Type": "application/json"}, 400),
])
def test_forms_of_other_sites_are_refused(published, headers, status):
    fields = {**form(published)[2].fields, "token": token(published, "aiko@example.com")}
    sent = {k.replace("_", "-") if k == "Content_Type" else k: v for k, v in headers.items()}
    assert ask(published, "POST", "/go/web/restart", fields, **sent)[0] == status
    assert len(published.server.items("/runs")) == (status == 200)


def test_hostile_forms(published):
    for body in ("p.word=%00&key=k", "p.word=%ff&key=k", "key=a&key=b", "key=%zz", "=&&&&", "key=k&" + "x" * 3000, "p.word=x"):
        where = urlsplit(published.server.url)
        connection = http.client.HTTPConnection(where.hostname, where.port, timeout=30)
        connection.request("POST", "/go/web/restart", body, {"Content-Type": "application/x-www-form-urlencoded", "Origin": published.server.url})
        assert connection.getresponse().status in (400, 401), body
        connection.close()
    assert ask(published, "POST", "/go/web/restart", {"key": "k" * 5000})[0] == 413
    assert published.server.items("/runs") == []


def test_the_command_prints_the_link(published):
    said = published.server.cli("link", "web/restart", "-p", "word=a b&c", "-p", "days=3").stdout.strip()
    assert said == f"{published.server.url}/go/web/restart?word=a%20b%26c&days=3" or said == f"{published.server.url}/go/web/restart?days=3&word=a%20b%26c"
    assert form(published, urlsplit(said).query)[2].fields["p.word"] == "a b&c"
    for args, problem in ((("plain",), "no trigger of kind link"), (("web/restart", "-p", "wrod=x"), "no param 'wrod'"), (("nothing",), "nothing")):
        done = published.server.cli("link", *args, check=False)
        assert done.returncode != 0 and problem in done.stderr, done.stderr


def test_lint_is_silent_about_links(tmp_path):
    (tmp_path / "restart.md").write_text(RUNBOOK)
    done = subprocess.run([HIKESHI, "lint"], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 0 and "link" not in done.stdout, done.stdout
