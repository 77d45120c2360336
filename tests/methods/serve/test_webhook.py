import hashlib
import hmac
import http.server
import json
import re
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from methods.serve import spool as module
from methods.serve.database import Database
from methods.serve.spool import Message, NeverTaken, Spool, Undelivered
from methods.serve.webhook import SIGNATURE, Webhook
from processing.errors import UsageError
from tests.rooms import ROOT

from .conftest import until
from .test_spool import written

MESSAGE = Message(1, "a1", "verdict", '{"id": "a1"}', False)


@contextmanager
def answering(statuses):
    """Yield an address that answers with each status in turn, and what it got."""
    got = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            length = int(self.headers["Content-Length"])
            got.append((dict(self.headers), self.rfile.read(length)))
            self.send_response(statuses[(len(got) - 1) % len(statuses)])
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook?a=b", got
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_message_is_posted_and_signed():
    with answering([204]) as (url, got):
        Webhook(url, b"secret").deliver(MESSAGE, None)
    [(headers, body)] = got
    assert (json.loads(body), headers["Idempotency-Key"]) == ({"id": "a1"}, "a1")
    expected = hmac.new(b"secret", body, hashlib.sha256).hexdigest()
    assert headers[SIGNATURE] == f"sha256={expected}"
    assert headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("status", [302, 401, 404, 429, 503])
def test_other_answers_are_none_and_redirects_not_followed(status):
    told = pytest.raises(Undelivered, match=f"127.0.0.1 answered {status}")
    with answering([status]) as (url, got), told as error:
        Webhook(url).deliver(MESSAGE, None)
    assert not isinstance(error.value, NeverTaken)
    assert len(got) == 1
    assert SIGNATURE not in got[0][0]


@pytest.mark.parametrize("status", [400, 410, 422])
def test_a_message_that_is_refused_for_good(status):
    told = pytest.raises(NeverTaken, match=f"127.0.0.1 answered {status}")
    with answering([status]) as (url, _), told:
        Webhook(url).deliver(MESSAGE, None)


def test_what_is_refused_for_good_is_put_aside_and_the_next_comes(tmp_path, caplog):
    database = Database(tmp_path / "x.sqlite")
    with answering([200, 422, 200]) as (url, got):
        spool = Spool(database, [Webhook(url)])
        written(spool, *range(3))
        spool.start()
        until(lambda: spool.waiting() == {"webhook": 0})
        spool.close()
    assert [json.loads(body)["verdict"] for _, body in got] == [0, 1, 2]
    assert spool.refused() == {"webhook": 1}
    [row] = database.read("SELECT * FROM refused")
    assert json.loads(row["body"])["verdict"] == 1
    assert row["reason"] == "127.0.0.1 answered 422"
    told = [x for x in caplog.messages if "is put aside" in x]
    assert told == [
        f"warning: webhook: {row['reason']}: verdict {row['id']} is put aside"
    ]
    database.close()


def test_nobody_there():
    with answering([200]) as (url, _):
        pass
    with pytest.raises(Undelivered, match="cannot reach 127.0.0.1: .*refused"):
        Webhook(url).deliver(MESSAGE, None)


def test_a_receiver_that_fails_half_of_the_time_has_all_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "pause", lambda attempts: 0.001)
    database = Database(tmp_path / "x.sqlite")
    with answering([500, 200, 200, 503]) as (url, got):
        spool = Spool(database, [Webhook(url)])
        written(spool, *range(30))
        spool.start()
        until(lambda: spool.waiting() == {"webhook": 0})
        spool.close()
    seen = [json.loads(body)["verdict"] for _, body in got]
    assert list(dict.fromkeys(seen)) == list(range(30))
    assert len(seen) > 50
    database.close()


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a/b",
        "a/b",
        "http://",
        "http://a:x/",
        "http:///b",
        "http://a b/",
        "file:///x",
    ],
)
def test_urls_that_are_none(url):
    with pytest.raises(UsageError, match="--webhook: expected http://HOST/PATH or"):
        Webhook(url)


def test_a_password_in_the_url_is_refused_and_not_shown():
    with pytest.raises(UsageError, match="without a password") as error:
        Webhook("https://me:hidden@host/x")
    assert "hidden" not in str(error.value)


def test_the_programs_of_the_page(capsys):
    page = (ROOT / "docs/flow.md").read_text("utf-8")
    receiver, subscriber = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(receiver, scope := {})
    scope["Receiver"].log_message = lambda *_: None
    server = http.server.HTTPServer(("127.0.0.1", 0), scope["Receiver"])
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/"
    for _ in range(2):
        Webhook(url, scope["SECRET"]).deliver(MESSAGE, None)
    with pytest.raises(Undelivered, match="403"):
        Webhook(url, b"wrong").deliver(MESSAGE, None)
    server.shutdown()
    server.server_close()
    thread.join()
    assert capsys.readouterr().out == '{"id": "a1"}\n'
    pytest.importorskip("paho.mqtt.client")
    exec(subscriber, scope := {})
    body = b'{"verdict": {"part": "7", "verdict": "good"}}'
    scope["told"](None, None, SimpleNamespace(payload=body))
    assert capsys.readouterr().out == "7 good\n"
