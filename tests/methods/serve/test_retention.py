import pytest

from methods.serve import retention as module
from methods.serve.kept_bytes import KeptBytes
from methods.serve.retention import Retention
from methods.serve.spool import Spool
from methods.serve.store import Filter

from .conftest import png


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(module, "RECENT", -1)
    monkeypatch.setattr(module, "REST", 0)


@pytest.fixture
def judged(station, stub):
    """Return a function that judges grey photos of these levels."""

    def judge(*levels):
        photos = [station.photo(png(x), stub, f"{x}") for x in levels]
        return [station.queue.submit(x).result(10) for x in photos]

    return judge


def looked(station, days=None, bytes_=None):
    """Look once, as a station that has just been started does."""
    station.kept = KeptBytes()
    retention = Retention(station, Spool(station.store.database, []), days, bytes_)
    retention.look()
    return station.kept.bytes


def whole(station):
    """Return the bytes of photos and pictures on the disk."""
    parts = (station.folder / "photos", station.folder / "pictures")
    files = [x for part in parts for x in part.rglob("*") if x.is_file()]
    return sum(path.stat().st_size for path in files)


def names(station):
    """Return the names of the photos that results still have."""
    found = station.store.find(Filter())[0]
    kept = {x.name for x in found if x.pictures}
    for x in found:
        photo = station.folder / "photos" / x.sha256[:2] / x.sha256
        assert photo.exists() == (x.name in kept), x.name
    return kept


def age(station, id_):
    with station.store.database.change() as writer:
        sql = "UPDATE results SET time = '2020-01-01T00:00:00+00:00' WHERE id = ?"
        writer.execute(sql, (id_,))


def test_bytes_are_counted_and_nothing_goes_without_limits(station, judged):
    judged(10, 20)
    assert looked(station) == whole(station) > 0
    assert names(station) == {"10", "20"}


def test_files_are_looked_through_once(station, judged, monkeypatch):
    """Later the bytes are counted as files come and go."""
    first, _ = judged(10, 20)
    station.kept = KeptBytes()
    retention = Retention(station, Spool(station.store.database, []), 1, None)
    retention.look()
    monkeypatch.setattr("os.walk", lambda *_: pytest.fail("looks through all files"))
    judged(20, 30)  # one photo is known
    station.picture(first.id, "overlay")
    station.picture(first.id, "overlay")
    assert station.kept.bytes == whole(station)
    age(station, first.id)
    retention.look()
    assert names(station) == {"20", "30"}
    assert station.kept.bytes == whole(station)


def test_a_photo_of_no_result_that_is_too_new_goes_later(station, stub, monkeypatch):
    station.photo(png(10), stub)
    station.kept = KeptBytes()
    retention = Retention(station, Spool(station.store.database, []), 1, None)
    monkeypatch.setattr(module, "RECENT", 60)
    retention.look()
    assert station.kept.bytes == whole(station) > 0
    monkeypatch.setattr(module, "RECENT", -1)
    retention.look()
    assert station.kept.bytes == whole(station) == 0


def test_the_old_go_but_for_those_that_people_judged(station, judged):
    first, second, _ = judged(10, 20, 30)
    age(station, first.id)
    age(station, second.id)
    station.correct(second.id, "defective", "eve", "")
    looked(station, days=1)
    assert names(station) == {"20", "30"}
    assert station.store.get(first.id).verdict == "good"  # its row stays
    assert station.picture(first.id, "map") is None


def test_the_oldest_go_first_and_what_people_judged_last(station, judged):
    first, *_ = judged(10, 20, 30)
    station.correct(first.id, "defective", "eve", "")
    before = looked(station)
    assert looked(station, bytes_=before - 1) < before
    assert names(station) == {"10", "30"}
    looked(station, bytes_=1)
    assert names(station) == set()
    assert len(list(station.store.audit.path.read_text().splitlines())) == 1


def test_a_photo_that_another_result_has_stays(station, judged):
    first, _ = judged(10, 10)
    age(station, first.id)
    looked(station, days=1)
    [kept] = [x for x in station.store.find(Filter())[0] if x.pictures]
    photo = station.folder / "photos" / kept.sha256[:2] / kept.sha256
    assert photo.exists()


def test_a_kill_between_files_and_row_leaves_work_for_later(
    station, judged, monkeypatch
):
    first, _ = judged(10, 20)
    age(station, first.id)
    database = station.store.database
    change, calls = database.change, []

    def killed():
        calls.append(1)
        if len(calls) > 1:  # the first is the spool's
            raise KeyboardInterrupt
        return change()

    monkeypatch.setattr(database, "change", killed)
    with pytest.raises(KeyboardInterrupt):
        looked(station, days=1)
    monkeypatch.undo()
    monkeypatch.setattr(module, "RECENT", -1)
    assert station.store.get(first.id).pictures
    looked(station, days=1)
    assert names(station) == {"20"}


def test_a_photo_of_no_result_goes_only_if_something_is_to_go(station, stub):
    station.photo(png(10), stub)  # killed before it was judged
    looked(station)
    assert any(path.is_file() for path in (station.folder / "photos").rglob("*"))
    looked(station, days=1)
    assert not any(path.is_file() for path in (station.folder / "photos").rglob("*"))
