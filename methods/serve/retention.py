"""Which photos and pictures of a station are removed, and when: oldest first."""

import json
import logging
import shutil
import sqlite3
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

from processing.errors import UserError, reason

from .spool import Spool
from .station import PHOTOS, PICTURES, Station
from .store import as_text

PAUSE = 60.0  # seconds between two passes
STEP = 32  # results that are removed, or files that are counted, at once
REST = 0.02  # seconds between two steps: answers come first
RECENT = 60.0  # seconds within which a photo that came, or came again, is judged
_KEPT = "SELECT number, sha256, pictures FROM results WHERE pictures != '{}'"

log = logging.getLogger(__name__)


class Retention(threading.Thread):
    """Removes photos and pictures that are too old or too many.

    Rows of results stay, as do the audit file and the photos that people gave a
    verdict: of these only the bytes count, and they go last. Files go before their row
    is told so: a kill in between leaves work to the next pass.

    Args:
        station: whose folder it is.
        spool: whose messages become too old, too.
        days: that photos are kept, or None.
        bytes_: that photos and pictures may take, or None.
    """

    def __init__(
        self, station: Station, spool: Spool, days: float | None, bytes_: int | None
    ):
        super().__init__(name="retention", daemon=True)
        self._station = station
        self._kept = station.kept
        self._counted = False
        self._strays: list[Path] = []
        self._database = station.store.database
        self._spool = spool
        self._days = days
        self._bytes = bytes_
        self._ended = threading.Event()

    def stop(self) -> None:
        """Let it end after a step."""
        self._ended.set()

    def run(self) -> None:
        """Look every `PAUSE` until `stop`."""
        while not self._ended.is_set():
            try:
                self.look()
            except (OSError, UserError, sqlite3.Error) as error:
                log.warning("warning: retention: %s", reason(error))
            self._ended.wait(PAUSE)

    def look(self) -> None:
        """Remove what is too old or too much; the first time, count what is there."""
        if not self._counted and not self._count():
            return
        self._strays = [x for x in self._strays if not self._remove_stray(x)]
        if self._days is not None:
            limit = datetime.now(timezone.utc) - timedelta(days=self._days)
            time_ = as_text(limit)
            self._spool.drop_before(time_)
            while self._remove("corrected IS NULL AND time < ?", time_):
                pass
        if self._bytes is not None:
            for which in ("corrected IS NULL", "corrected IS NOT NULL"):
                while not self._fits() and self._remove(which):
                    pass

    def _count(self) -> bool:
        """Count photos and pictures, with rests between; return whether it is done.

        Photos of no result, which a kill left, are noted where there are limits.
        """
        folder = self._station.folder
        limited = self._days is not None or self._bytes is not None
        places = folder / PICTURES, folder / PHOTOS
        for number, path in enumerate(self._kept.count(places)):
            is_photo = places[1] in path.parents
            if limited and is_photo and not self._users(path.name):
                self._strays.append(path)
            if number % STEP == 0 and self._ended.wait(REST):
                return False
        self._counted = True
        return True

    def _remove_stray(self, path: Path) -> bool:
        """Remove a photo if it is of no result; return whether that is settled."""
        if self._users(path.name):
            return True
        self._kept.subtract(self._unlink(path))
        return not path.exists()

    def _users(self, sha256: str) -> int:
        """Return how many results still have a photo."""
        sql = "SELECT count(*) FROM results WHERE sha256 = ? AND pictures != '{}'"
        return int(self._database.read(sql, sha256)[0][0])

    def _remove(self, which: str, *values: str) -> bool:
        """Remove the files of the oldest results; return whether there may be more."""
        sql = f"{_KEPT} AND {which} ORDER BY number LIMIT ?"
        found = self._database.read(sql, *values, STEP)
        for row in found:
            if not values and self._fits():
                return False
            self._remove_files(row)
        return len(found) == STEP and not self._ended.wait(REST)

    def _fits(self) -> bool:
        return self._bytes is None or self._kept.bytes <= self._bytes

    def _remove_files(self, row: sqlite3.Row) -> None:
        """Remove the pictures of a result, and its photo unless others have it, too."""
        folder = self._station.folder
        for path in {(folder / x).parent for x in json.loads(row["pictures"]).values()}:
            self._kept.subtract(sum(x.stat().st_size for x in path.glob("*")))
            shutil.rmtree(path, ignore_errors=True)
            if path.parent.is_dir() and not any(path.parent.iterdir()):
                path.parent.rmdir()  # the day
        name = row["sha256"]
        if self._users(name) <= 1:
            self._kept.subtract(self._unlink(self._station.photo_path(name)))
        with self._database.change() as writer:
            sql = "UPDATE results SET pictures = '{}' WHERE number = ?"
            writer.execute(sql, (row["number"],))

    def _unlink(self, photo: Path) -> int:
        """Remove a photo and return its bytes; 0 if it may be in the judge's hands."""
        try:
            status = photo.stat()
        except FileNotFoundError:
            return 0
        if time.time() - status.st_mtime < RECENT:
            return 0
        photo.unlink(missing_ok=True)
        return status.st_size
