"""Limits of what is decoded: a small file can declare an image of any size."""

import os
import zlib
from math import prod
from pathlib import Path

from processing.errors import UsageError

from .integrity import unreadable

VARIABLE = "KERAS_ANOMALY_MAX_PIXELS"
MAX_PIXELS = 200_000_000  # the largest sensors have 150 million
# A whole-body CT has a thousand slices of a quarter of a million voxels.
VOLUME = 5
_SLICES = 100_000
_CHUNK = 1 << 20
_DEFLATE = 1032  # no byte of deflate holds more


def max_pixels() -> int:
    """Return the pixels that one image may have."""
    text = os.environ.get(VARIABLE) or str(MAX_PIXELS)
    if not text.isdecimal() or not int(text):
        raise UsageError(f"{VARIABLE}: expected a number of pixels. Received: {text}")
    return int(text)


def check_pixels(path: Path, height: int, width: int) -> None:
    """Raise `UserError` for an image that is too large to be decoded, or has no size.

    Args:
        path: the file, for the message.
        height: in pixels, as its header declares it.
        width: in pixels.
    """
    if min(height, width) < 1:
        raise unreadable(path, f"it has {width}x{height} pixels")
    _check(path, f"{width}x{height} pixels", height * width, max_pixels())


def check_volume(
    path: Path, shape: tuple[int, int, int], bits: int, compressed: bool
) -> None:
    """Raise `UserError` for a volume that is too large, or larger than its file.

    Args:
        path: the file.
        shape: (n, h, w), as its header declares it.
        bits: of a voxel, as stored.
        compressed: whether the file may hold more bytes than it has.
    """
    count, height, width = shape
    check_pixels(path, height, width)
    declared = f"{count} slices of {width}x{height} pixels"
    if not 1 <= count <= _SLICES:
        raise unreadable(path, f"{declared}, expected 1 to {_SLICES} slices")
    size = path.stat().st_size
    if prod(shape) * bits // 8 > size * (_DEFLATE if compressed else 1):
        raise unreadable(path, f"{declared}, which {size} bytes cannot hold")
    if compressed:
        _check(path, declared, prod(shape), VOLUME * max_pixels())


def check_deflated(path: Path, start: int) -> None:
    """Raise `UserError` for a file whose deflated rest is too large to be inflated.

    Args:
        path: the file.
        start: the first byte that is deflated, without a zlib header.
    """
    inflated = 0
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    with path.open("rb") as file:
        file.seek(start)
        while not inflate.eof and (
            chunk := inflate.unconsumed_tail or file.read(_CHUNK)
        ):
            inflated += len(inflate.decompress(chunk, _CHUNK))
            check_inflated(path, inflated)


def check_inflated(path: Path, count: int) -> None:
    """Raise `UserError` if more is inflated of a file than a volume may take.

    Args:
        path: the file.
        count: bytes that there are at least.
    """
    declared = f"{count} bytes or more once inflated"
    _check(path, declared, count, VOLUME * max_pixels())


def _check(path: Path, declared: str, pixels: int, limit: int) -> None:
    if pixels > limit:
        raise unreadable(
            path,
            f"{declared}, expected at most {limit} in all; the environment variable "
            f"{VARIABLE}, now {max_pixels()}, raises the limit",
        )
