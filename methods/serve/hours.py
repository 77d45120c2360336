"""What the station did by hour, or by day: one query, of the index alone."""

from datetime import datetime, timedelta, timezone
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query

from .store import Store, as_text

SLOTS = {"hour": 24, "day": 30}  # how many of each are told
FORMATS = {"hour": "%Y-%m-%dT%H:00", "day": "%Y-%m-%d"}
LARGEST_ZONE = 14 * 60  # minutes between UTC and any local time
# The median is the mean of the one or two values in the middle.
_FIGURES = """WITH photos AS (
    SELECT strftime(:form, time, :zone) AS slot, station,
        coalesce(corrected, verdict) = 'defective' AS defective,
        corrected IS NOT NULL AND corrected <> verdict AS corrected, milliseconds
    FROM results WHERE time >= :since),
ranked AS (
    SELECT *, row_number() OVER (
        PARTITION BY slot, station ORDER BY milliseconds) AS place,
    count(*) OVER (PARTITION BY slot, station) AS photos FROM photos)
SELECT slot, station, photos, sum(defective) AS defective, sum(corrected) AS corrected,
    avg(CASE WHEN place IN ((photos + 1) / 2, (photos + 2) / 2) THEN milliseconds END)
    AS milliseconds
FROM ranked GROUP BY slot, station ORDER BY slot, station"""

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
        "milliseconds", the median.
    """
    local = timezone(timedelta(minutes=zone))
    last = (now or datetime.now(timezone.utc)).astimezone(local)
    first = last.replace(minute=0, second=0, microsecond=0)
    first = first if by == "hour" else first.replace(hour=0)
    first -= timedelta(**{f"{by}s": SLOTS[by] - 1})
    zone_ = f"{zone:+} minutes"
    values = {"form": FORMATS[by], "zone": zone_, "since": as_text(first)}
    return [dict(row) for row in store.database.read_long(_FIGURES, values)]


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
