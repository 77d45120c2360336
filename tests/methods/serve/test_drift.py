import numpy as np
import pytest
from fastapi.testclient import TestClient

from methods.serve.app import build_app
from methods.serve.audit import verify
from methods.serve.drift import RESET, Drift
from methods.serve.flow import Flow, FlowOptions
from methods.serve.security import Access
from methods.serve.spool import Spool
from methods.serve.station import Photo

RNG = np.random.default_rng(0)
LOCAL = "http://localhost"


class Watched:
    """A station whose photos are readings, without pictures of them."""

    def __init__(self, station, monkeypatch):
        self.station = station
        self.told = []
        self.start()
        self.count = 0

    def start(self):
        spool = Spool(self.station.store.database, [])
        tell = lambda *event: self.told.append(event)  # noqa: E731
        self.drift = Drift(self.station, 0.01, tell, spool)
        self.station.followers[:] = [self.drift]

    def judge(self, count, place="left", level=10.0, **means):
        photos = []
        for _ in range(count):
            look = {"brightness": 0.0, "contrast": 0.0, "sharpness": 0.0}
            look = {key: RNG.normal(means.get(key, 0)) for key in look}
            pixels = np.full((4, 4, 3), level + RNG.integers(9), "uint8")
            model = self.station.models["m1"]
            words = f"{self.count}.png", "", place, None, 0.0
            photos.append(Photo(pixels, look, "ab" * 32, model, *words))
            self.count += 1
        for start in range(0, count, 16):
            self.station._judge(photos[start : start + 16])

    def logs(self):
        return {key: x.charts.logs for key, x in self.drift.streams.items()}

    @property
    def stream(self):
        [found] = self.drift.streams.values()
        return found


@pytest.fixture
def watched(station, monkeypatch):
    return Watched(station, monkeypatch)


def test_a_change_alarms_once_and_is_told(watched):
    watched.judge(150)
    assert watched.told == []
    watched.judge(60, contrast=3)
    [(kind, alarm)] = watched.told
    assert (kind, alarm["quantity"], alarm["station"]) == ("drift", "contrast", "left")
    assert 150 < alarm["photos"] <= 210
    assert alarm["log10"] >= alarm["line"] == pytest.approx(np.log10(400))
    assert watched.drift.alarm_counts()["contrast"] == 1


def test_defective_photos_do_not_count(watched):
    watched.judge(5, level=240)
    watched.judge(3)
    assert watched.stream.charts.count == 3


def test_a_start_goes_on_and_counts_what_a_kill_left(watched):
    watched.judge(40)
    before = watched.logs()
    watched.start()  # without `close`: as after a kill
    assert watched.logs() == before
    watched.judge(20)
    watched.drift.close()
    after = watched.logs()
    watched.start()
    assert watched.logs() == after
    assert watched.stream.charts.count == 60
    with watched.station.store.database.change() as writer:
        writer.execute("DELETE FROM streams WHERE station = 'x'")
        writer.execute("UPDATE streams SET number = 0, since = 7")  # no state fits
    watched.start()
    assert watched.logs() == after  # from the results alone
    assert [x[0] for x in watched.stream.points] == list(range(1, 61))


def test_stations_have_their_own_charts(watched):
    watched.judge(30)
    watched.judge(30, "right", brightness=5)
    counts = {key.station: x.charts.count for key, x in watched.drift.streams.items()}
    assert counts == {"left": 30, "right": 30}
    assert watched.told == []


def test_a_reset_begins_anew_with_an_audit_line(watched):
    watched.judge(150)
    watched.judge(60, contrast=3)
    key = watched.stream.key
    assert watched.drift.reset("nowhere", "eve", "x") is None
    assert watched.drift.reset(key.id, "eve", "new lamp").charts.count == 0
    [entry] = verify(watched.station.store.audit.path)
    assert (entry["what"], entry["who"], entry["reason"]) == (RESET, "eve", "new lamp")
    assert entry["alarms"] == ["contrast"]
    watched.judge(30, contrast=3)
    after = watched.logs()
    assert watched.stream.charts.alarms == {}
    watched.start()
    assert watched.logs() == after
    assert watched.stream.charts.count == 30


def test_too_many_stations_are_not_watched_and_said_once(watched, monkeypatch, caplog):
    monkeypatch.setattr("methods.serve.drift.MOST", 2)
    for place in "abcd":
        watched.judge(1, place)
    assert {key.station for key in watched.drift.streams} == {"a", "b"}
    assert caplog.text.count("warning: drift: 2 stations: c is not watched") == 1


def test_memory_is_flat(watched, monkeypatch):
    monkeypatch.setattr("methods.serve.streams.POINTS", 20)
    watched.judge(130)
    stream = watched.stream
    assert len(stream.points) < 20
    assert [x[0] for x in stream.points] == list(range(8, 131, 8))


def test_what_http_says_and_asks(station, stub, events):
    flow = Flow(station, FlowOptions(), events.tell)
    app = build_app(station, events, Access(None), 10_000, flow)
    client = TestClient(app, LOCAL)
    watched = flow.drift
    photos = Watched.__new__(Watched)
    photos.station, photos.drift, photos.count = station, watched, 0
    photos.judge(5)
    told = client.get("/api/drift").json()
    [stream] = told["streams"]
    assert (told["alpha"], stream["photos"], stream["alarms"]) == (0.01, 5, {})
    one = client.get(f"/api/drift/{stream['id']}").json()
    assert [x[0] for x in one["points"]] == [1, 2, 3, 4, 5]
    address = f"/api/drift/{stream['id']}/reset"
    assert client.post(address, json={"reason": ""}).status_code == 422
    assert client.post(address, json={"reason": "x"}).json()["photos"] == 0
    page = {"Origin": "http://evil", "Host": "localhost"}
    assert client.post(address, json={"reason": "x"}, headers=page).status_code == 403
    assert client.get("/api/drift/x").status_code == 404
    text = client.get("/metrics").text
    assert 'keras_anomaly_drift_alarms_total{quantity="contrast"} 0.0' in text
    assert (
        'keras_anomaly_drift_log10{model="m1",quantity="score",station="left"}' in text
    )


def test_without_drift(station, events):
    app = build_app(station, events, Access(None), 10_000)
    client = TestClient(app, LOCAL)
    assert client.get("/api/drift").json() == {"alpha": 0, "line": None, "streams": []}
    assert client.post("/api/drift/x/reset", json={"reason": "x"}).status_code == 404
