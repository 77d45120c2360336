"""What the station did by hour, or by day."""

import json
from collections import Counter, defaultdict
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query

from .quarters import QUARTER, median
from .store import Store

SLOTS = {"hour": 24, "day": 30}  # how many of each are told
SECONDS = {"hour": 3600, "day": 86400}
FORMATS = {"hour": "%Y-%m-%dT%H:00", "day": "%Y-%m-%d"}
COUNTED = ("photos", "defective", "corrected")
_QUARTERS = "SELECT * FROM quarters WHERE quarter >= :since ORDER BY quarter"
LARGEST_ZONE = 14 * 60  # minutes between UTC and any local time
By = Literal["hour", "day"]


def figures(
    store: Store, by: By, zone: int = 0, now: datetime | None = None
) -> list[dict[str, Any]]:
    """Return the figures of the last 24 hours or 30 days, by time and station.

    Args:
        store: of the station.
        by: how long a slot is.
        zone: minutes that the local time is ahead of UTC.
        now: the last slot's time; None for the present.

    Returns:
        Of each slot that has photos: "slot", its beginning in local time; "station";
        "photos"; "defective" and "corrected" ones among them, by the verdicts in force;
        "milliseconds", the median, at most 2.5 % wrong.
    """
    local = timezone(timedelta(minutes=zone))
    last = (now or datetime.now(timezone.utc)).astimezone(local)
    first = last.replace(minute=0, second=0, microsecond=0)
    first = first if by == "hour" else first.replace(hour=0)
    first -= timedelta(**{f"{by}s": SLOTS[by] - 1})
    sums = defaultdict[tuple[int, str], Counter[str]](Counter)
    steps = defaultdict[tuple[int, str], Counter[str]](Counter)
    since = {"since": int(first.timestamp()) // QUARTER}
    for row in store.database.read_long(_QUARTERS, since):
        seconds = row["quarter"] * QUARTER + 60 * zone
        key = seconds // SECONDS[by], row["station"]
        sums[key].update({name: row[name] for name in COUNTED})
        steps[key].update(json.loads(row["steps"]))
    return [
        {
            "slot": _local(slot * SECONDS[by]).strftime(FORMATS[by]),
            "station": station,
            **{name: sums[slot, station][name] for name in COUNTED},
            "milliseconds": median(steps[slot, station]),
        }
        for slot, station in sorted(sums)
    ]


def _local(seconds: int) -> datetime:
    """Return a local time of the seconds that clocks there have gone since 1970."""
    return datetime.fromtimestamp(seconds, timezone.utc)


def add_hours(app: FastAPI, store: Store) -> None:
    """Add the address of the figures."""

    @app.get("/api/hours")
    def hours(
        by: By = "hour",
        zone: Annotated[int, Query(ge=-LARGEST_ZONE, le=LARGEST_ZONE)] = 0,
    ) -> list[dict[str, Any]]:
        """Return photos, defective and corrected ones, and the median milliseconds.

        Of the last 24 hours, or 30 days, `zone` minutes ahead of UTC.
        """
        return figures(store, by, zone)
