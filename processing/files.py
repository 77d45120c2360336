"""Atomic file writes, new folders and file locks."""

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import lock_descriptor

from .errors import UserError, shortened

log = logging.getLogger(__name__)


@contextmanager
def replacing(path: Path, suffix: str | None = None) -> Iterator[Path]:
    """Yield a temporary path beside `path` that replaces it if the block succeeds.

    The data is on the disk before the rename; after a failure the temporary file is
    gone and an older `path` is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        dir=path.parent, prefix=f".{path.stem}-", suffix=suffix or path.suffix
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise UserError(f"cannot write {path}: {reason}") from error
    finally:
        temporary.unlink(missing_ok=True)


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


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


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
    """Write rows as CSV atomically; `pandas.read_csv` reads them back.

    A key that a row lacks stays empty. Floats have all their digits. `columns` are
    needed where there may be no rows.
    """
    import pandas as pd

    with replacing(path) as temporary:
        table = pd.DataFrame(rows, columns=columns, dtype=object)
        table.to_csv(temporary, index=False, lineterminator="\n")
