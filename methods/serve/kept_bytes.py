"""The bytes of a station's files, counted as they come and go."""

import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path


class KeptBytes:
    """How many bytes there are in files.

    What was there before is counted once, in the background, while others come.

    Attributes:
        bytes: that are known of.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self._lock = threading.Lock()
        self._came: set[Path] | None = set()  # until all are counted

    def add(self, path: Path, size: int) -> None:
        """Count a file that is about to be written."""
        with self._lock:
            if self._came is None or path not in self._came:
                self.bytes += size
            if self._came is not None:
                self._came.add(path)

    def subtract(self, size: int) -> None:
        """Count a file that was removed."""
        with self._lock:
            self.bytes -= size

    def count(self, folders: Iterable[Path]) -> Iterator[Path]:
        """Count what lies below folders, yielding each file that was there before."""
        for path in (path for folder in folders for path in _files(folder)):
            with self._lock:
                assert self._came is not None, "counted before"
                if path in self._came:
                    continue
                try:
                    self.bytes += path.stat().st_size
                except FileNotFoundError:
                    continue
            yield path
        with self._lock:
            self._came = None


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names)
