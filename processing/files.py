"""Atomic file writes, tables, new folders and file locks."""

import csv
import hashlib
import io
import json
import logging
import os
import re
import secrets
import shutil
import socket
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from filelock import lock_descriptor

from .errors import UserError, shortened

LOCK = ".lock"  # of a folder that one process at a time works in
ABANDONED = 24 * 3600.0  # seconds, the age of what an unknown process left behind
# Of `replacing` and `temporary_folder`: what for, which machine, process, and a random
# ending.
_TEMPORARY = re.compile(
    r"\.(?P<stem>.*)-(?P<machine>[0-9a-f]{8})-(?P<process>\d+)-\w{8}(\.\w+)?", re.DOTALL
)
# What OWASP names as the beginning of a formula, and our mark before it.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_QUOTED = frozenset(',"\r\n')

log = logging.getLogger(__name__)


@contextmanager
def replacing(path: Path, suffix: str | None = None) -> Iterator[Path]:
    """Yield a temporary path beside `path` that replaces it if the block succeeds.

    The data is on the disk before the rename; after a failure the temporary file is
    gone and an older `path` is untouched. What a kill leaves of one is for
    `remove_leftovers`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            dir=path.parent, prefix=_prefix(path.stem), suffix=suffix or path.suffix
        )
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:  # Windows syncs no file that is read alone
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise UserError(f"cannot write {path}: {reason}") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def temporary_folder(parent: Path, purpose: str) -> Iterator[Path]:
    """Yield a new hidden folder in `parent` that is gone when the block ends.

    What killed processes left of such folders is removed first.
    """
    remove_leftovers(parent, purpose)
    with tempfile.TemporaryDirectory(prefix=_prefix(purpose), dir=parent) as folder:
        yield Path(folder)


def temporary_path(parent: Path, purpose: str) -> Path:
    """Return a new hidden path in `parent`, which `remove_leftovers` knows."""
    return parent / f"{_prefix(purpose)}{secrets.token_hex(4)}"


def remove_leftovers(folder: Path, purpose: str | None = None) -> None:
    """Remove what killed processes left of temporary files in `folder`, and below it.

    A file or folder of a process that lives, or may live on another machine that shares
    the folder, stays; of another machine it goes a day after its last change.

    Args:
        folder: which need not exist.
        purpose: leave out folders below, and what is for another purpose.
    """
    for path in list((folder.glob if purpose else folder.rglob)(".*-*-*")):
        match = _TEMPORARY.fullmatch(path.name)
        if not match or purpose not in (None, match["stem"]) or _is_used(path, match):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _prefix(purpose: str) -> str:
    """Return how the names of this process's temporary files begin.

    Short enough for any name: no file system takes more than 255 bytes.
    """
    start = os.fsencode(purpose)[:180].decode("utf-8", "ignore")
    return f".{start}-{_machine()}-{os.getpid()}-"


def _machine() -> str:
    return f"{zlib.crc32(socket.gethostname().encode()):08x}"


def _is_used(path: Path, match: re.Match[str]) -> bool:
    """Return whether the process that made a temporary file may still need it."""
    if match["machine"] == _machine():
        return psutil.pid_exists(int(match["process"]))
    try:
        return time.time() - path.stat().st_mtime < ABANDONED
    except OSError:  # it is gone
        return True


def check_writable(folder: Path) -> None:
    """Raise `UserError` unless files can be written to `folder`, which need not exist.

    A file is tried in the nearest folder that exists: permissions alone do not tell of
    a full disk or of one that is mounted read-only.
    """
    there = folder.absolute()
    while not os.path.lexists(there):
        there = there.parent
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        where = "" if there == folder.absolute() else f" (in {there})"
        raise UserError(f"cannot write to {folder}{where}: {error.strerror}") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def check_room(path: Path, needed: int) -> None:
    """Raise `UserError` unless the disk has `needed` bytes free.

    For what a library writes that a full disk would crash.
    """
    free = shutil.disk_usage(path.parent).free
    if needed > free:
        raise UserError(
            f"cannot write {path}: about {needed / 1e6:.1f} MB needed, "
            f"{free / 1e6:.1f} MB free"
        )


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically; what names of no encoding have in it is escaped."""
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode("utf-8", "backslashreplace"))


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write indented JSON atomically."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def decoded(text: str | bytes, path: Path) -> dict[str, Any]:
    """Return the JSON object in UTF-8 text; a `UserError` with `path` if it is none."""
    try:
        content = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, or too deep
        raise UserError(f"{path} is damaged: {error}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} is damaged: expected a JSON object")
    return content


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON; a `ValueError` for a key that stands there twice."""
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise ValueError(f"{shortened(ascii(key))} stands there twice")
        content[key] = value
    return content


def read_json(path: Path) -> dict[str, Any]:
    """Return what `write_json` wrote."""
    return decoded(path.read_bytes(), path)


def new_folder(path: Path) -> Path:
    """Create `path`, or `path_2`, `path_3`, ... where it exists, and return it."""
    candidate, number = path, 2
    while True:
        try:
            candidate.mkdir(parents=True)
        except FileExistsError:
            candidate = path.with_name(f"{path.name}_{number}")
            number += 1
        else:
            return candidate


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """Keep other processes out of `folder`, and remove what killed ones left in it."""
    with locked(folder / LOCK):
        remove_leftovers(folder)
        yield


@contextmanager
def locked(path: Path) -> Iterator[int]:
    """Lock the file `path` against other processes; wait, and log it, if one holds it.

    Yields its descriptor: a child process that inherits it holds the lock, too. It is
    released however a process ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        if not lock_descriptor(file.fileno(), blocking=False):
            log.info(
                "waiting for another process to finish its work in %s", path.parent
            )
            lock_descriptor(file.fileno())
        yield file.fileno()


def write_table(
    path: Path, rows: Sequence[Mapping[str, Any]], columns: list[str] | None = None
) -> None:
    """Write rows as CSV atomically; `read_table` reads them back.

    A key that a row lacks stays empty. Floats have all their digits. `columns` are
    needed where there may be no rows.
    """
    columns = columns or list(dict.fromkeys(key for row in rows for key in row))
    lines = [table_line(columns)]
    lines += [table_line(row.get(key) for key in columns) for row in rows]
    write_text(path, "".join(lines))


def table_line(values: Iterable[Any]) -> str:
    """Return a line of CSV (RFC 4180, but for its end, a line feed alone).

    A text that a spreadsheet would take for a formula gets a `'` in front, as OWASP
    advises ("CSV Injection"), and so does one that begins with such marks before a
    formula: taking one away gives the text back. None is empty.
    """
    return ",".join(map(_cell, values)) + "\n"


def _cell(value: Any) -> str:
    text = "" if value is None or value != value else str(value)  # NaN is no number
    if isinstance(value, str) and _FORMULA.match(text):
        text = f"'{text}"
    # The csv module leaves \r alone where lines end in \n.
    return '"' + text.replace('"', '""') + '"' if _QUOTED & {*text} else text


def read_table(text: str) -> list[dict[str, str]]:
    """Return the rows of a CSV table of `table_line`s, texts as they were."""
    rows = csv.DictReader(io.StringIO(text, newline=""), restval="")
    return [
        {key: value[_marked(value) :] for key, value in row.items() if key is not None}
        for row in rows
    ]


def _marked(text: str) -> bool:
    return text.startswith("'") and bool(_FORMULA.match(text))
