"""Photos from cameras, streams and films, by OpenCV."""

import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
from numpy.typing import NDArray

from processing.errors import UserError, reason

from .feeding import Feeder
from .metrics import Metrics
from .pauses import pause
from .station import Station
from .store import now

EVERY = 1000  # milliseconds between two photos
SMALL = (64, 64)  # pixels of the grey pictures that are compared
STILL = 2.0  # grey levels of 255, the mean difference below which nothing moves
FAST = (cv2.IMWRITE_PNG_COMPRESSION, 1)

log = logging.getLogger(__name__)

Frame = NDArray[Any]  # (H, W, 3) uint8, BGR


@dataclass(frozen=True)
class Source:
    """Where frames come from.

    Attributes:
        text: number of a camera, URL, or path of a film.
        every: milliseconds from one photo to the next at least, of a film in its own
            time.
        when_still: whether photos are only taken when nothing moves.
    """

    text: str
    every: float = EVERY
    when_still: bool = False

    @property
    def is_film(self) -> bool:
        """Whether it has an end."""
        return not self.text.isdecimal() and "://" not in self.text

    @property
    def name(self) -> str:
        """What results have as their station: of a URL without user and password."""
        if self.text.isdecimal():
            return f"camera {self.text}"
        if self.is_film:
            return Path(self.text).name
        parts = urlsplit(self.text)
        return f"{parts.hostname or ''}{parts.path}"


class Stillness:
    """Knows whether something stands still that has moved since it was taken."""

    def __init__(self) -> None:
        self._before: NDArray[np.float32] | None = None
        self._taken = False

    def see(self, frame: Frame) -> bool:
        """Return whether the picture stands still and was not taken yet."""
        grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        small = cv2.resize(grey, SMALL, interpolation=cv2.INTER_AREA).astype(np.float32)
        before, self._before = self._before, small
        if before is None or np.abs(small - before).mean() >= STILL:
            self._taken = False
            return False
        return not self._taken

    def take(self) -> None:
        """Take it that the picture was taken."""
        self._taken = True


class Camera(Feeder):
    """Judges frames of a source; one that breaks off is opened again and again.

    Of a film each frame is judged once, however often the station starts.

    Args:
        station, metrics: see `Feeder`.
        source: of the frames.
    """

    def __init__(self, station: Station, metrics: Metrics, source: Source):
        super().__init__(station, metrics, source.name)
        self._source = source
        self._film = ""
        if source.is_film:
            status = Path(source.text).stat()
            place = Path(source.text).absolute()
            self._film = f"{place}\n{status.st_size} {status.st_mtime_ns}"

    def run(self) -> None:
        """Take photos until `stop`, or the end of a film."""
        attempts = 0
        while not self.ended.is_set():
            for number, frame in self._chosen():
                if attempts:
                    log.info("%s: connected again", self.name)
                attempts = 0
                self._take(number, frame)
                if self.ended.is_set():
                    return
            if self._source.is_film:
                log.info("%s: the film ended", self.name)
                return
            if attempts == 0:
                log.warning("warning: %s: no picture; trying again", self.name)
            self.ended.wait(pause(attempts))
            attempts += 1

    def _take(self, number: int, frame: Frame) -> None:
        name = f"{number:06}.png" if self._film else f"{now()}.png"
        key = f"{self._film} {number}" if self._film else f"{self.name}\n{name}"
        try:
            self.judge(cv2.imencode(".png", frame, FAST)[1].tobytes(), name, key)
        except UserError as error:
            log.warning("warning: not judged: %s: %s", self.name, reason(error))

    def _chosen(self) -> Iterator[tuple[int, Frame]]:
        """Yield the numbers and frames that are to be judged."""
        still, due = Stillness(), -math.inf
        for number, milliseconds, frame in frames(self._source):
            if self.ended.is_set():
                return
            rests = not self._source.when_still or still.see(frame)
            if rests and milliseconds >= due:
                still.take()
                due = milliseconds + self._source.every
                yield number, frame


def frames(source: Source) -> Iterator[tuple[int, float, Frame]]:
    """Yield number, milliseconds and pixels of frames until they end."""
    text = source.text
    capture = cv2.VideoCapture(int(text) if text.isdecimal() else text)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # frames that are not old, if it can
    try:
        number = 0
        while capture.isOpened():
            read, frame = capture.read()
            if not read:
                return
            film = capture.get(cv2.CAP_PROP_POS_MSEC)
            yield number, film if source.is_film else 1000 * time.monotonic(), frame
            number += 1
    finally:
        capture.release()
