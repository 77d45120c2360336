import threading

import pytest

from methods.serve import labelled
from methods.serve.batching import Unavailable
from methods.serve.labelled import Labels
from processing.decision.decision import Decision

from .conftest import png, until


@pytest.fixture
def told():
    return []


@pytest.fixture
def labels(station, told):
    made = Labels(station, lambda model: [model.id], lambda *event: told.append(event))
    station.ending.append(made.close)
    made.start()
    return made


def judged(station, level, model="m1"):
    photo = station.photo(png(level), station.models[model], f"{level}.png")
    return station.queue.submit(photo).result(10)


def found(labels, station, model="m1"):
    photos, waiting = labels.of(station.models[model])
    return [(x.name, x.label) for x in photos], waiting


def test_labelled_photos_are_judged_for_any_decision(labels, station, stub):
    for level, verdict in ((250, "good"), (10, "good"), (150, "defective")):
        station.correct(judged(station, level).id, verdict, "eve", "")
    judged(station, 99)  # has no label
    until(lambda: len(labels.of(stub)[0]) == 3)
    photos = {x.name: x for x in labels.of(stub)[0]}
    assert {x: photos[x].label for x in photos} == {
        "150.png": "defective",
        "10.png": "good",
        "250.png": "good",
    }
    for name, photo in photos.items():
        assert photo.score == pytest.approx(float(name[:-4]) / 255)
        anomaly_map = stub.verdict(photo.score).decided_map
        for threshold, area in ((0.3, 64), (0.3, 65), (0.7, 1), (0.99, 5)):
            called = threshold < photo.curve.critical_thresholds(area)[-1]
            assert called == Decision(threshold, area).verdict(anomaly_map)


def test_a_photo_that_nothing_judged_is_judged_later(
    labels, station, stub, monkeypatch
):
    monkeypatch.setattr(labelled, "PAUSE", 0.01)
    id_, answers = judged(station, 10).id, iter([True, True])

    def wait():
        if next(answers, False):
            raise Unavailable("the cluster is gone")

    stub.wait = wait
    station.correct(id_, "good", "eve", "")
    until(lambda: found(labels, station) == ([("10.png", "good")], 0))
    assert labels.lost == set()


def test_a_photo_counts_once_by_its_last_label(labels, station, stub):
    first, second = judged(station, 10), judged(station, 10)
    station.correct(second.id, "defective", "eve", "")
    station.correct(first.id, "good", "eve", "")
    until(lambda: labels.of(stub)[0])
    assert found(labels, station) == ([("10.png", "defective")], 0)
    station.undo(second.id, "eve")
    assert found(labels, station) == ([("10.png", "good")], 0)


def test_photos_of_other_models_do_not_count(labels, station):
    station.correct(judged(station, 10, "m2").id, "good", "eve", "")
    until(lambda: found(labels, station, "m2") == ([("10.png", "good")], 0))
    assert found(labels, station) == ([], 0)


def test_photos_that_come_are_judged_in_between(labels, station, stub, told):
    results = [judged(station, level) for level in (10, 20, 30)]
    begun, go = threading.Event(), threading.Event()
    judge = stub.curve
    stub.curve = lambda pixels: (begun.set(), go.wait(10), judge(pixels))[2]
    for result in results:
        station.correct(result.id, "good", "eve", "")
    assert begun.wait(10)
    photo = station.photo(png(40), stub)
    future = station.queue.submit(photo)
    assert found(labels, station)[1] == 3
    go.set()
    assert future.result(10).verdict == "good"
    until(lambda: found(labels, station)[1] == 0)
    until(lambda: told[-1:] == [("labels", {"model": "m2"})])


def test_a_photo_that_is_gone_is_left_out(labels, station, caplog):
    lost, kept = judged(station, 10), judged(station, 20)
    (station.folder / "photos" / lost.sha256[:2] / lost.sha256).unlink()
    for result in (lost, kept):
        station.correct(result.id, "good", "eve", "")
    until(lambda: found(labels, station) == ([("20.png", "good")], 0))
    assert [x.levelname for x in caplog.records] == ["WARNING"]


def test_the_last_photos_alone_are_taken(labels, station, stub, monkeypatch):
    monkeypatch.setattr(labelled, "MOST", 2)
    for level in (10, 20, 30):
        station.correct(judged(station, level).id, "good", "eve", "")
    until(lambda: found(labels, station)[1] == 0)
    assert [x for x, _ in found(labels, station)[0]] == ["30.png", "20.png"]
