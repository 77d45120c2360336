import threading

import pytest

from methods.serve.station import BadImage, Station, answer
from methods.serve.store import Filter

from .conftest import png


def judged(station, *args, **options):
    model = options.pop("model", station.models["m1"])
    photo = station.photo(*args[:1], model, *args[1:], **options)
    return station.queue.submit(photo).result(10)


def files(station):
    return [p for p in (station.folder / "photos").rglob("*") if p.is_file()]


def test_an_answer_is_stored_with_photo_and_pictures(station):
    data = png(250)
    found = judged(station, data, "a.png", "7", "left")
    assert station.store.get(found.id) == found
    assert (found.verdict, found.model, found.decision) == ("defective", "m1", "d1")
    assert (found.name, found.part, found.station) == ("a.png", "7", "left")
    assert [x["area"] for x in found.regions] == [64]
    assert found.milliseconds > 0
    [photo] = files(station)
    assert (photo.name, photo.read_bytes()) == (found.sha256, data)
    for kind in found.pictures:
        assert station.picture(found.id, kind).is_file()
    assert station.picture(found.id, "x") is station.picture("x", "map") is None
    assert answer(found)["pictures"]["map"] == f"/api/results/{found.id}/map"


def test_a_request_with_the_same_key_has_the_same_answer(station):
    first = judged(station, png(10), request="key")
    assert judged(station, png(10), request="key") == first
    with pytest.raises(BadImage, match="another photo"):
        judged(station, png(11), request="key")
    assert station.store.find(Filter())[1] == 1


def test_one_key_twice_in_one_batch_is_one_answer(station, stub):
    go = threading.Event()
    stub.wait = lambda: go.wait(10)
    held = [station.photo(png(10), stub, request=key) for key in ("a", "b", "b")]
    futures = [station.queue.submit(photo) for photo in held]
    go.set()
    _, one, other = [future.result(10) for future in futures]
    assert one == other
    assert station.store.find(Filter())[1] == 2


def test_one_key_twice_in_two_batches_at_once_is_one_answer(tmp_path, stub, events):
    both = threading.Barrier(2)
    stub.wait = lambda: both.wait(10)  # until both batches are judged
    station = Station(tmp_path, {"m1": stub}, 4, events.publish, judges=2)
    held = [station.photo(png(10), stub, request="b") for _ in range(2)]
    futures = [station.queue.submit(photo) for photo in held]
    one, other = [future.result(10) for future in futures]
    assert one == other
    assert station.store.find(Filter())[1] == 1
    pictures = [x for x in (tmp_path / "pictures").rglob("*") if x.is_file()]
    assert len(pictures) == 1
    station.close()


def test_a_batch_goes_to_several_models(station, stub):
    go, other = threading.Event(), station.models["m2"]
    stub.wait = lambda: go.wait(10)
    models = [stub, other, stub, other]
    levels = [10, 20, 250, 240]
    held = [station.photo(png(x), m) for x, m in zip(levels, models, strict=True)]
    futures = [station.queue.submit(photo) for photo in held]
    go.set()
    results = [future.result(10) for future in futures]
    assert [x.model for x in results] == ["m1", "m2", "m1", "m2"]
    assert [round(x.score * 255) for x in results] == levels


@pytest.mark.parametrize("data", [b"", b"junk", png(9)[:-20]])
def test_what_is_no_image_leaves_nothing(station, data):
    with pytest.raises(BadImage, match="^not a readable image") as error:
        judged(station, data)
    assert str(station.folder) not in str(error.value)
    assert files(station) == []


def test_corrections_are_published(station, monkeypatch):
    told = []
    monkeypatch.setattr(station, "publish", told.append)
    found = judged(station, png(10))
    station.correct(found.id, "defective", "eve", "dent")
    station.undo(found.id, "eve")
    assert station.correct("x", "good", "eve", "") is None
    assert [x.corrected for x in told] == [None, "defective", None]


def test_pixels_are_measured_only_for_those_who_need_it(station, stub):
    assert station.photo(png(9), stub).look == {}
    station.measure = lambda pixels: {"mean": float(pixels.mean())}
    assert station.photo(png(9), stub).look == {"mean": 9}
