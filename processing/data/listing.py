"""Directory scans: what is in a folder, in natural order, and image names."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from processing.decoding.decode import SUFFIXES
from processing.errors import UsageError, UserError

_NAMED = 5  # files or folders that a message names, at most
_ENDINGS = "|".join(re.escape(suffix) for suffix in SUFFIXES)
_IMAGE = re.compile(rf"(.+?)(?:{_ENDINGS})(?:#(\d+))?", re.IGNORECASE)


def existing(path: Path, expected: str) -> Path:
    """Return the absolute path without "..", symbolic links kept as typed."""
    path = Path(os.path.abspath(path))
    if not path.exists():
        raise UsageError(f"no such file or folder: {path}; {expected}")
    return path


def bare_name(name: str) -> str:
    """Return the name of an image without its suffix: `scan_012` of `scan.nii#012`."""
    match = _IMAGE.fullmatch(name)
    if not match:
        return name
    return match[1] if match[2] is None else f"{match[1]}_{match[2]}"


def entries(folder: Path) -> list[Path]:
    """Return the visible entries of a folder in natural order: 2 before 10."""
    try:
        entries = [path for path in folder.iterdir() if path.name[0] != "."]
    except OSError as error:
        raise UserError(f"cannot list {folder}: {error.strerror}") from error
    return sorted(entries, key=lambda path: (_natural(path.name), path.name))


def _natural(name: str) -> list[str | int]:
    parts = re.split(r"(\d+)", name.casefold())  # text and number in turn
    return [int(part) if i % 2 else part for i, part in enumerate(parts)]


def is_image(path: Path) -> bool:
    """Return whether a path is that of an image file, by its name."""
    return path.name.lower().endswith(SUFFIXES) and path.is_file()


def no_images(folder: Path) -> UserError:
    """Return the error that a folder holds no images."""
    expected = ", ".join(SUFFIXES)
    return UserError(
        f"no images in {folder}: expected {expected}; found {contents(folder)}"
    )


def contents(folder: Path) -> str:
    """Return the names in a folder, for a message."""
    return some(path.name for path in entries(folder)) or "nothing"


def some(names: Iterable[str], separator: str = ", ") -> str:
    """Return the first names, and how many more there are."""
    names = list(names)
    rest = len(names) - _NAMED
    text = separator.join(names[:_NAMED])
    return f"{text} and {rest} more" if rest > 0 else text
