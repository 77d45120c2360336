"""Integrity check of image files, from their bytes alone."""

import zlib
from pathlib import Path

from processing.errors import UserError

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff"


def unreadable(path: Path, reason: object) -> UserError:
    """Return the error that a file is no image."""
    return UserError(f"{path}: not a readable image ({reason})")


def read_intact(path: Path) -> bytes:
    """Return the bytes of an image file; a `UserError` unless they are intact."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise unreadable(path, error.strerror or str(error)) from error
    if not data:
        raise unreadable(path, "the file is empty")
    if not is_intact(data):
        raise unreadable(path, "the file is cut off or damaged")
    return data


def is_intact(data: bytes) -> bool:
    """Return False for a PNG or JPEG file that ends early.

    OpenCV before 5 decodes these without complaint, the missing rows grey or black.
    """
    if data.startswith(PNG):
        return _png_is_intact(memoryview(data))
    if data.startswith(JPEG):
        # The last scan must be followed by an end marker. Thumbnails come earlier, and
        # within a scan neither marker can occur: there 0xff is followed by zero.
        return data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda")
    return True


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
