"""Directory scans: what is in a folder, in natural order, and image names."""

import os
import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from processing.decoding.decode import IMAGE_LIKE, SUFFIXES
from processing.errors import UsageError, UserError
from processing.wording import count, elided, is_utf8, printable

_NAMED = 5  # files or folders that a message names, at most
_ENDINGS = "|".join(re.escape(suffix) for suffix in SUFFIXES)
_IMAGE = re.compile(rf"(.+?)(?:{_ENDINGS})(?:#(\d+))?", re.IGNORECASE)
_IGNORED = re.compile(r"\.|__MACOSX$")  # hidden, or left by unpacking on a Mac

_Identity = tuple[int, int]  # of a folder: device and inode


@dataclass(frozen=True)
class LeftOut:
    """A file or a folder that is not taken.

    Attributes:
        name: relative to the folder that was looked through.
        reason: why.
        fault: whether it might be taken, if only it could be read.
    """

    name: str
    reason: str
    fault: bool = False

    def __str__(self) -> str:
        return f"{printable(elided(self.name))} ({self.reason})"


@dataclass(frozen=True)
class Listing:
    """What lies in a folder and all below it, by relative name.

    Attributes:
        folder: its absolute path.
        images: names of the image files, "/" in between, in natural order: 2 before 10.
        others: names of all other files.
        left_out: what looks like an image or a folder, but cannot be taken.
    """

    folder: Path
    images: tuple[str, ...]
    others: tuple[str, ...]
    left_out: tuple[LeftOut, ...]


def list_images(folder: Path) -> Listing:
    """Look through a folder and all below it, but for what is hidden.

    A folder behind a link is looked through once, and never within itself.
    """
    images: list[str] = []
    others: list[str] = []
    left_out: list[LeftOut] = []
    linked: set[_Identity] = set()
    pending: list[tuple[str, tuple[_Identity, ...]]] = [("", ())]
    while pending:  # no recursion: folders may be nested thousands deep
        place, above = pending.pop()
        where = f"{folder}/{place}"
        try:
            here = (*above, _identity(where))
            with os.scandir(where) as found:
                inside = [entry for entry in found if not _IGNORED.match(entry.name)]
            inside.sort(key=lambda entry: entry.name)  # of two links, always the same
        except OSError as error:
            reason = f"cannot be listed: {error.strerror}"
            left_out.append(LeftOut(place or ".", reason, fault=True))
            continue
        for entry in inside:
            name = f"{place}/{entry.name}" if place else entry.name
            item = _item(entry, name, here, linked)
            if isinstance(item, LeftOut):
                left_out.append(item)
            elif item == "folder":
                pending.append((name, here))
            elif item:
                (images if item == "image" else others).append(name)
    images.sort(key=natural_order)
    left_out.sort(key=lambda item: natural_order(item.name))
    return Listing(folder, tuple(images), tuple(others), tuple(left_out))


def _item(
    entry: os.DirEntry[str],
    name: str,
    here: tuple[_Identity, ...],
    linked: set[_Identity],
) -> str | LeftOut:
    """Return "folder", "image", "file", or why none of them; "" for a circle of links.

    Args:
        entry: what lies in a folder.
        name: relative to where the search began.
        here: the folder and those above it.
        linked: folders that links have led to; one may be added.
    """
    try:
        if not entry.is_dir():
            return _file(entry, name)
        if entry.is_symlink():
            target = _identity(entry.path)
            if target in here:
                return ""
            if target in linked:
                return LeftOut(name, "a second link to a folder")
            linked.add(target)
    except OSError as error:
        return LeftOut(name, f"cannot be read: {error.strerror}", fault=True)
    return "folder" if is_utf8(entry.name) else _no_utf8(name)


def _file(entry: os.DirEntry[str], name: str) -> str | LeftOut:
    """Return "image" or "file", or why it is none."""
    lower = entry.name.lower()
    if entry.is_symlink() and not os.path.exists(entry.path):
        return LeftOut(name, "a link to nowhere")
    if lower.endswith(IMAGE_LIKE):
        return LeftOut(name, "a format that is not read")
    if not lower.endswith(SUFFIXES):
        return "file"
    if not entry.is_file():
        return LeftOut(name, "not a regular file")
    return "image" if is_utf8(entry.name) else _no_utf8(name)


def _no_utf8(name: str) -> LeftOut:
    return LeftOut(name, "its name is no UTF-8", fault=True)


def _identity(path: str) -> _Identity:
    status = os.stat(path)
    return status.st_dev, status.st_ino


def report_left_out(
    folder: Path, left_out: Sequence[LeftOut], skip_unreadable: bool = False
) -> None:
    """Name what is not taken in one warning, or see `check_faults`."""
    check_faults(folder, left_out, skip_unreadable)
    if left_out:
        named = some(map(str, left_out), separator="; ")
        files = count(len(left_out), "file")
        warnings.warn(f"not taken: {files} in {folder}: {named}", stacklevel=3)


def check_faults(
    folder: Path, left_out: Sequence[LeftOut], skip_unreadable: bool = False
) -> None:
    """Raise `UserError` if something cannot be read, unless that is to be skipped."""
    faults = [item for item in left_out if item.fault]
    if faults and not skip_unreadable:
        raise UserError(
            f"{count(len(faults), 'file or folder', 'files or folders')} in {folder} "
            f"cannot be taken: {some(map(str, faults), '; ')} (--skip-unreadable "
            "leaves them out)"
        )


def existing(path: Path, expected: str) -> Path:
    """Return the absolute path without "..", symbolic links kept as typed."""
    path = Path(os.path.abspath(path))
    shown = printable(elided(str(path)))
    if not is_utf8(str(path)):
        raise UsageError(f"its name is no UTF-8, rename it first: {shown}")
    try:
        found = path.exists()
    except OSError as error:  # a name too long, a folder without permission
        raise UsageError(f"cannot read {shown}: {error.strerror}") from error
    if not found:
        raise UsageError(f"no such file or folder: {shown}; {expected}")
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
        entries = [path for path in folder.iterdir() if not _IGNORED.match(path.name)]
    except OSError as error:
        raise UserError(f"cannot list {folder}: {error.strerror}") from error
    return sorted(entries, key=lambda path: natural_order(path.name))


def natural_order(name: str) -> list[tuple[list[str | int], str]]:
    """Return a key that sorts names, with "/" in between, as people number them."""
    return [(_natural(part), part) for part in name.split("/")]


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
    return some(printable(path.name) for path in entries(folder)) or "nothing"


def some(names: Iterable[str], separator: str = ", ") -> str:
    """Return the first names, and how many more there are."""
    names = list(names)
    rest = len(names) - _NAMED
    text = separator.join(names[:_NAMED])
    return f"{text} and {rest} more" if rest > 0 else text
