import threading

import pytest

from methods.serve.audit import verify
from methods.serve.deciding import Deciding, Refused
from methods.serve.station import Station
from processing.errors import UserError
from tests.test_documents import documented

from .conftest import Stub, png


@pytest.fixture
def told():
    return []


@pytest.fixture
def deciding(station, told):
    return Deciding(station, lambda *event: told.append(event))


def judged(station, level):
    photo = station.photo(png(level), station.models["m1"])
    return station.queue.submit(photo).result(10)


def test_a_decision_that_is_put_in_force_judges_and_is_recorded(
    station, deciding, stub, told
):
    assert judged(station, 250).verdict == "defective"
    deciding.put_in_force("m1", "d2", "eve", "too many alarms")
    after = judged(station, 250)
    assert (after.verdict, after.decision, after.threshold) == ("good", "d2", 0.99)
    assert stub.disk["in_force"] == "d2"
    assert told == [("models", {"model": "m1"})]
    assert all(
        [*line] == documented("Changes of a station")[0]
        for line in verify(station.store.audit.path)
    )
    *started, line = verify(station.store.audit.path)
    assert [(x["old"], x["new"], x["who"]) for x in started] == [
        (None, "d1", "station")
    ] * 2
    assert (
        line.items()
        >= {
            "who": "eve",
            "what": "decision",
            "model": "m1",
            "old": "d1",
            "new": "d2",
            "threshold": 0.99,
            "reason": "too many alarms",
        }.items()
    )
    model = deciding.model("m1")
    assert deciding.earlier(model) == "d1"
    assert deciding.history()[0]["new"] == "d2"


def test_photos_in_flight_keep_the_decision_that_they_name(station, deciding, stub):
    begun, go = threading.Event(), threading.Event()
    stub.wait = lambda: (begun.set(), go.wait(10))
    flying, waiting = (
        station.queue.submit(station.photo(png(250), stub)) for _ in range(2)
    )
    assert begun.wait(10)
    late = station.queue.submit(station.photo(png(250), stub))
    deciding.put_in_force("m1", "d2", "eve", "")
    go.set()
    assert (flying.result(10).verdict, flying.result(10).decision) == (
        "defective",
        "d1",
    )
    waiting.result(10)
    assert (late.result(10).verdict, late.result(10).decision) == ("good", "d2")


def test_a_start_with_another_decision_is_recorded(station, deciding, events, tmp_path):
    deciding.put_in_force("m1", "d2", "eve", "")
    station.close()
    for chosen, lines in (("d2", 3), ("d1", 4)):
        again = Station(tmp_path / "station", {"m1": Stub("m1", chosen)}, 4, print)
        Deciding(again, events.tell)
        changes = again.store.changes()
        again.close()
        assert len(changes) == lines
    assert (changes[-1]["who"], changes[-1]["old"]) == ("station", "d2")
    station.store.database = again.store.database  # for the end of the fixture
    station.queue.close = lambda: None


def test_what_cannot_be_put_in_force_changes_nothing(station, deciding, monkeypatch):
    with pytest.raises(Refused, match="no such model") as error:
        deciding.put_in_force("m9", "d2", "eve", "")
    assert error.value.status == 404
    with pytest.raises(Refused, match="no such decision") as error:
        deciding.put_in_force("m1", "d9", "eve", "")
    assert error.value.status == 422
    station.models["m2"].fixed = True
    with pytest.raises(Refused, match="started with --decision") as error:
        deciding.put_in_force("m2", "d2", "eve", "")
    assert error.value.status == 409
    assert len(station.store.changes()) == 2

    def full(self):
        raise UserError("cannot write: no space")

    monkeypatch.setattr(Stub, "put_in_force", full)
    with pytest.raises(UserError, match="no space"):
        deciding.put_in_force("m1", "d2", "eve", "")
    assert station.models["m1"].decided.finetuned.name == "d1"
    assert [x["new"] for x in station.store.changes()[2:]] == ["d2", "d1"]
