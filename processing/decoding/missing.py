"""Parts of images that OpenCV could not read, and left grey or black without a word."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
)

from . import header
from .integrity import CUT_OFF, JPEG, PNG, jpeg_scans

GREY = 128  # of blocks that a JPEG lacks
MORE = bytes(range(255))  # of a scan: any but 0xff, and first what ends one
MOST_SCANS = 100  # of a JPEG; progressive ones have some ten

# Pillow's classes themselves: its `open` has a limit of its own.
_PILLOW: dict[bytes, type[ImageFile.ImageFile]] = {
    PNG: PngImagePlugin.PngImageFile,
    JPEG: JpegImagePlugin.JpegImageFile,
    header.GIF: GifImagePlugin.GifImageFile,
    header.BMP: BmpImagePlugin.BmpImageFile,
    **dict.fromkeys(header.TIFF, TiffImagePlugin.TiffImageFile),
}


def by_pillow(data: bytes) -> Image.Image:
    """Return an image of a kind that Pillow reads, not yet decoded."""
    [kind] = (kind for magic, kind in _PILLOW.items() if data.startswith(magic))
    return kind(io.BytesIO(data))


def check_whole(data: bytes, tags: Mapping[int, Any], pixels: NDArray[Any]) -> None:
    """Raise a `ValueError` if OpenCV decoded less than a whole JPEG or TIFF image.

    Args:
        data: of the file; a JPEG that is intact but for its scans.
        tags: of a TIFF file.
        pixels: what OpenCV made of it, (h, w) or (h, w, c).
    """
    if data.startswith(JPEG) and _ends_early(data, pixels):
        raise ValueError(CUT_OFF)
    if tags and _lacks_strips(data, tags, pixels):
        raise ValueError(CUT_OFF)


def _ends_early(data: bytes, pixels: NDArray[Any]) -> bool:
    """Return whether a JPEG has its end marker before the last block of its last scan.

    Blocks that are missing are grey, or as the scans before have them. They are missing
    if, and only if, more bytes in front of the end marker change the image.
    """
    scans, end = jpeg_scans(data)
    if scans > MOST_SCANS:  # each takes as long as an image
        raise ValueError(f"it has {scans} scans, expected at most {MOST_SCANS}")
    height, width = pixels.shape[:2]
    corners = pixels[:: max(height - 1, 1), :: max(width - 1, 1)]
    corners = corners.reshape(-1, pixels[0, 0].size)
    if scans == 1 and not (corners == GREY).all(axis=1).any():
        return False
    longer = by_pillow(data[:end] + MORE + data[end:])
    return not np.array_equal(np.asarray(by_pillow(data)), np.asarray(longer))


def _lacks_strips(data: bytes, tags: Mapping[int, Any], pixels: NDArray[Any]) -> bool:
    """Return whether black pixels of a TIFF image are those of unreadable strips."""
    if pixels.reshape(*pixels.shape[:2], -1).any(axis=2).all():
        return False
    if tags.get(header.COMPRESSION, header.NONE) == header.NONE:
        return header.lacks_bytes(tags)
    try:
        image = by_pillow(data)
    except SyntaxError:  # a kind of pixels that Pillow does not know
        return False
    try:
        image.load()
    except OSError:
        return True
    return False
