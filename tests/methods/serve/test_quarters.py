import json
import statistics
from collections import Counter
from datetime import datetime, timedelta, timezone

import pytest

from methods.serve.quarters import build, median, step
from methods.serve.store import Store

NOW = datetime(2026, 11, 29, 17, 30, tzinfo=timezone.utc)
DIRECT = """SELECT strftime('%s', time) / 900 AS quarter, station, count(*),
sum(coalesce(corrected, verdict) = 'defective'),
sum(corrected IS NOT NULL AND corrected <> verdict)
FROM results GROUP BY quarter, station ORDER BY quarter, station"""  # of all photos
COUNTED = "SELECT * FROM quarters ORDER BY quarter, station"


def counted(store):
    """Return the rows without their steps, and the photos that these have."""
    rows = [tuple(row) for row in store.database.read(COUNTED)]
    return [row[:5] for row in rows], [sum(json.loads(row[5]).values()) for row in rows]


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path)
    yield opened
    opened.close()


def test_counts_are_those_of_the_direct_query(store, result, rng):
    verdicts = ("good", "defective")
    for start in range(0, 120, 4):
        batch = []
        for i in range(start, start + 4):
            time = NOW - timedelta(minutes=float(rng.uniform(0, 90)))
            changes = {"station": "ab"[i % 2], "verdict": verdicts[rng.integers(2)]}
            changes["milliseconds"] = float(rng.uniform(5, 50))
            batch.append((result(f"r{i}", time=time.isoformat(), **changes), None))
        store.add(batch)
    for _ in range(200):
        id_ = f"r{rng.integers(120)}"
        if rng.integers(3):
            store.correct(id_, verdicts[rng.integers(2)], "eve")
        else:
            store.undo(id_, "eve")
    direct = [tuple(row) for row in store.database.read(DIRECT)]
    rows, photos = counted(store)
    assert rows == direct
    assert any(row[4] for row in rows)
    assert photos == [row[2] for row in rows]
    kept = [tuple(row) for row in store.database.read(COUNTED)]
    with store.database.change() as writer:
        build(writer)  # as for a database of an earlier version
    assert [tuple(row)[:5] for row in store.database.read(COUNTED)] == rows
    built = [json.loads(row["steps"]) for row in store.database.read(COUNTED)]
    assert built == [json.loads(row[5]) for row in kept]


@pytest.mark.parametrize("count", [1, 2, 7, 100])
def test_the_median_is_within_its_error(rng, count):
    values = rng.lognormal(3, 1, count)
    found = median(Counter(map(step, values)))
    assert found == pytest.approx(statistics.median(values), rel=0.026)


def test_times_that_are_none():
    assert step(0) == step(-1) == step(1e-3)
