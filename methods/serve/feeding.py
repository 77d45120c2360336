"""Photos that the station takes by itself: of folders and cameras."""

import logging
import threading
from pathlib import Path

from methods.pipeline.arrivals import POLL, Arrivals, check_file
from processing.errors import UserError, reason
from processing.wording import printable

from .batching import Unavailable
from .metrics import Metrics
from .said import LONGEST
from .station import Station

log = logging.getLogger(__name__)


class Feeder(threading.Thread):
    """Takes photos to the station, one after the other, until it is stopped.

    Where photos wait, or none is judged, so does it: it is never refused.

    Args:
        station: that judges.
        metrics: in which results are counted.
        name: of the source, which results have as their station.
    """

    def __init__(self, station: Station, metrics: Metrics, name: str):
        super().__init__(name=name, daemon=True)
        self.ended = threading.Event()
        self._station = station
        self._metrics = metrics

    def stop(self) -> None:
        """Let it end after the photo that is being judged."""
        self.ended.set()

    def judge(self, data: bytes, name: str, key: str) -> None:
        """Have a photo judged by the first model, once for a key.

        Raises:
            UserError: it cannot be.
        """
        station = self._station
        while not station.store.of_request(key):
            with station.queue.awaited(self.ended) as admitted:
                if not admitted:
                    return
                model = next(iter(station.models.values()))
                words = name[-LONGEST:], "", self.name[:LONGEST], key
                photo = station.photo(data, model, *words)
                try:
                    self._metrics.judged(station.queue.submit(photo).result())
                except Unavailable:
                    self.ended.wait(POLL)


class FolderFeeder(Feeder):
    """Judges the images in a folder and what comes into it, each as it is once.

    See `Arrivals` for when a file is judged, and again. Files stay where they are.

    Args:
        station, metrics: see `Feeder`.
        folder: that is watched.
    """

    def __init__(self, station: Station, metrics: Metrics, folder: Path):
        source = folder.absolute()
        super().__init__(station, metrics, source.name or "images")
        self._arrivals = Arrivals(source)

    def run(self) -> None:
        """Look into the folder until `stop`."""
        while not self.ended.is_set():
            for path in self._arrivals.look():
                if self.ended.is_set():
                    return
                self._take(path)
            self.ended.wait(POLL)

    def _take(self, path: Path) -> None:
        """Have a file judged; one that cannot be is tried again once it changes."""
        arrivals = self._arrivals
        name = path.relative_to(arrivals.source).as_posix()
        size, changed, _ = arrivals.before[path]
        try:
            check_file(path)
            data = path.read_bytes()
            if arrivals.changed(path):
                return
            self.judge(data, printable(name), f"{path}\n{size} {changed}")
        except (OSError, UserError) as error:
            if arrivals.changed(path):
                return
            why = printable(reason(error).removeprefix(f"{path}: "))
            log.warning("warning: not judged: %s: %s", printable(name), why)
        if not self.ended.is_set():
            arrivals.settle(path)
