"""Seconds of the figures by hour and by day, of more and more stored photos.

The photos are one each three seconds, the last one now.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

from methods.serve import quarters
from methods.serve.hours import SLOTS, figures
from methods.serve.store import Store

APART = timedelta(seconds=3)
TIMES = 5  # that each query is made; the fastest counts
_INSERT = """INSERT INTO results (id, time, sha256, name, part, station, verdict, score,
threshold, regions, decision, model, milliseconds, pictures, comment)
VALUES (?, ?, '', '', '', ?, 'good', 0, 0, '[]', '', '', ?, '{}', '')"""


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counts", type=int, nargs="*", default=[10_000, 100_000, 10**6])
    print("| photos | by hour, s | by day, s |\n|---:|---:|---:|")
    for count in parser.parse_args(argv).counts:
        with tempfile.TemporaryDirectory() as folder:
            store = Store(Path(folder))
            fill(store, count)
            seconds = [min(spent(store, by) for _ in range(TIMES)) for by in SLOTS]
            store.close()
        print(f"| {count:,} | {seconds[0]:.3f} | {seconds[1]:.3f} |", flush=True)
    return 0


def fill(store: Store, count: int) -> None:
    """Store photos of two stations."""
    now = datetime.now(timezone.utc)
    rows = (
        (
            str(i),
            (now - (count - i) * APART).isoformat(),
            "ab"[i % 2],
            5 + i * 7919 % 50,
        )
        for i in range(count)
    )
    with store.database.change() as writer:
        writer.executemany(_INSERT, rows)
        quarters.build(writer)


def spent(store: Store, by: str) -> float:
    """Return the seconds of one query."""
    start = time.perf_counter()
    figures(store, by)
    return time.perf_counter() - start


if __name__ == "__main__":
    raise SystemExit(main())
