"""Integrity check of image files, from their bytes alone."""

import functools
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from processing.errors import UserError

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff"
CUT_OFF = "the file is cut off or damaged"

# In scans 0xff is followed by zero or a restart marker; further ones fill up.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_TABLE, _SCAN, _END = 0xC4, 0xDA, 0xD9
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # markers with the image's size
_SEGMENTS = {*range(0xC0, 0xD0), *range(0xDA, 0xF0), 0xFE}  # markers with a length

_Options = ParamSpec("_Options")
_Result = TypeVar("_Result")


def unreadable(path: Path, reason: object) -> UserError:
    """Return the error that a file is no image."""
    return UserError(f"{path}: not a readable image ({reason})")


def naming_file(
    read: Callable[Concatenate[Path, _Options], _Result],
) -> Callable[Concatenate[Path, _Options], _Result]:
    """Decorate a function of a file: whatever fails in it is an `unreadable` error.

    The packages that decode raise what they like, zlib.error and KeyError among it.
    """

    @functools.wraps(read)
    def named(path: Path, *args: _Options.args, **options: _Options.kwargs) -> _Result:
        try:
            return read(path, *args, **options)
        except UserError:
            raise
        except Exception as error:
            reason = getattr(error, "strerror", None) or " ".join(str(error).split())
            raise unreadable(path, reason or type(error).__name__) from error

    return named


def read_intact(path: Path) -> bytes:
    """Return the bytes of an image file; a `UserError` unless they are intact."""
    data = Path(path).read_bytes()
    if not data:
        raise unreadable(path, "the file is empty")
    if not is_intact(data):
        raise unreadable(path, CUT_OFF)
    return data


def is_intact(data: bytes) -> bool:
    """Return False for a PNG or JPEG file that ends early.

    OpenCV decodes some of these without complaint, the missing rows grey or black.
    What follows an image, such as the film of a motion photo, does not count.
    """
    if data.startswith(PNG):
        return _png_is_intact(memoryview(data))
    if data.startswith(JPEG):
        markers = [marker for marker, _ in _jpeg_segments(data)]
        drawn = [marker for marker in markers if marker in (_TABLE, _SCAN)]
        # behind a table comes the scan that it is for
        return drawn[-1:] == [_SCAN] and markers[-1] == _END
    return True


def jpeg_size(data: bytes) -> tuple[int, int]:
    """Return the stored (h, w) of a JPEG file."""
    for marker, start in _jpeg_segments(data):
        if marker in _FRAMES:
            height, width = data[start + 3 : start + 5], data[start + 5 : start + 7]
            return int.from_bytes(height, "big"), int.from_bytes(width, "big")
    raise ValueError("it has no size")


def jpeg_scans(data: bytes) -> tuple[int, int]:
    """Return how many scans an intact JPEG file has, and where its end marker is."""
    segments = list(_jpeg_segments(data))
    return sum(marker == _SCAN for marker, _ in segments), segments[-1][1] - 2


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the markers of a file's first image, each with the place behind it.

    The last one is the end marker, unless the image is cut off. Then another image
    may follow, or what looks like a marker by accident.
    """
    place = 2
    while found := _MARKER.search(data, place):
        marker, place = data[found.end() - 1], found.end()
        yield marker, place
        if marker not in _SEGMENTS:
            return
        place += int.from_bytes(data[place : place + 2], "big")
        if marker != _SCAN and data[place : place + 1] != b"\xff":
            return  # a segment that was cut ends anywhere in what follows


def _png_is_intact(data: memoryview) -> bool:
    """Walk the chunks to the last one, checking the CRC of critical ones."""
    start = len(PNG)
    while start + 12 <= len(data):
        kind = bytes(data[start + 4 : start + 8])
        end = start + 12 + int.from_bytes(data[start : start + 4], "big")
        checksum = int.from_bytes(data[end - 4 : end], "big")
        critical = kind[:1].isupper()
        if critical and zlib.crc32(data[start + 4 : end - 4]) != checksum:
            return False
        if kind == b"IEND":
            return True
        start = end
    return False
