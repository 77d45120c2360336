import pytest
from starlette.testclient import TestClient

from methods.serve.app import build_app
from methods.serve.security import Access


@pytest.fixture
def client(station, events):
    app = build_app(station, events, Access(None), 100_000)
    with TestClient(app, base_url="http://localhost") as opened:
        yield opened


@pytest.mark.parametrize(
    ("said", "status", "line"),
    [
        ({"model": "m9", "what": "model"}, 404, "no such model"),
        ({"model": "m1", "what": "decision"}, 409, "expected labelled photos"),
        ({"model": "m1", "what": "all"}, 422, "what: Input should be"),
    ],
)
def test_what_cannot_be_learned_is_one_line(client, said, status, line):
    answer = client.post("/api/learning", json=said)
    assert answer.status_code == status
    assert line in answer.json()["detail"]
    assert client.get("/api/learning").json() == {}


def test_nothing_to_put_away_or_to_show(client):
    assert client.delete("/api/learning").json() == {}
    assert client.get("/api/learning/images/0").status_code == 404
    other = client.post("/api/models/m1/model", json={"model": "x"})
    assert other.status_code == 422
    assert "expected one of m1" in other.json()["detail"]


def test_pages_of_other_sites_learn_nothing(client):
    said = {"model": "m1", "what": "decision"}
    headers = {"Origin": "http://elsewhere"}
    assert client.post("/api/learning", json=said, headers=headers).status_code == 403
    assert client.delete("/api/learning", headers=headers).status_code == 403
