import threading

import pytest
from starlette.testclient import TestClient

from methods.serve.app import build_app
from methods.serve.audit import verify
from methods.serve.batching import Unavailable
from methods.serve.security import HEADERS, Access

from .conftest import png

PNG = {"Content-Type": "image/png"}


@pytest.fixture
def client(station, events):
    app = build_app(station, events, Access(None), 100_000)
    with TestClient(app, base_url="http://localhost") as opened:
        yield opened


def predict(client, data, words="", **headers):
    return client.post(f"/api/predict{words}", content=data, headers=PNG | headers)


def detail(response, status):
    """Return the one line of a refusal, which has the headers, too."""
    assert response.status_code == status
    assert HEADERS.items() <= {**{k: response.headers.get(k) for k in HEADERS}}.items()
    assert "\n" not in response.json()["detail"]
    return response.json()["detail"]


def test_a_photo_is_answered_and_kept(client):
    found = predict(client, png(250), "?part=7&station=left&name=a.png")
    assert found.status_code == 200
    told = found.json()
    assert (told["verdict"], told["part"], told["name"]) == ("defective", "7", "a.png")
    assert (told["p_value"], told["threshold"]) == (0.3, 0.5)
    assert client.get(f"/api/results/{told['id']}").json() == told
    for kind, address in told["pictures"].items():
        picture = client.get(address)
        end = "png" if kind == "mask" else "jpeg"
        assert picture.headers["content-type"] == f"image/{end}"
        assert "immutable" in picture.headers["cache-control"]


def test_photos_are_told_to_come_again_while_nothing_judges(client, stub):
    def gone():
        raise Unavailable("the cluster is gone")

    stub.wait = gone
    answer = predict(client, png(250))
    assert detail(answer, 503) == "the cluster is gone; try again"
    assert answer.headers["retry-after"] == "1"
    assert client.get("/api/results").json()["total"] == 0
    stub.wait = lambda: None
    assert predict(client, png(250)).status_code == 200


def test_several_photos_in_a_form(client):
    files = [("photo", (f"{x}.png", png(x), "image/png")) for x in (250, 10)]
    form = {"part": "7", "model": "m2"}
    found = client.post("/api/predict", files=files, data=form).json()["results"]
    assert [x["verdict"] for x in found] == ["defective", "good"]
    assert {(x["part"], x["model"]) for x in found} == {("7", "m2")}
    assert [x["name"] for x in found] == ["250.png", "10.png"]


def test_of_a_form_all_photos_are_judged_or_none(client):
    files = [("photo", ("a.png", png(9))), ("photo", ("b.png", b"junk"))]
    line = detail(client.post("/api/predict", files=files), 422)
    assert line.startswith("b.png: not a readable image")
    assert client.get("/api/results").json()["total"] == 0


def test_a_repeated_request_is_one_result(client):
    first, second = (
        predict(client, png(9), **{"Idempotency-Key": "k"}).json() for _ in range(2)
    )
    assert first == second
    assert client.get("/api/results").json()["total"] == 1


@pytest.mark.parametrize(
    ("data", "words", "status", "line"),
    [
        (b"junk", "", 422, "not a readable image"),
        (b"", "", 422, "not a readable image"),
        (png(9), "?model=x", 422, "model: expected one of m1, m2"),
        (png(9), f"?part={'x' * 201}", 422, "part: String should have at most 200"),
        (bytes(100_001), "", 413, "expected at most 100000 bytes"),
    ],
)
def test_bad_photos_are_one_line(client, data, words, status, line):
    assert line in detail(predict(client, data, words), status)


def test_bombs_are_refused_before_they_are_decoded(client, monkeypatch):
    monkeypatch.setenv("KERAS_ANOMALY_MAX_PIXELS", "399")
    assert "20x20 pixels, expected at most 399" in detail(predict(client, png(9)), 422)


@pytest.mark.parametrize(
    ("kind", "data", "status", "line"),
    [
        ("text/plain", b"a", 415, "expected image/*"),
        ("multipart/form-data; boundary=x", b"--x--\r\n", 422, "expected files"),
        ("multipart/form-data", b"junk", 400, ""),
    ],
)
def test_other_bodies(client, kind, data, status, line):
    headers = {"Content-Type": kind}
    answer = client.post("/api/predict", content=data, headers=headers)
    assert line in detail(answer, status)


def test_too_many_photos_are_told_to_come_again(client, stub):
    begun, go = threading.Event(), threading.Event()
    stub.wait = lambda: (begun.set(), go.wait(10))
    files = [("photo", (f"{x}.png", png(x))) for x in range(4)]
    held = threading.Thread(
        target=lambda: client.post("/api/predict", files=files), daemon=True
    )
    held.start()
    assert begun.wait(10)
    refused = predict(client, png(9))
    detail(refused, 503)
    assert refused.headers["retry-after"] == "1"
    go.set()
    held.join(10)
    assert predict(client, png(9)).status_code == 200


def test_results_are_filtered_and_paged(client):
    for level in (10, 250, 20):
        # The search sees the ids, too, which are hexadecimal and random.
        predict(client, png(level), f"?name={level}&part=p-{level}z")

    def names(words):
        page = client.get(f"/api/results?{words}").json()
        return [x["name"] for x in page["results"]], page["next"]

    first, end = names("limit=2")
    assert first == ["20", "250"]
    assert names(f"limit=2&below={end}") == (["10"], None)
    assert names("verdict=defective")[0] == ["250"]
    assert names("search=P-25")[0] == ["250"]
    assert names("before=2020-01-01T00:00:00Z")[0] == []
    assert len(names("after=2020-01-01T00:00:00")[0]) == 3
    for words in ("verdict=x", "limit=0", "limit=201", "below=x", "after=x"):
        assert words[:4] in detail(client.get(f"/api/results?{words}"), 422)


def test_corrections_and_undo(client, station):
    id_ = predict(client, png(10)).json()["id"]
    address = f"/api/results/{id_}/correction"
    said = {"verdict": "defective", "comment": "dent", "who": "eve"}
    assert client.post(address, json=said).json()["corrected"] == "defective"
    assert client.delete(address).json()["corrected"] is None
    said_by = [x["who"] for x in verify(station.store.audit.path) if "result" in x]
    assert said_by == ["eve", "testclient"]
    assert "verdict" in detail(client.post(address, json={"verdict": "x"}), 422)
    more = said | {"image": "x"}
    assert "image" in detail(client.post(address, json=more), 422)
    detail(client.post("/api/results/x/correction", json=said), 404)
    detail(client.delete("/api/results/x/correction"), 404)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/results/x", 404),
        ("/api/results/x/map", 404),
        ("/api/results/x/photo", 422),
        ("/api/results/..%2f..%2fstation.sqlite/map", 404),
        ("/static/..%2fapp.py", 404),
        ("/static/app.py", 404),
        ("/nowhere", 404),
    ],
)
def test_no_path_comes_from_a_request(client, path, status):
    detail(client.get(path), status)


def test_facts(client):
    predict(client, png(250))
    detail(predict(client, b"junk"), 422)
    assert client.get("/healthz").json() == {"status": "ok"}
    assert [x["id"] for x in client.get("/api/models").json()] == ["m1", "m2"]
    text = client.get("/metrics").text
    assert 'keras_anomaly_photos_total{model="m1",verdict="defective"} 1.0' in text
    assert 'keras_anomaly_refused_total{status="422"} 1.0' in text
    assert "keras_anomaly_waiting 0.0" in text


def test_pages(client):
    page = client.get("/")
    assert 'name="csrf"' in page.text
    assert "style=" not in page.text
    docs = client.get("/docs").text
    assert all(path in docs for path in client.get("/openapi.json").json()["paths"])
    for name in (
        "style.css",
        "report.css",
        "station.css",
        "station.js",
        "decisions.js",
    ):
        assert client.get(f"/static/{name}").status_code == 200
    for name in ("login.js", "icon.svg"):
        assert client.get(f"/static/{name}").status_code == 200
