"""What arrives in a folder: files that are named like images, once they are whole."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from processing.data.listing import entries
from processing.decoding.decode import SUFFIXES
from processing.errors import UserError

POLL = 1.0  # seconds between two looks at a folder

State = tuple[int, int, int]  # of a file: size, time of change, time of any change


class Arrivals:
    """The files of a folder that are to be judged.

    A file is whole once it has not changed between two looks, and new again once its
    size or time changes.

    Args:
        source: the folder.

    Attributes:
        before: the state of each file at the last look.
        settled: the states of those that nothing is left to do with.
    """

    def __init__(self, source: Path):
        self.source = source
        self.before: dict[Path, State] = {}
        self.settled: dict[Path, State] = {}

    def look(self) -> list[Path]:
        """Return what is whole and not settled, in natural order."""
        states = {path: state_of(path) for path in candidates(self.source)}
        seen = {path: state for path, state in states.items() if state}
        stable = [path for path in seen if self.before.get(path) == seen[path]]
        self.before = seen
        self.settled = {x: y for x, y in self.settled.items() if x in seen}
        return [path for path in stable if self.settled.get(path) != seen[path]]

    def settle(self, path: Path) -> None:
        """Take it that nothing is left to do with a file as it is."""
        self.settled[path] = self.before[path]

    def changed(self, path: Path) -> bool:
        """Return whether a file has changed since the last look."""
        return state_of(path) not in (None, self.before[path])


def check_file(path: Path) -> None:
    """Raise an error unless a path can be opened, without waiting for a pipe's writer.

    Raises:
        UserError: it is no file.
        OSError: it cannot be looked at.
    """
    if path.is_dir():
        entries(path)  # says why not
        raise UserError("expected an image file. Received: a folder")
    if not stat.S_ISREG(path.stat().st_mode):
        raise UserError("expected an image file. Received: no regular file")


def candidates(folder: Path) -> Iterator[Path]:
    """Yield what in a folder and below it is named like an image, in natural order.

    So are folders of such names without images, and whatever cannot be looked into.
    """
    waiting = [folder]
    while waiting:
        path = waiting.pop()
        if os.path.isdir(path) and not path.is_symlink():  # it may lead in a circle
            try:
                inside = entries(path)
            except UserError:
                yield path
                continue
            waiting += reversed(inside)
            if is_named(path) and not any(map(is_named, inside)):
                yield path
        elif is_named(path) or not os.path.lexists(path):  # or its path is too long
            yield path


def is_named(path: Path) -> bool:
    """Return whether a path is named like an image."""
    return path.name.lower().endswith(SUFFIXES)


def state_of(path: Path) -> State | None:
    """Return the state of a file, or of a link to nowhere; None if there is neither.

    Zeros stand for what cannot be known.
    """
    for look in (os.stat, os.lstat):
        try:
            status = look(path)
        except FileNotFoundError:
            continue
        except OSError:
            return 0, 0, 0
        return status.st_size, status.st_mtime_ns, status.st_ctime_ns
    return None
