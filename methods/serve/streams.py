"""A stream of photos that one decision judged good, and its charts."""

import hashlib
import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from methods.detector.judge import Judge
from methods.pipeline.drifting import WATCHED, Charts, Reading

POINTS = 400  # of a chart; every other one goes once there are as many


@dataclass(frozen=True)
class Key:
    """What photos of one stream have in common, see `Result`."""

    model: str
    decision: str
    station: str

    @property
    def id(self) -> str:
        """A short name, for addresses."""
        text = "\0".join((self.model, self.decision, self.station))
        return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]


@dataclass(eq=False)
class Stream:
    """The charts of a stream since it was begun, or begun anew.

    Attributes:
        key: of its photos.
        since: number of the result after which it begins.
        charts: of its photos.
        points: (photos, time in seconds, a logarithm of each chart), thinned out.
        step: photos from one point to the next.
    """

    key: Key
    since: int
    charts: Charts
    points: list[list[float]] = field(default_factory=list)
    step: int = 1

    def add(self, id_: str, seconds: float, reading: Reading) -> list[str]:
        """Take the photo of a result in; return the quantities that alarm with it."""
        alarms = self.charts.add(reading, id_)
        if self.charts.count % self.step == 0:
            self.points.append([self.charts.count, seconds, *self.charts.logs.values()])
        if len(self.points) >= POINTS:
            self.step *= 2
            self.points = [x for x in self.points if x[0] % self.step == 0]
        return alarms

    def state(self) -> bytes:
        """Return all that `restored` needs, besides key and judge."""
        arrays: dict[str, Any] = {"points": np.array(self.points), "step": self.step}
        for name, chart in self.charts.charts.items():
            jumper = chart.jumper
            arrays[name] = np.array(chart.bag.values)
            arrays[f"{name}_bets"] = [*jumper.shares, jumper.log, jumper.count]
        with io.BytesIO() as file:
            np.savez(file, **arrays)
            return file.getvalue()


def begun(key: Key, since: int, judge: Judge, alpha: float) -> Stream:
    """Return a stream without photos."""
    return Stream(key, since, Charts(judge, alpha))


def restored(key: Key, since: int, judge: Judge, alpha: float, state: bytes) -> Stream:
    """Return the stream whose `state` was kept."""
    stream = begun(key, since, judge, alpha)
    charts = stream.charts
    with np.load(io.BytesIO(state)) as arrays:
        stream.points = arrays["points"].tolist()
        stream.step = int(arrays["step"])
        for name in WATCHED:
            chart, bets = charts.charts[name], arrays[f"{name}_bets"]
            chart.bag.values = arrays[name].tolist()
            chart.jumper.shares = bets[:4]
            chart.jumper.log, chart.jumper.count = float(bets[4]), int(bets[5])
            charts.logs[name] = chart.jumper.log10
    charts.count = charts.charts[WATCHED[0]].jumper.count
    return stream
