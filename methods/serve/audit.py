"""An append-only file whose lines each hold the hash of the line before."""

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from processing.errors import UserError

START = "0" * 64  # stands for the line before the first
PREVIOUS = "previous"  # the key of that hash

log = logging.getLogger(__name__)


def verify(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the entries of an audit file in order.

    Raises:
        UserError: a line was changed, removed, added between others or moved. Lines
            missing at the end show in the database alone, which has them, too.
    """
    previous = START
    lines = path.read_bytes().split(b"\n") if path.exists() else [b""]
    for number, line in enumerate(lines[:-1], 1):
        try:
            entry = json.loads(line)
            known = entry[PREVIOUS] == previous
        except (ValueError, KeyError, TypeError):
            known = False
        if not known:
            raise UserError(
                f"{path}: line {number} does not hold the hash of the line before: the "
                "file was changed"
            )
        yield entry
        previous = _hash(line)


class AuditFile:
    """An audit file that is written to, by one process.

    A last line that a kill cut off was never answered: it is cut away.

    Args:
        path: of the file, which need not exist.

    Raises:
        UserError: the file was changed, see `verify`.
    """

    def __init__(self, path: Path):
        self.path = path
        data = path.read_bytes() if path.exists() else b""
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            log.warning("warning: %s: a line that was cut off is removed", path)
            os.truncate(path, whole)
        self.entries = list(verify(path))
        lines = data[:whole].split(b"\n")
        self._last = _hash(lines[-2]) if self.entries else START

    def append(self, entry: Mapping[str, Any]) -> int:
        """Write an entry to the disk and return the number of its line, from 1."""
        line = json.dumps({**entry, PREVIOUS: self._last}, ensure_ascii=False).encode()
        try:
            with self.path.open("ab") as file:
                file.write(line + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise UserError(f"cannot write {self.path}: {error.strerror}") from error
        self._last = _hash(line)
        self.entries.append({**entry})
        return len(self.entries)


def _hash(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
