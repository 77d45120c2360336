"""`test.py --watch`: judge the images of a folder as they arrive, each once."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from methods.detector.decisions import load_decided
from methods.detector.json_record import JsonRecord
from methods.detector.judge import Judge
from processing.data.dataset import unlabelled
from processing.errors import UsageError, UserError, reason
from processing.files import locked, write_json
from processing.wording import printable

from .arrivals import POLL, Arrivals, check_file
from .drifting import FolderDrift
from .evaluation import Row
from .growing_table import Table, Written, open_scores
from .judging import (
    NOT_JUDGED,
    file_time,
    isolate_errors,
    score_row,
    written_name,
)
from .testing import Options

BATCH = 16  # files that are judged at once
WATCH = "watch.json"

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Watched(JsonRecord):
    """watch.json: the folder whose images have rows in the scores.csv beside it."""

    folder: str


def watch(model: Path, options: Options, drift: float = 0) -> tuple[Path, int]:
    """Judge what is in a folder and what comes into it, until Ctrl-C.

    A file is judged once it has not changed between two looks, and again when its size
    or time changes. A row is on the disk before the next one is made, and no file that
    has one is judged again, whatever ended this process or an earlier one. What cannot
    be judged, for whatever reason, has a line in not_judged.csv until it is, and is
    tried again when it changes, and by the next start.

    Args:
        model: that judges.
        options: of judging.
        drift: see `Charts`; 0: changes of the photos are not looked for.

    Returns:
        The table of scores and how many rows were added.
    """
    assert options.images is not None
    if not options.images.is_dir():
        raise UsageError(f"--watch: expected a folder. Received: {options.images}")
    source = options.images.absolute()
    judge, record, _ = load_decided(model, *options.decided)
    folder = options.results / record.run / "watch" / (source.name or "images")
    with locked(folder / ".lock"):
        _claim(folder / WATCH, source)
        watcher = Watcher(judge, source, folder, drift)
        before = len(watcher.scores.written)
        log.info("%d images judged before; Ctrl-C ends. Results: %s", before, folder)
        try:
            while True:
                watcher.look()
                time.sleep(POLL)
        except KeyboardInterrupt:
            return watcher.scores.path, watcher.scores.added


def _claim(path: Path, source: Path) -> None:
    """Record whose scores these are; a `UsageError` if they are another folder's."""
    claim = Watched(folder=str(source))
    if path.exists() and (other := Watched.read(path).folder) != claim.folder:
        raise UsageError(
            f"{path.parent} holds the scores of {other}: expected another --results "
            f"for {source}"
        )
    write_json(path, claim.to_json())


class Watcher:
    """What is known of the files of a folder, in memory and in two tables.

    Args:
        judge: of the images.
        source: the folder.
        folder: where the tables are.
        drift: see `watch`.
    """

    def __init__(self, judge: Judge, source: Path, folder: Path, drift: float = 0):
        self.judge = judge
        self.scores = open_scores(folder / "scores.csv", judge.name)
        self.drift = FolderDrift(judge, drift, self.scores) if drift else None
        self.not_judged = Table(folder / NOT_JUDGED)
        self.arrivals = Arrivals(source)

    def look(self) -> None:
        """Judge all files that are new and have not changed since the last look."""
        new = [path for path in self.arrivals.look() if self._is_new(path)]
        files = [path for path in new if self._is_file(path)]
        for start in range(0, len(files), BATCH):
            batch = files[start : start + BATCH]
            for paths, result in isolate_errors(self._rows, batch, apart):
                if isinstance(result, Exception):
                    self._leave_out(paths[0], result)
                    continue
                for path, rows in result.items():
                    self._add(path, rows)

    def _is_new(self, path: Path) -> bool:
        """Return whether a file is to be judged; settle it if its row is there."""
        name = self._name(path)
        if self.scores.written.get(name) != self._written(path):
            return True
        self._settle(path)
        return False

    def _is_file(self, path: Path) -> bool:
        """Return whether a path can be opened, without waiting for a pipe's writer."""
        try:
            check_file(path)
        except (OSError, UserError) as error:
            self._leave_out(path, error)
            return False
        return True

    def _rows(self, paths: Sequence[Path]) -> dict[Path, list[Row]]:
        """Judge files; return the rows of those of their images that have none yet."""
        named = {self._name(path): path for path in paths}
        if len(named) < len(paths):  # alone, each of them is judged
            raise UserError("files whose names are written alike")
        detector, written = self.judge.detector, self.scores.written
        images = unlabelled(named, detector.image_shape, cache_bytes=0)
        files = zip(images.names, images.files, strict=True)
        new = [
            index
            for index, (name, file) in enumerate(files)
            if written.get(name) != self._written(file)
        ]
        images = images.subset(new).prepared(detector.preparation)
        rows: dict[Path, list[Row]] = {path: [] for path in paths}
        for index, verdict in enumerate(self.judge.judge(images)):
            file, path = images.files[index], images.paths[index]
            row = score_row(images, index, verdict, self.judge.columns)
            row |= self.drift.columns(path, verdict) if self.drift else {}
            rows[file].append(row | self._columns(file))
        return rows

    def _add(self, path: Path, rows: Sequence[Row]) -> None:
        """Write the rows of a file, unless it has changed while it was read."""
        if self.arrivals.changed(path):
            return
        for row in rows:
            self.scores.add(self.drift.counted(row) if self.drift else row)
            name = printable(row["file"])
            log.info("%s  %s  score %.4g", name, row["verdict"], row["score"])
        self._settle(path)

    def _leave_out(self, path: Path, error: Exception) -> None:
        """List a file as not judged, unless it is or has changed while it was read."""
        if self.arrivals.changed(path):
            return
        self.arrivals.settle(path)
        name = self._name(path)
        if self.not_judged.written.get(name) == self._written(path):
            return
        self.not_judged.discard(name)
        why = reason(error).removeprefix(f"{path}: ")
        self.not_judged.add({"file": name, "reason": why, **self._columns(path)})
        log.warning("warning: not judged: %s: %s", printable(name), printable(why))

    def _settle(self, path: Path) -> None:
        """Take it that the rows of a file, as it is, are written."""
        self.arrivals.settle(path)
        self.not_judged.discard(self._name(path))

    def _name(self, path: Path) -> str:
        """Return what tables call a file."""
        return written_name(path.relative_to(self.arrivals.source).as_posix())

    def _columns(self, path: Path) -> Row:
        size, changed, _ = self.arrivals.before[path]
        return {"size": size, "time": file_time(changed)}

    def _written(self, path: Path) -> Written:
        size, changed = self._columns(path).values()
        return str(size), changed


def apart(paths: Sequence[Path]) -> list[list[Path]]:
    """Return a list for each path."""
    return [[path] for path in paths]
