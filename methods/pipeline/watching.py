"""`test.py --watch`: judge the images of a folder as they arrive, each once."""

import csv
import io
import logging
import os
import time
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from methods.detector.decisions import load_decided
from methods.detector.json_record import JsonRecord
from methods.detector.judge import Judge
from processing.data.dataset import images_below, unlabelled
from processing.decoding.decode import fault
from processing.errors import UsageError, UserError
from processing.files import locked, write_json

from .judging import score_rows, without
from .testing import Options

POLL = 1.0  # seconds between two looks at the folder
BATCH = 16  # files that are judged at once
WATCH = "watch.json"

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Watched(JsonRecord):
    """watch.json: the folder whose images have rows in the scores.csv beside it."""

    folder: str


def watch(model: Path, options: Options) -> tuple[Path, int]:
    """Judge what is in a folder and what comes into it, until Ctrl-C.

    A file is judged once it can be read whole and has not changed between two looks.
    A row is on the disk before the next one is made, and no name that has one is judged
    again, whatever ended this process or an earlier one.

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
        scores = Scores(folder / "scores.csv")
        arrivals = Arrivals(source)
        before = len(scores.names)
        log.info("%d images judged before; Ctrl-C ends. Results: %s", before, folder)
        try:
            while True:
                for files in arrivals.look(scores.names):
                    if _judge(judge, source, files, scores):
                        arrivals.settle(files)
                time.sleep(POLL)
        except KeyboardInterrupt:
            return scores.path, len(scores.names) - before


def _claim(path: Path, source: Path) -> None:
    """Record whose scores these are; a `UsageError` if they are another folder's."""
    claim = Watched(folder=str(source))
    if path.exists() and (other := Watched.read(path).folder) != claim.folder:
        raise UsageError(
            f"{path.parent} holds the scores of {other}: expected another --results "
            f"for {source}"
        )
    write_json(path, claim.to_json())


def _judge(judge: Judge, source: Path, files: Sequence[Path], scores: "Scores") -> bool:
    """Add a row for each image in files; False if one could not be read after all."""
    try:
        named = {path.relative_to(source).as_posix(): path for path in files}
        detector = judge.detector
        images = unlabelled(named, detector.image_shape, cache_bytes=0)
        new = without(images, scores.names).prepared(detector.preparation)
        for row in score_rows(judge, new):
            scores.add(row)
            log.info("%s  %s  score %.4g", row["file"], row["verdict"], row["score"])
    except UserError as error:
        log.warning("warning: not judged yet: %s", error)
        return False
    return True


class Arrivals:
    """The image files of a folder that are whole, until they are settled."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.before: dict[Path, tuple[int, int]] = {}  # size and time of change
        self.settled: dict[Path, tuple[int, int]] = {}  # judged, or reported unreadable

    def settle(self, files: Sequence[Path]) -> None:
        """Leave out files from now on, as long as they do not change."""
        self.settled |= {path: self.before[path] for path in files}

    def look(self, names: Container[str]) -> Iterator[list[Path]]:
        """Yield lists of at most `BATCH` new files, unless they changed since the last.

        `names`, relative to the folder, are left out.
        """
        seen, ready = {}, []
        for path in images_below(self.folder):
            if path.relative_to(self.folder).as_posix() in names:
                continue
            try:
                status = path.stat()
            except OSError:  # it is gone again
                continue
            seen[path] = (status.st_size, status.st_mtime_ns)
            if self.before.get(path) == seen[path] and self._whole(path, seen[path]):
                ready.append(path)
        self.before = seen
        for start in range(0, len(ready), BATCH):
            yield ready[start : start + BATCH]

    def _whole(self, path: Path, state: tuple[int, int]) -> bool:
        """Return whether a file can be read; say once if it cannot."""
        if self.settled.get(path) == state:
            return False
        error = fault(path)
        if error:
            self.settled[path] = state
            log.warning("warning: not judged yet: %s", error)
        return not error


class Scores:
    """A CSV table that grows; a row that a kill cut off is removed on opening.

    Attributes:
        names: of the images that have a row.
    """

    def __init__(self, path: Path):
        self.path = path
        data = path.read_bytes() if path.exists() else b""
        whole = data[: data.rfind(b"\n") + 1]
        if whole != data:
            os.truncate(path, len(whole))
        reader = csv.DictReader(io.StringIO(whole.decode(), newline=""))
        self.names = {row["file"] for row in reader}
        self.columns = list(reader.fieldnames or ())

    def add(self, row: Mapping[str, Any]) -> None:
        """Write a row to the disk."""
        text = io.StringIO(newline="")
        new = not self.columns
        self.columns = self.columns or list(row)
        writer = csv.DictWriter(
            text, self.columns, extrasaction="ignore", lineterminator="\n"
        )
        if new:
            writer.writeheader()
        writer.writerow(row)
        with self.path.open("ab") as file:
            file.write(text.getvalue().encode())
            file.flush()
            os.fsync(file.fileno())
        self.names.add(row["file"])
