"""Whether photos that are judged good change: four charts of one stream."""

import logging
from collections.abc import Mapping
from pathlib import Path

from methods.detector.judge import Judge, Verdict
from processing.decision.drift import Chart, alarm_line, below
from processing.decoding.appearance import QUANTITIES, appearance
from processing.decoding.decode import read_pixels
from processing.errors import UsageError
from processing.files import read_table
from processing.wording import printable

from .evaluation import Row
from .growing_table import Table

CRITICAL = "critical"  # the score that is watched
WATCHED = (CRITICAL, *QUANTITIES)
WORDS = {name: "score" if name == CRITICAL else name for name in WATCHED}
DRIFT = "drift"  # the column of the highest capital
ALARMS = "drift.csv"

Reading = Mapping[str, float]

log = logging.getLogger(__name__)


def counts(judge: Judge, verdict: Verdict) -> bool:
    """Return whether a photo is one of those judged good that drift looks at.

    Scores of the stream are to be cut off where those of the validation images are; see
    `below`.
    """
    critical = verdict.critical
    return not verdict.defective and (
        critical is None or critical < judge.decision.threshold
    )


def watched_score(verdict: Verdict) -> float:
    """Return the score that drift looks at: that of the decision, if it has one."""
    return verdict.score if verdict.critical is None else verdict.critical


class Charts:
    """The charts of one stream of photos that one decision judged good.

    Photos of before a change of the decision are none of the stream.

    Args:
        judge: whose validation images the first scores are compared with.
        alpha: probability of an alarm of any of the charts, ever, without a change.
    """

    def __init__(self, judge: Judge, alpha: float):
        self.judge = judge
        good = below(judge.good_scores, judge.decision.threshold)
        self.charts = {
            name: Chart(good if name == CRITICAL else (), name != CRITICAL)
            for name in WATCHED
        }
        self.line = alarm_line(alpha, len(WATCHED))
        self.count = 0
        self.logs = dict.fromkeys(WATCHED, 0.0)
        self.alarms: dict[str, int] = {}

    def add(self, reading: Reading, key: str) -> list[str]:
        """Take a photo in and return the quantities that alarm with it.

        Args:
            reading: a value of each of `WATCHED`.
            key: of the photo alone, see `Chart.add`.
        """
        self.count += 1
        self.logs = {
            name: chart.add(reading[name], f"{key} {name}")
            for name, chart in self.charts.items()
        }
        found = [
            name
            for name, log in self.logs.items()
            if log >= self.line and name not in self.alarms
        ]
        self.alarms |= dict.fromkeys(found, self.count)
        return found


class FolderDrift:
    """The charts of a watched folder, from its scores.csv, and the alarms beside it.

    Args:
        judge: of the photos.
        alpha: see `Charts`.
        scores: the table; what it has is counted.

    Raises:
        UsageError: the table was begun without what drift needs.
    """

    def __init__(self, judge: Judge, alpha: float, scores: Table):
        if scores.columns and CRITICAL not in scores.columns:
            raise UsageError(
                f"{scores.path} was begun without --drift: expected another --results"
            )
        self.judge = judge
        self.charts = Charts(judge, alpha)
        self.alarms = Table(scores.path.with_name(ALARMS))
        if scores.columns:
            for row in read_table(scores.path.read_text("utf-8")):
                if row[CRITICAL]:
                    self._count(row, {name: float(row[name]) for name in WATCHED})

    def columns(self, path: Path, verdict: Verdict) -> Row:
        """Return what a row says of a photo: nothing if it does not count."""
        if not counts(self.judge, verdict):
            return dict.fromkeys((*WATCHED, DRIFT))
        pixels = read_pixels(path, self.judge.detector.image_shape[2])
        return {CRITICAL: watched_score(verdict), **appearance(pixels), DRIFT: None}

    def counted(self, row: Row) -> Row:
        """Count the photo of a row, if it is one that counts, and return the row."""
        if row[CRITICAL] is None:
            return row
        self._count(row, {name: row[name] for name in WATCHED})
        return row | {DRIFT: max(self.charts.logs.values())}

    def _count(self, row: Row, reading: Reading) -> None:
        when = {key: row[key] for key in ("size", "time")}
        for name in self.charts.add(
            reading, f"{row['file']} {row['size']} {row['time']}"
        ):
            self._alarm({"file": row["file"], "quantity": name, **when})

    def _alarm(self, row: Row) -> None:
        name, decision = row["quantity"], self.judge.name
        path, known = self.alarms.path, list[dict[str, str]]()
        if path.exists():
            known = read_table(path.read_text("utf-8"))
        if any((x["quantity"], x["decision"]) == (name, decision) for x in known):
            return
        capital = {DRIFT: self.charts.logs[name], "photos": self.charts.count}
        self.alarms.add({**row, **capital, "decision": decision})
        log.warning(
            "warning: drift: %s of the photos judged good changed by photo %d, %s",
            WORDS[name],
            self.charts.count,
            printable(row["file"]),
        )
