"""Decoding of image and mask files: formats, bit depths, orientation, resizing."""

import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from processing.errors import UsageError, UserError

from . import medical
from .integrity import JPEG, PNG, read_intact, unreadable

SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"),
    *medical.SUFFIXES,
)
# Images by their name that are not read: they are named, not passed over.
IMAGE_LIKE = (".jfif", ".gif", ".heic", ".heif", ".avif", ".jxl", ".jp2", ".tga")

# Grey stays grey, alpha is dropped, 16 bit is kept, EXIF orientation is applied.
_FLAGS = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH
_ORIENTATION = 274  # EXIF and TIFF tag; from 5 on, width and height change places

# A damaged file is reported once, by our error, not also by OpenCV on stderr.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def read_image(path: Path, *, shape: tuple[int, int, int]) -> NDArray[Any]:
    """Decode one image file and resize it.

    Alpha is dropped: the colour stored under a transparent pixel is what counts (but
    OpenCV blends an 8-bit TIFF with black, which differs where it is not opaque).
    Grey is 0.299 R + 0.587 G + 0.114 B. Of several frames or pages the first is read.

    Args:
        path: png, jpg, bmp, tif or webp of 8 or 16 bits a channel, or a slice of a
            medical image, see `processing.decoding.medical`.
        shape: (h, w, c) of the result, c 1 (grey) or 3 (RGB).

    Returns:
        Array (h, w, c): uint8 from a file of 8 bits, float32 in [0, 1] from others.
    """
    height, width, channels = shape
    return to_unit(resize(read_pixels(path, channels), height, width))


def read_pixels(
    path: Path, channels: int, span: tuple[float, float] | None = None
) -> NDArray[Any]:
    """Decode one image file at its own size.

    Args:
        path: see `read_image`.
        channels: 1 (grey) or 3 (RGB).
        span: stored values that become 0 and 1; what lies beyond is clipped. Default:
            0 and the largest that the type holds, or what `read_slice` takes.

    Returns:
        Array (h, w, c): uint8, uint16, or float32 in [0, 1] of a medical image or with
        a span.
    """
    if medical.is_medical(path):
        pixels = _to_channels(medical.read_slice(path, span), channels)
        return pixels.reshape(*pixels.shape[:2], channels)
    return _converted(_decode(path), channels, span)


def array_pixels(
    image: Any, channels: int, span: tuple[float, float] | None = None
) -> NDArray[Any]:
    """Return an image that is in memory as `read_pixels` returns that of a file.

    Args:
        image: uint8 or uint16, (h, w) or (h, w, 1) grey, (h, w, 3) RGB, or (h, w, 4)
            RGBA, whose alpha is dropped.
        channels: see `read_pixels`.
        span: see `read_pixels`.

    Raises:
        UsageError: another type or shape.
    """
    pixels = np.asarray(image)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    colour = pixels.ndim == 3 and pixels.shape[2] in (3, 4)
    known = pixels.dtype in (np.uint8, np.uint16) and pixels.size
    if not known or not (colour or pixels.ndim == 2):
        raise UsageError(
            "expected an image (h, w), (h, w, 1), (h, w, 3) or (h, w, 4) of uint8 or "
            f"uint16. Received: {pixels.shape} of {pixels.dtype}"
        )
    stored = np.ascontiguousarray(pixels[..., 2::-1]) if colour else pixels  # BGR
    return _converted(stored, channels, span)


def read_mask(path: Path, shape: tuple[int, int] | None = None) -> NDArray[np.bool_]:
    """Decode one ground truth mask, True where a pixel is anomalous.

    A pixel is anomalous above half of the range of its type (from 128 on in 8 bits);
    in a mask whose largest value is 1, where it is 1; in a medical image above 0. Of
    colours the brightest channel counts.

    Args:
        path: an image file.
        shape: (h, w) of the result, by nearest neighbour. Default: the file's own.

    Returns:
        Boolean array (h, w).
    """
    mask = medical.read_labels(path) if medical.is_medical(path) else _marked(path)
    if shape is None:
        return mask
    return resize_mask(mask, *shape)


def _marked(path: Path) -> NDArray[np.bool_]:
    pixels = _decode(path)
    if pixels.ndim == 3:
        pixels = pixels.max(axis=2)
    middle = np.iinfo(pixels.dtype).max // 2
    return pixels > (middle if pixels.max() > 1 else 0)


def read_size(path: Path) -> tuple[int, int]:
    """Return an image's (h, w), after EXIF orientation, from the header alone."""
    if medical.is_medical(path):
        return medical.slice_size(path)
    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore")
            width, height, orientation = _header(image)
    except Image.DecompressionBombError:  # a size that Pillow declines to open
        height, width = _decode(path).shape[:2]
        return height, width
    except OSError as error:
        raise unreadable(path, error.strerror or "not an image, or damaged") from error
    return (width, height) if orientation >= 5 else (height, width)


def resize(pixels: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Return an image (h, w) or (h, w, c) at another height and width.

    It is shrunk by area, without aliasing, and what is then too small is enlarged
    bilinearly.
    """
    old_height, old_width, *channels = pixels.shape
    smaller = (min(width, old_width), min(height, old_height))
    if smaller != (old_width, old_height):
        pixels = cv2.resize(pixels, smaller, interpolation=cv2.INTER_AREA)
    if smaller != (width, height):
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
    return pixels.reshape(height, width, *channels)  # OpenCV leaves a single one out


def resize_mask(mask: NDArray[np.bool_], height: int, width: int) -> NDArray[np.bool_]:
    """Return an (h, w) mask at another size, by nearest neighbour."""
    if mask.shape == (height, width):
        return mask
    resized = cv2.resize(
        mask.view(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST_EXACT
    )
    return resized.view(np.bool_)


def to_unit(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return 16 bits as float32 in [0, 1], and other pixels as they are."""
    if pixels.dtype == np.uint16:
        return np.divide(pixels, 65535, dtype=np.float32)
    return pixels


def to_float(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Return what `read_image` gave as float32 in [0, 1]."""
    if pixels.dtype == np.uint8:
        return np.divide(pixels, 255, dtype=np.float32)
    return pixels


def to_uint8(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Return what `read_image` gave as uint8; 16 bits are rounded to 8."""
    if pixels.dtype == np.uint8:
        return pixels
    return np.rint(pixels * 255).astype(np.uint8)


def check_image(path: Path) -> None:
    """Raise `UserError` for a file that is no intact image, at little cost.

    PNG and JPEG files are not decoded: length, header and, for PNG, checksums are
    checked.
    """
    if medical.is_medical(path):
        medical.read_slice(path)
    elif read_intact(path).startswith((PNG, JPEG)):
        read_size(path)
    else:
        _decode(path)


def fault(path: Path) -> UserError | None:
    """Return the error that `check_image` raises, if any."""
    try:
        check_image(path)
    except UserError as error:
        return error
    return None


def _decode(path: Path) -> NDArray[Any]:
    """Return a file's pixels, uint8 or uint16, (h, w) grey or (h, w, 3) BGR."""
    data = read_intact(path)
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), _FLAGS)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise unreadable(path, "not an image, or damaged")
    if pixels.dtype not in (np.uint8, np.uint16):
        raise unreadable(
            path, f"its pixels are {pixels.dtype}, expected 8 or 16 bits without sign"
        )
    return pixels


def _converted(
    stored: NDArray[Any], channels: int, span: tuple[float, float] | None
) -> NDArray[Any]:
    """Return what `_decode` gave as `read_pixels` describes."""
    pixels = _to_channels(stored, channels)
    if span:
        low, high = span
        pixels = ((pixels - np.float32(low)) / np.float32(high - low)).clip(0, 1)
    return pixels.reshape(*pixels.shape[:2], channels)


def _to_channels(pixels: NDArray[Any], channels: int) -> NDArray[Any]:
    if channels == 1:
        grey = pixels.ndim == 2
        return pixels if grey else cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    code = cv2.COLOR_GRAY2RGB if pixels.ndim == 2 else cv2.COLOR_BGR2RGB
    return cv2.cvtColor(pixels, code)


def _header(image: Image.Image) -> tuple[int, int, int]:
    """Return the stored width and height, and the orientation."""
    tags = getattr(image, "tag_v2", None)
    if tags is not None:  # TIFF, where newer Pillows turn `size` themselves
        return tags[256], tags[257], tags.get(_ORIENTATION, 1)
    exif = Image.Exif()
    exif.load(image.info.get("exif", b""))  # `image.getexif()` would decode a PNG
    return *image.size, exif.get(_ORIENTATION, 1)
