"""What the station did by hour, or by day."""

from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query

from .quarters import QUARTER, median, steps_of
from .store import Store

SLOTS = {"hour": 24, "day": 30}  # how many of each are told
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
    found: dict[tuple[str, str], dict[str, Any]] = {}
    since = {"since": int(first.timestamp()) // QUARTER}
    for row in store.database.read_long(_QUARTERS, since):
        time = datetime.fromtimestamp(row["quarter"] * QUARTER, local)
        slot, station = time.strftime(FORMATS[by]), row["station"]
        none = {"slot": slot, "station": station} | dict.fromkeys(COUNTED, 0)
        sums = found.setdefault((slot, station), none | {"milliseconds": Counter()})
        for name in COUNTED:
            sums[name] += row[name]
        sums["milliseconds"].update(steps_of(row["steps"]))
    for sums in found.values():
        sums["milliseconds"] = median(sums["milliseconds"])
    return [found[key] for key in sorted(found)]


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
