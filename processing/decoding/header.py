"""What the headers of image files declare, read before any pixels are decoded."""

import io
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

from PIL.TiffImagePlugin import ImageFileDirectory_v2

from .integrity import JPEG, PNG, jpeg_size

GIF = b"GIF8"
BMP = b"BM"
WEBP = b"RIFF"
TIFF = (b"II*\0", b"MM\0*", b"II+\0")  # the last is BigTIFF

PNG_COLOUR = 25  # place of the kind of its pixels
PALETTE = 3  # of PNG_COLOUR and PHOTOMETRIC

# Tags of TIFF
WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, ORIENTATION = (
    256,
    257,
    258,
    259,
    262,
    274,
)
PLANES, SOFTWARE = 284, 305
TILE_WIDTH, TILE_HEIGHT = 322, 323
STRIP_BYTES, TILE_BYTES = 279, 325
NONE, OLD_JPEG, NEW_JPEG = 1, 6, 7  # of COMPRESSION
MIN_IS_WHITE = 0  # of PHOTOMETRIC
SUBSAMPLED = 6  # perhaps, of PHOTOMETRIC
APART = 2  # of PLANES


def stored_size(data: bytes) -> tuple[int, int]:
    """Return the (h, w) of an image before it is turned.

    Args:
        data: of a PNG, JPEG, GIF, BMP, TIFF or WebP file.
    """
    if data.startswith(JPEG):
        return jpeg_size(data)
    if data.startswith(TIFF):
        tags = tiff_tags(io.BytesIO(data))
        # A tile is decoded as a whole, however little of it the image takes.
        height = max(tags[HEIGHT], tags.get(TILE_HEIGHT, 0))
        return height, max(tags[WIDTH], tags.get(TILE_WIDTH, 0))
    if data.startswith(PNG):
        width, height = struct.unpack_from(">II", data, 16)
    elif data.startswith(GIF):
        width, height = struct.unpack_from("<HH", data, 6)
    elif data.startswith(BMP):
        old = data[14] == 12  # the header of OS/2
        width, height = struct.unpack_from("<HH" if old else "<ii", data, 18)
    elif data.startswith(WEBP):
        width, height = _webp_size(data)
    else:
        raise ValueError("not an image, or of no kind that is read")
    return abs(height), width  # a BMP with its first row on top has a negative height


def _webp_size(data: bytes) -> tuple[int, int]:
    """Return width and height."""
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[i : i + 3], "little") for i in (24, 27))
        return width + 1, height + 1
    if kind == b"VP8L":
        [bits] = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def tiff_tags(file: BinaryIO) -> Mapping[int, Any]:
    """Return the tags of a TIFF file's first image, by number."""
    head = file.read(8)
    if head[2:3] == b"+":
        head += file.read(8)
    tags = ImageFileDirectory_v2(head)
    file.seek(tags.next)
    tags.load(file)
    return tags


def lacks_bytes(tags: Mapping[int, Any]) -> bool:
    """Return whether the strips of an uncompressed TIFF image hold less than it takes.

    Of a single strip, libtiff knows how much that is.
    """
    counts = tags.get(STRIP_BYTES) or tags.get(TILE_BYTES) or ()
    bits = tags[WIDTH] * tags[HEIGHT] * sum(tags.get(BITS, (1,)))
    subsampled = tags.get(PHOTOMETRIC) == SUBSAMPLED
    return len(counts) > 1 and not subsampled and 8 * sum(counts) < bits
