"""Photos counted by quarter of an hour, of which hours and days of any zone are made.

Figures add these up, not photos. Milliseconds are counted in steps, for medians cannot
be added up.
"""

import json
import math
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime

QUARTER = 900  # seconds
STEP = 1.05  # from one step of milliseconds to the next
SHORTEST = 1e-3  # milliseconds
TABLE = """
CREATE TABLE quarters (
    quarter INTEGER NOT NULL, station TEXT NOT NULL, photos INTEGER NOT NULL,
    defective INTEGER NOT NULL, corrected INTEGER NOT NULL, steps TEXT NOT NULL,
    PRIMARY KEY (quarter, station)) WITHOUT ROWID;
CREATE TRIGGER corrected AFTER UPDATE OF corrected ON results BEGIN
    UPDATE quarters SET
        defective = defective + (coalesce(NEW.corrected, NEW.verdict) = 'defective')
            - (coalesce(OLD.corrected, OLD.verdict) = 'defective'),
        corrected = corrected + (coalesce(NEW.corrected, NEW.verdict) <> NEW.verdict)
            - (coalesce(OLD.corrected, OLD.verdict) <> OLD.verdict)
    WHERE quarter = strftime('%s', NEW.time) / 900 AND station = NEW.station;
END;
"""
_ALL = "SELECT time, station, verdict, corrected, milliseconds FROM results"
_ADD = """INSERT INTO quarters VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
photos = photos + excluded.photos, defective = defective + excluded.defective,
corrected = corrected + excluded.corrected, steps = excluded.steps"""

Photo = tuple[str, str, str, str | None, float]  # the columns of `_ALL`


def build(writer: sqlite3.Connection) -> None:
    """Count all results that are stored."""
    writer.execute("DELETE FROM quarters")
    count(writer, writer.execute(_ALL))


def count(writer: sqlite3.Connection, photos: Iterable[Photo]) -> None:
    """Count photos that were stored."""
    sums = defaultdict[tuple[int, str], list[int]](lambda: [0, 0, 0])
    steps = defaultdict[tuple[int, str], Counter[str]](Counter)
    for time, station, verdict, corrected, milliseconds in photos:
        key = int(datetime.fromisoformat(time).timestamp()) // QUARTER, station
        found = corrected or verdict
        one = 1, found == "defective", found != verdict
        sums[key] = [x + int(y) for x, y in zip(sums[key], one, strict=True)]
        steps[key][step(milliseconds)] += 1
    for key, new in steps.items():
        sql = "SELECT steps FROM quarters WHERE quarter = ? AND station = ?"
        for (text,) in writer.execute(sql, key).fetchall():
            new.update(json.loads(text))
        writer.execute(_ADD, (*key, *sums[key], json.dumps(new)))


def step(milliseconds: float) -> str:
    """Return which step is nearest: the power of `STEP`."""
    return str(round(math.log(max(milliseconds, SHORTEST), STEP)))


def median(steps: Mapping[str, int]) -> float:
    """Return the median milliseconds of photos by step, at most 2.5 % wrong."""
    half, seen, middle = (sum(steps.values()) - 1) / 2, 0, []
    for key in sorted(steps, key=int):
        first, seen = seen, seen + steps[key]
        places = {math.floor(half), math.ceil(half)}
        middle += [STEP ** int(key) for place in places if first <= place < seen]
    return sum(middle) / len(middle)
