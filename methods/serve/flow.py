"""What flows into a station by itself and out of it: built from options, and ended."""

import hashlib
import socket
from dataclasses import dataclass
from pathlib import Path

from .cameras import EVERY, Camera, Source
from .drift import Drift, Tell
from .feeding import Feeder, FolderFeeder
from .metrics import Metrics
from .mqtt import Broker, Mqtt
from .retention import Retention
from .spool import Receiver, Spool, Verdicts
from .station import Station
from .webhook import Webhook


@dataclass(frozen=True, kw_only=True)
class FlowOptions:
    """What flows.

    Attributes:
        drift: see `Drift`; 0: changes are not looked for.
        folders: that are watched.
        cameras: their texts, see `Source`.
        every, when_still: see `Source`.
        webhook, secret: see `Webhook`.
        mqtt: the broker, or None.
        keep_days, keep_bytes: see `Retention`.
    """

    drift: float = 0.01
    folders: tuple[Path, ...] = ()
    cameras: tuple[str, ...] = ()
    every: float = EVERY
    when_still: bool = False
    webhook: str | None = None
    secret: bytes | None = None
    mqtt: Broker | None = None
    keep_days: float | None = None
    keep_bytes: int | None = None


class Flow:
    """The parts around a station that run by themselves.

    Args:
        station: in the middle.
        options: which parts there are.
        tell: browsers of a kind of event, and what it is.

    Attributes:
        drift: or None.
    """

    def __init__(self, station: Station, options: FlowOptions, tell: Tell):
        self.station = station
        self.options = options
        self.spool = Spool(station.store.database, _receivers(options))
        self.drift = (
            Drift(station, options.drift, tell, self.spool) if options.drift else None
        )
        limits = options.keep_days, options.keep_bytes
        self.retention = Retention(station, self.spool, *limits)
        self._feeders: list[Feeder] = []
        station.ending.append(self.close)
        station.followers += [
            Verdicts(self.spool),
            *([self.drift] if self.drift else []),
        ]

    def start(self, metrics: Metrics) -> None:
        """Begin to take photos, to deliver and to remove."""
        around = self.station, metrics
        self._feeders += [
            FolderFeeder(*around, folder) for folder in self.options.folders
        ]
        how = self.options.every, self.options.when_still
        self._feeders += [
            Camera(*around, Source(text, *how)) for text in self.options.cameras
        ]
        self.spool.start()
        for thread in (self.retention, *self._feeders):
            thread.start()

    def stop_feeding(self) -> None:
        """End what takes photos, after those that are being judged."""
        for feeder in self._feeders:
            feeder.stop()
        for feeder in self._feeders:
            feeder.join()

    def close(self) -> None:
        """End all else, once no photo is judged any more."""
        self.retention.stop()
        self.spool.close()
        if self.retention.is_alive():
            self.retention.join()
        if self.drift:
            self.drift.close()


def _receivers(options: FlowOptions) -> list[Receiver]:
    found: list[Receiver] = []
    if options.webhook:
        found.append(Webhook(options.webhook, options.secret))
    if options.mqtt:
        found.append(Mqtt(options.mqtt))
    return found


def client_name(folder: Path) -> str:
    """Return the name that a broker knows the station of a folder by, at every start.

    It has 23 characters, as many as every broker takes.
    """
    text = f"{socket.gethostname()}\0{folder.resolve()}"
    return f"keras-anomaly-{hashlib.sha256(text.encode()).hexdigest()[:9]}"
