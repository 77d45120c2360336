"""The photos that people labelled, and their area curves, made in the background."""

import json
import logging
import threading
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from processing.decision.regions import AreaCurve
from processing.errors import reason

from .batching import Unavailable
from .models import Served
from .station import Station

PAUSE = 5.0  # seconds until photos are tried again that nothing judged
MOST = 1000  # photos that sliders and comparisons take, the last ones that came
_LABELLED = """SELECT max(number), id, sha256, name, part, corrected FROM results
WHERE corrected IS NOT NULL AND model IN (SELECT value FROM json_each(?))
GROUP BY sha256 ORDER BY number DESC LIMIT ?"""
_KNOWN = "SELECT sha256 FROM curves WHERE model = ? AND maps = ?"
_CURVES = "SELECT sha256, score, levels, areas FROM curves WHERE model = ? AND maps = ?"

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Labelled:
    """A photo that a person corrected, or confirmed.

    Attributes:
        id: of the last of its results that has a label.
        sha256: of the photo.
        name: as people know it.
        label: "good" or "defective".
        score: that a model gives it.
        curve: of the map that a model gives it.
    """

    id: str
    sha256: str
    name: str
    label: str
    score: float
    curve: AreaCurve


class Labels:
    """The labelled photos of a station, judged by the models that judge now.

    A thread of its own judges those that are new, one at a time, between the photos
    that come.

    Args:
        station: whose photos they are.
        models: returns the ids of those whose photos a model takes.
        tell: browsers that there are more, see `Events.tell`.
    """

    def __init__(
        self,
        station: Station,
        models: Callable[[Served], Sequence[str]],
        tell: Callable[[str, Mapping[str, Any]], None],
    ):
        self.station = station
        self.models = models
        self.tell = tell
        self.lost: set[str] = set()  # SHA-256 of photos that are not there any more
        self._wake, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="labels", daemon=True)
        station.labelled = self.wake

    def start(self) -> None:
        """Begin with what is labelled already."""
        self._thread.start()
        self.wake()

    def wake(self) -> None:
        """Look for photos that have no curve yet: labels, or models, are new."""
        self._wake.set()

    def close(self) -> None:
        """End the thread, after the photo that it judges."""
        self._ended.set()
        self.wake()
        if self._thread.is_alive():
            self._thread.join()

    def of(self, model: Served) -> tuple[list[Labelled], int]:
        """Return the photos that a model has judged, and how many it has yet to judge.

        A photo that was judged several times counts once, by its last label.
        """
        rows, curves = self._rows(model), self._curves(model)
        found = [
            Labelled(
                row["id"],
                row["sha256"],
                row["name"] or row["part"] or row["id"],
                row["corrected"],
                *curves[row["sha256"]],
            )
            for row in rows
            if row["sha256"] in curves
        ]
        missing = {row["sha256"] for row in rows} - {*curves} - self.lost
        return found, len(missing)

    def _rows(self, model: Served) -> list[Any]:
        ids = json.dumps([*self.models(model)])
        return self.station.store.database.read(_LABELLED, ids, MOST)

    def _curves(self, model: Served) -> dict[str, tuple[float, AreaCurve]]:
        rows = self.station.store.database.read(_CURVES, model.id, model.maps)
        return {
            row["sha256"]: (
                row["score"],
                AreaCurve(_array(row["levels"], "<f8"), _array(row["areas"], "<i8")),
            )
            for row in rows
        }

    def _run(self) -> None:
        while self._wake.wait() and not self._ended.is_set():
            self._wake.clear()
            for model in list(self.station.models.values()):
                try:
                    self._complete(model)
                except Unavailable:
                    self._ended.wait(PAUSE)
                    self.wake()
                except Exception as error:  # the thread goes on, whatever it is
                    log.error("labelled photos: %s", reason(error))

    def _complete(self, model: Served) -> None:
        """Judge the labelled photos of a model that it has not judged."""
        read = self.station.store.database.read
        known = {row["sha256"] for row in read(_KNOWN, model.id, model.maps)}
        for row in self._rows(model):
            sha256 = row["sha256"]
            if self._ended.is_set():
                return
            if sha256 in known or sha256 in self.lost:
                continue
            try:
                self._judge(model, sha256)
            except Unavailable:
                raise
            except Exception as error:
                self.lost.add(sha256)
                log.warning("warning: labelled photo %s: %s", sha256, reason(error))
        self.tell("labels", {"model": model.id})

    def _judge(self, model: Served, sha256: str) -> None:
        channels = model.judge.detector.image_shape[2]
        pixels = self.station.pixels(sha256, channels)
        with self.station.turn:
            score, curve = model.curve(pixels)
        levels, areas = (
            zlib.compress(x.astype(kind).tobytes())
            for x, kind in ((curve.levels, "<f8"), (curve.areas, "<i8"))
        )
        row = model.id, model.maps, sha256, score, levels, areas
        with self.station.store.database.change() as writer:
            writer.execute("INSERT OR REPLACE INTO curves VALUES (?,?,?,?,?,?)", row)


def _array(data: bytes, kind: str) -> np.ndarray:
    return np.frombuffer(zlib.decompress(data), kind)
