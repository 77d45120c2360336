import hmac
import logging

import pytest
from starlette.testclient import TestClient

from methods.serve.app import build_app
from methods.serve.security import CSRF, HEADERS, Access

TOKEN = "a token of some length"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
UNDO = "/api/results/x/correction"  # 404 is an answer: it was let in


@pytest.fixture
def opened(station, events):
    def open_(token, host="localhost"):
        access = Access(token)
        app = build_app(station, events, access, 1000)
        return TestClient(app, base_url=f"http://{host}"), access

    return open_


def test_headers_are_strict():
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:8000", 200), ("127.0.0.1", 200), ("[::1]:8000", 200)]
    + [("evil.com", 421), ("localhost.evil.com", 421), ("127.0.0.1.evil.com:80", 421)],
)
def test_without_a_token_the_host_is_this_machine(opened, host, status):
    client, _ = opened(None)
    answer = client.get("/api/models", headers={"Host": host})
    assert answer.status_code == status
    assert answer.headers["x-frame-options"] == "DENY"


def test_headers_are_on_every_answer(opened):
    """Of all addresses and methods, let in or refused, right or wrong."""
    client, _ = opened(TOKEN)
    asked = {("GET", "/static/station.js"), ("GET", "/static/none"), ("GET", "/none")}
    asked |= {("GET", "/"), ("GET", "/docs"), ("GET", "/openapi.json")}
    for path, methods in (
        client.get("/openapi.json", headers=BEARER).json()["paths"].items()
    ):
        asked |= {(method.upper(), path) for method in methods}
    asked.remove(("GET", "/api/events"))  # does not end: see `test_events`
    assert len(asked) > 20
    for method, path in asked:
        for headers in ({}, BEARER):
            answer = client.request(method, path, headers=headers)
            found = {name: answer.headers.get(name) for name in HEADERS}
            assert found == HEADERS, (method, path)
            assert "Cache-Control" in answer.headers
            assert "server" not in answer.headers


def test_secrets_are_compared_in_constant_time(opened, monkeypatch):
    compared = []
    same = hmac.compare_digest

    def compare(one, other):
        compared.append(other)
        return same(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    client, access = opened(TOKEN)
    headers = {"Authorization": "Bearer x", "Cookie": "station=x", CSRF: "x"}
    assert client.get("/api/models", headers=headers).status_code == 401
    cookie = {"Cookie": f"station={access.cookie}", CSRF: "x"}
    assert client.delete(UNDO, headers=cookie).status_code == 403
    secrets = [f"Bearer {TOKEN}", access.cookie, access.csrf]
    assert {x.encode() for x in secrets} <= {*compared}


def test_without_a_token_programs_may_write_and_pages_with_the_csrf_token(opened):
    client, access = opened(None)
    foreign = {"Origin": "http://evil.com"}
    assert client.delete(UNDO).status_code == 404
    assert client.delete(UNDO, headers=foreign).status_code == 403
    assert client.delete(UNDO, headers=foreign | {CSRF: "x"}).status_code == 403
    own = {"Origin": "http://localhost", CSRF: access.csrf}
    assert client.delete(UNDO, headers=own).status_code == 404


@pytest.mark.parametrize("path", ["/api/models", "/metrics", "/docs", "/openapi.json"])
def test_with_a_token_all_else_is_refused(opened, path):
    client, _ = opened(TOKEN, "station.example")
    for headers in ({}, {"Authorization": "Bearer x"}, {"Cookie": "station=x"}):
        answer = client.get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    assert client.get(path, headers=BEARER).status_code == 200


def test_with_a_token_a_browser_signs_in(opened, caplog):
    caplog.set_level(logging.DEBUG)
    client, access = opened(TOKEN, "station.example")
    assert client.get("/healthz").status_code == 200
    assert 'id="login"' in client.get("/").text
    assert client.post("/api/login").status_code == 401
    cookie = client.post("/api/login", headers=BEARER).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert TOKEN not in cookie
    page = client.get("/")
    assert access.csrf in page.text
    assert TOKEN not in page.text + caplog.text
    assert client.delete(UNDO).status_code == 403  # a cookie alone may not write
    assert client.delete(UNDO, headers={CSRF: access.csrf}).status_code == 404
    assert client.delete(UNDO, headers=BEARER).status_code == 404


def test_the_cookie_is_good_after_a_restart():
    assert Access(TOKEN).cookie == Access(TOKEN).cookie != Access(TOKEN + "x").cookie
    assert Access(TOKEN).csrf != Access(TOKEN).csrf


def test_a_token_in_other_letters(opened):
    client, _ = opened(TOKEN)
    headers = {"Authorization": "Bearer \xfc".encode("latin-1")}
    assert client.get("/api/models", headers=headers).status_code == 401
