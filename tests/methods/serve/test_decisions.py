import pytest
from starlette.testclient import TestClient

from methods.serve.app import build_app
from methods.serve.security import CSRF, Access

from .conftest import png

ADDRESS = "/api/models/m1/decision"


@pytest.fixture
def client(station, events):
    app = build_app(station, events, Access(None), 100_000)
    with TestClient(app, base_url="http://localhost") as opened:
        yield opened


def in_force(client):
    return {
        model["id"]: [x["id"] for x in model["decisions"] if x["judges"]]
        for model in client.get("/api/models").json()
    }


def test_a_decision_is_put_in_force_and_back(client):
    assert in_force(client) == {"m1": ["d1"], "m2": ["d1"]}
    said = {"name": "d2", "who": "eve", "reason": "alarms"}
    answer = client.post(ADDRESS, json=said).json()
    assert (answer["decision"], answer["earlier"]) == ("d2", "d1")
    assert in_force(client) == {"m1": ["d2"], "m2": ["d1"]}
    kind = {"Content-Type": "image/png"}
    photo = client.post("/api/predict", content=png(250), headers=kind).json()
    assert (photo["decision"], photo["verdict"]) == ("d2", "good")
    client.post(ADDRESS, json={"name": answer["earlier"]})
    assert in_force(client)["m1"] == ["d1"]
    changes = client.get("/api/changes").json()
    assert [(x["who"], x["new"]) for x in changes[:2]] == [
        ("testclient", "d1"),
        ("eve", "d2"),
    ]


@pytest.mark.parametrize(
    ("path", "said", "status", "line"),
    [
        (ADDRESS, {"name": "d9"}, 422, "no such decision"),
        (ADDRESS, {}, 422, "name: Field required"),
        (ADDRESS, {"name": "d2", "x": 1}, 422, "x: Extra inputs"),
        ("/api/models/x/y/decision", {"name": "d2"}, 404, "no such model"),
    ],
)
def test_wrong_choices_are_one_line(client, path, said, status, line):
    answer = client.post(path, json=said)
    assert answer.status_code == status
    assert line in answer.json()["detail"]
    assert in_force(client)["m1"] == ["d1"]


def test_pages_of_other_sites_decide_nothing(client):
    other = {"Origin": "http://elsewhere"}
    said = {"name": "d2"}
    assert client.post(ADDRESS, json=said, headers=other).status_code == 403
    wrong = other | {CSRF: "x"}
    assert client.post(ADDRESS, json=said, headers=wrong).status_code == 403
    assert in_force(client)["m1"] == ["d1"]
