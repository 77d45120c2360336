import time

import pytest

from methods.serve import feeding
from methods.serve.batching import Unavailable
from methods.serve.feeding import FolderFeeder
from methods.serve.metrics import Metrics
from methods.serve.store import Filter

from .conftest import png, until


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(feeding, "POLL", 0.02)
    made = tmp_path / "belt"
    (made / "sub").mkdir(parents=True)
    return made


@pytest.fixture
def feed(station):
    """Return a function that starts a feeder; all end with the test."""
    started = []

    def start(feeder):
        started.append(feeder)
        feeder.start()
        return feeder

    yield start
    for feeder in started:
        feeder.stop()
        feeder.join(10)


def results(station):
    return station.store.find(Filter())[0][::-1]


def test_files_are_judged_once_across_starts(station, folder, feed, caplog):
    (folder / "a.png").write_bytes(png(10))
    (folder / "sub/b.png").write_bytes(png(250))
    (folder / "bad.png").write_bytes(b"no image")
    first = feed(FolderFeeder(station, Metrics(station), folder))
    until(lambda: len(results(station)) == 2 and "not judged" in caplog.text)
    time.sleep(0.1)
    first.stop()
    first.join(10)
    (folder / "c.png").write_bytes(png(20))
    feed(FolderFeeder(station, Metrics(station), folder))
    until(lambda: len(results(station)) == 3)
    (folder / "a.png").write_bytes(png(30, 21))  # another photo
    until(lambda: len(results(station)) == 4)
    found = results(station)
    assert [x.name for x in found] == ["a.png", "sub/b.png", "c.png", "a.png"]
    assert {x.station for x in found} == {"belt"}
    assert found[1].verdict == "defective"
    assert caplog.text.count("not judged: bad.png") == 2  # once for each start
    assert (folder / "a.png").exists()


def test_a_folder_waits_where_http_is_refused(station, stub, folder, feed):
    (folder / "a.png").write_bytes(png(10))
    with station.queue.admitted(station.queue.places):
        feeder = feed(FolderFeeder(station, Metrics(station), folder))
        time.sleep(0.3)
        assert results(station) == []
        assert feeder.is_alive()
    until(lambda: len(results(station)) == 1)


def test_a_folder_waits_while_nothing_judges(station, stub, folder, feed, caplog):
    answers = iter([True, True])

    def wait():
        if next(answers, False):
            raise Unavailable("the cluster is gone")

    stub.wait = wait
    (folder / "a.png").write_bytes(png(10))
    feed(FolderFeeder(station, Metrics(station), folder))
    until(lambda: len(results(station)) == 1)
    assert len(stub.sizes) == 3
    assert "not judged" not in caplog.text


def test_a_feeder_that_waits_can_be_stopped(station, folder, feed):
    (folder / "a.png").write_bytes(png(10))
    with station.queue.admitted(station.queue.places):
        feeder = feed(FolderFeeder(station, Metrics(station), folder))
        time.sleep(0.2)
        feeder.stop()
        feeder.join(5)
        assert not feeder.is_alive()
    assert results(station) == []
    assert station.queue.taken == 0
