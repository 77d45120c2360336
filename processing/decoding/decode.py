"""Decoding of image and mask files: formats, bit depths, orientation, resizing."""

import io
import warnings
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from processing.errors import UsageError, UserError

from . import header, medical
from .integrity import JPEG, PNG, naming_file, read_intact
from .limits import check_pixels
from .missing import by_pillow, check_whole

SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif"),
    *(".bmp", ".tif", ".tiff", ".webp", ".gif"),
    *medical.SUFFIXES,
)
# Images, too, but of kinds that are not read: none of them is left out in silence.
IMAGE_LIKE = (
    *(".avif", ".heic", ".heif", ".jp2", ".j2k", ".jpf", ".jpx", ".jxl", ".jxr"),
    *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".raw"),
    *(".pbm", ".pgm", ".ppm", ".pnm", ".pfm", ".exr", ".hdr", ".tga", ".psd", ".ico"),
    *(".svg", ".apng", ".mpo", ".dicom", ".ima", ".mha", ".mhd", ".nrrd"),
    *(".czi", ".svs"),
)

HEADERS = 2**14  # that are known at once: each is asked for by several checks
# Not by `catch_warnings`, which takes away those of other threads, too.
warnings.filterwarnings("ignore", module=r"PIL\.")
# Grey stays grey, alpha is dropped, 16 bit is kept, EXIF orientation is applied.
_FLAGS = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH
_UNKNOWN = "not an image, damaged, or of a kind that is not read"

# A damaged file is reported once, by our error, not also by OpenCV on stderr.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def read_image(path: Path, *, shape: tuple[int, int, int]) -> NDArray[Any]:
    """Decode one image file and resize it.

    Alpha is dropped: the colour stored under a transparent pixel is what counts (but
    OpenCV blends an 8-bit TIFF with black, which differs where it is not opaque).
    Grey is 0.299 R + 0.587 G + 0.114 B. Of several frames or pages the first is read.

    Args:
        path: png, jpg, bmp, tif, webp or gif of 8 or 16 bits a channel, or a slice of
            a medical image, see `processing.decoding.medical`.
        shape: (h, w, c) of the result, c 1 (grey) or 3 (RGB).

    Returns:
        Array (h, w, c): uint8 from a file of 8 bits, float32 in [0, 1] from others.
    """
    height, width, channels = shape
    return to_unit(resize(read_pixels(path, channels), height, width))


@naming_file
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


@naming_file
def read_mask(path: Path, shape: tuple[int, int] | None = None) -> NDArray[np.bool_]:
    """Decode one ground truth mask, True where a pixel is anomalous.

    A pixel is anomalous above half of the range of its type (from 128 on in 8 bits),
    which leaves out soft edges and noise. A mask without such a pixel holds numbers of
    classes: in it, and in a medical image, what is above 0 is anomalous. Of colours the
    brightest channel counts. In a mask with a palette of colours, what is not black is
    anomalous, or, in one without black, what is not the palette's first colour.

    A JPEG, or a lossy WebP, holds no numbers, for it does not keep them: low values are
    noise in it, and it marks nothing where none is above half.

    Args:
        path: an image file. TIFF files may have signed or 32-bit values, which are
            numbers of classes, or floating point, whose range is 1.
        shape: (h, w) of the result, by nearest neighbour. Default: the file's own.

    Returns:
        Boolean array (h, w).
    """
    mask = medical.read_labels(path) if medical.is_medical(path) else _marked(path)
    if shape is None:
        return mask
    return resize_mask(mask, *shape)


def _marked(path: Path) -> NDArray[np.bool_]:
    data = _content(path)
    tags = _tags(data)
    palette = _palette_image(data, tags)
    if palette:
        return _marked_in_palette(palette)
    pixels = _pixels(data)
    if pixels.ndim == 3:
        pixels = pixels.max(axis=2)
    if _holds_booleans(tags):
        pixels = ~pixels
    return _high_or_positive(pixels, _is_lossy(data, tags))


def _tags(data: bytes) -> Mapping[int, Any]:
    """Return the tags of a TIFF file, none of others."""
    return header.tiff_tags(io.BytesIO(data)) if data.startswith(header.TIFF) else {}


def _is_lossy(data: bytes, tags: Mapping[int, Any]) -> bool:
    if data.startswith(header.WEBP):
        return b"VP8L" not in data
    in_tiff = tags.get(header.COMPRESSION) in (header.OLD_JPEG, header.NEW_JPEG)
    return in_tiff or data.startswith(JPEG)


def _high_or_positive(values: NDArray[Any], lossy: bool = False) -> NDArray[np.bool_]:
    if values.dtype.kind == "i":
        return values > 0
    whole = values.dtype.kind == "u"
    high = values > (np.iinfo(values.dtype).max // 2 if whole else 0.5)
    return np.asarray(high if lossy or high.any() else values > 0)


def _marked_in_palette(image: Image.Image) -> NDArray[np.bool_]:
    indices, colours = np.asarray(image), _rgb(image)
    if (colours == colours[..., :1]).all():  # shades of grey
        marked = _high_or_positive(colours[..., 0])
        return marked if marked.any() else indices > 0
    coloured = np.asarray(colours.any(axis=2))
    return indices > 0 if coloured.all() else coloured


def _palette_image(data: bytes, tags: Mapping[int, Any]) -> Image.Image | None:
    """Return an image whose pixels are numbers in a palette, and None for others."""
    if data.startswith(PNG):
        known = data[header.PNG_COLOUR] == header.PALETTE
    else:
        in_tiff = tags.get(header.PHOTOMETRIC) == header.PALETTE
        known = in_tiff or data.startswith((header.GIF, header.BMP))
    image = by_pillow(data) if known else None
    return image if image and image.mode == "P" else None


def _holds_booleans(tags: Mapping[int, Any]) -> bool:
    """Return whether tifffile wrote an array of booleans: True as 1, which is black."""
    white = tags.get(header.PHOTOMETRIC) == header.MIN_IS_WHITE
    one_bit = tags.get(header.BITS, (1,)) == (1,)
    return white and one_bit and tags.get(header.SOFTWARE) == "tifffile.py"


class Stored(NamedTuple):
    """What the header of an image file says of its pixels.

    The size is (h, w), after EXIF orientation; the bits are those of a channel, None of
    a medical image.
    """

    size: tuple[int, int]
    colour: bool
    bits: int | None


def read_size(path: Path) -> tuple[int, int]:
    """Return an image's (h, w), after EXIF orientation, from the header alone."""
    return read_header(path).size


@naming_file
def read_header(path: Path) -> Stored:
    """Return what an image's header says; of a file that stays as it is once."""
    if medical.is_medical(path):
        return Stored(medical.slice_size(path), False, None)
    status = Path(path).stat()
    return _stored(Path(path), status.st_size, status.st_mtime_ns)


@lru_cache(HEADERS)
def _stored(path: Path, bytes_: int, time: int) -> Stored:
    with path.open("rb") as file:
        is_tiff = file.read(4) in header.TIFF
        file.seek(0)
        if not is_tiff:
            return _header(path)
        tags = header.tiff_tags(file)  # also of depths that Pillow does not know
    size, bits = (tags[header.HEIGHT], tags[header.WIDTH]), tags.get(header.BITS, (1,))
    colour = len(bits) > 1 or tags.get(header.PHOTOMETRIC) == header.PALETTE
    return Stored(_turned(size, tags.get(header.ORIENTATION, 1)), colour, bits[0])


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


@naming_file
def check_image(path: Path) -> None:
    """Raise `UserError` for a file that cannot be decoded.

    It is decoded, for a stream can be broken in ways that its checksums do not show; a
    JPEG at an eighth of its size, which takes half the time.
    """
    if medical.is_medical(path):
        medical.read_slice(path)
    else:
        _decode(path, small=True)


def fault(path: Path) -> UserError | None:
    """Return the error that `check_image` raises, if any."""
    try:
        check_image(path)
    except UsageError:  # of an option, not of the file
        raise
    except UserError as error:
        return error
    return None


def _content(path: Path) -> bytes:
    """Return the bytes of an image that is intact and not too large to be decoded."""
    data = read_intact(path)
    check_pixels(path, *header.stored_size(data))
    return data


def _decode(path: Path, small: bool = False) -> NDArray[Any]:
    """Return a file's pixels, uint8 or uint16, (h, w) grey or (h, w, 3) BGR.

    With `small`, a JPEG is shrunk to an eighth.
    """
    pixels = _pixels(_content(path), small)
    if pixels.dtype not in (np.uint8, np.uint16):
        raise ValueError(
            f"its pixels are {pixels.dtype}, expected 8 or 16 bits without sign"
        )
    return pixels


def _pixels(data: bytes, small: bool = False) -> NDArray[Any]:
    """Return the pixels of an image's bytes, of any type."""
    if data.startswith(header.GIF):
        return _rgb(by_pillow(data))[..., ::-1]
    flags = (
        cv2.IMREAD_REDUCED_GRAYSCALE_8 if small and data.startswith(JPEG) else _FLAGS
    )
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise ValueError(_UNKNOWN)
    tags = _tags(data)
    check_whole(data, tags, pixels)
    return _tiff_pixels(pixels, tags) if pixels.dtype == np.uint16 else pixels


def _tiff_pixels(pixels: NDArray[Any], tags: Mapping[int, Any]) -> NDArray[Any]:
    """Return 16 bits with 0 as black: OpenCV goes by the tags of 8 bits alone."""
    if pixels.ndim == 3 and tags.get(header.PLANES) == header.APART:
        raise ValueError("its 16-bit colours lie in planes, which are not read")
    if tags.get(header.PHOTOMETRIC) != header.MIN_IS_WHITE:
        return pixels
    unused = 16 - tags[header.BITS][0]  # 10 to 14 bits are the upper ones
    return (0xFFFF >> unused << unused) - pixels


def _rgb(image: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(image.convert("RGBA"))[..., :3]  # to RGB, Pillow may warn


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


def _header(path: Path) -> Stored:
    """Return what the header of a file says that is no TIFF file."""
    try:
        with Image.open(path) as image:
            size, layout = (image.height, image.width), f"{image.mode} {image.tile}"
            colour = image.getbands()[0] not in ("1", "L", "I")
            bits = 16 if ";16" in layout else 8
            return Stored(_turned(size, _orientation(image)), colour, bits)
    except Image.DecompressionBombError:  # a size that Pillow declines to open
        pixels = _decode(path)  # turned already
        height, width = pixels.shape[:2]
        return Stored((height, width), pixels.ndim == 3, 8 * pixels.itemsize)
    except UnidentifiedImageError as error:
        raise ValueError(_UNKNOWN) from error


def _turned(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Return the (h, w) of an image after its orientation."""
    return (size[1], size[0]) if orientation >= 5 else size


def _orientation(image: Image.Image) -> int:
    exif = Image.Exif()
    try:
        exif.load(image.info.get("exif", b""))  # `getexif()` would decode a PNG
        return int(exif.get(header.ORIENTATION, 1))
    except Exception:  # of many kinds; OpenCV does not turn such an image either
        return 1
