from datetime import datetime, timedelta, timezone
from statistics import median

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from methods.serve.hours import add_hours, figures
from methods.serve.store import Store

NOW = datetime(2026, 11, 29, 17, 30, tzinfo=timezone.utc)


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path)
    yield opened
    opened.close()


def stored(store, result, minutes, **changes):
    time = (NOW - timedelta(minutes=minutes)).isoformat(timespec="microseconds")
    number = store.database.read("SELECT count(*) FROM results")[0][0]
    made = result(f"r{number}", time=time, **changes)
    store.add([(made, None)])
    return made


def test_figures_are_those_of_the_photos(store, result, rng):
    wanted = {}
    for i in range(200):
        minutes = float(rng.uniform(0, 40 * 60))
        station = ("left", "right")[int(rng.integers(2))]
        verdict = ("good", "defective")[int(rng.integers(2))]
        spent = float(rng.uniform(5, 50))
        values = {"station": station, "verdict": verdict, "milliseconds": spent}
        made = stored(store, result, minutes, **values)
        said = None if i % 3 else ("good", "defective")[int(rng.integers(2))]
        if said:
            store.correct(made.id, said, "eve")
        hour = datetime.fromisoformat(made.time).replace(minute=0, second=0)
        if hour.replace(microsecond=0) < NOW - timedelta(hours=23, minutes=30):
            continue
        place = hour.strftime("%Y-%m-%dT%H:00"), station
        wanted.setdefault(place, []).append((verdict, said, spent))
    found = figures(store, "hour", now=NOW)
    assert {(x["slot"], x["station"]) for x in found} == set(wanted)
    for row in found:
        photos = wanted[row["slot"], row["station"]]
        assert row["photos"] == len(photos)
        assert row["defective"] == sum((b or a) == "defective" for a, b, _ in photos)
        assert row["corrected"] == sum(b not in (None, a) for a, b, _ in photos)
        assert row["milliseconds"] == pytest.approx(median(c for *_, c in photos), 0.03)


def test_days_and_hours_begin_by_local_time(store, result):
    stored(store, result, 0)
    stored(store, result, 18 * 60)  # at 23:30 the day before, in UTC
    stored(store, result, 31 * 24 * 60)
    days = lambda zone: [  # noqa: E731
        (x["slot"], x["photos"]) for x in figures(store, "day", zone, NOW)
    ]
    assert days(0) == [("2026-11-28", 1), ("2026-11-29", 1)]
    assert days(60) == [("2026-11-29", 2)]
    assert [x["slot"] for x in figures(store, "hour", 330, NOW)] == [
        "2026-11-29T05:00",
        "2026-11-29T23:00",
    ]


@pytest.mark.parametrize("words", ["by=week", "zone=841", "zone=x"])
def test_wrong_words_are_refused(store, words):
    app = FastAPI()
    add_hours(app, store)
    client = TestClient(app)
    assert client.get("/api/hours?by=day&zone=-60").json() == []
    assert client.get(f"/api/hours?{words}").status_code == 422
