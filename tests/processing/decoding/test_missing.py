"""Files that are intact at their ends, and lack a part of their image."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from processing.decoding.decode import check_image, read_mask, read_pixels
from processing.decoding.missing import MOST_SCANS
from processing.errors import UserError

END = b"\xff\xd9"
COUNTS = 279


@pytest.fixture(scope="module")
def pixels():
    """Return an image (h, w, 3) with all frequencies and without black."""
    noise = np.random.default_rng(0).integers(1, 256, (96, 120, 3), dtype=np.uint8)
    return np.maximum(cv2.GaussianBlur(noise, (0, 0), 1.5), 1)


def encoded(pixels, kind, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def check(path, data, named):
    """Check that a file is named as damaged, or that it is read."""
    path.write_bytes(data)
    for read in (check_image, lambda path: read_pixels(path, 3), read_mask):
        if not named:
            read(path)
            continue
        with pytest.raises(
            UserError, match=rf"{path.name}: not a readable .*damaged\)"
        ):
            read(path)


KINDS = {
    "colour": {},
    "every pixel": {"subsampling": 0},
    "turned": {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0"},
    "restarts": {"restart_marker_rows": 1},
    "progressive": {"progressive": True},
}


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_jpeg_whose_scan_ends_early(kind, grey, pixels, tmp_path):
    pixels = pixels[..., 0] if grey else pixels
    data = encoded(pixels, "JPEG", quality=90, **KINDS[kind])
    path = tmp_path / "a.jpg"
    check(path, data, named=False)
    check(path, data + b"film" + bytes(99), named=False)
    for share in (0.5, 0.8, 0.95):
        cut = data[: int(share * len(data))]
        for end in (END, b"\xff" + END, b"\xff\xff" + END + b"film"):
            check(path, cut + end, named=True)


def test_jpegs_that_are_grey_by_themselves(pixels, tmp_path):
    grey = np.full((40, 50), 128, np.uint8)
    check(tmp_path / "a.jpg", encoded(grey, "JPEG"), named=False)
    for corner in (np.s_[:16, :16], np.s_[80:, 112:]):
        framed = pixels.copy()
        framed[corner] = 128
        check(tmp_path / "a.jpg", encoded(framed, "JPEG"), named=False)
    for shape in ((1, 1), (1, 9), (9, 1)):
        data = encoded(np.full(shape, 128, np.uint8), "JPEG")
        check(tmp_path / "a.jpg", data, named=False)


def test_a_jpeg_of_endless_scans(pixels, tmp_path):
    data = encoded(pixels, "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    path = tmp_path / "a.jpg"
    path.write_bytes(data[:last] + data[last:-2] * MOST_SCANS + END)
    with pytest.raises(UserError, match=r"it has 1\d\d scans, expected at most 100"):
        check_image(path)


def png(pixels, change):
    """Return a grey PNG whose stream was changed, with right checksums."""
    height, width = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels], axis=1)
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", change(rows.tobytes())), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data))
        + kind
        + data
        + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def riff(data):
    """Return a WebP file whose sizes are those of its bytes."""
    size = struct.pack("<I", len(data) - 8), struct.pack("<I", len(data) - 20)
    return data[:4] + size[0] + data[8:16] + size[1] + data[20:]


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("a.png", lambda x: png(x[..., 0], lambda rows: zlib.compress(rows)[:-900])),
        ("a.png", lambda x: png(x[..., 0], lambda rows: zlib.compress(rows)[:-4])),
        ("a.png", lambda x: png(x[..., 0], lambda rows: zlib.compress(rows[:-300]))),
        ("a.bmp", lambda x: encoded(x, "BMP")[:-3]),
        ("a.webp", lambda x: riff(encoded(x, "WEBP")[:-300])),
        ("a.webp", lambda x: riff(encoded(x, "WEBP", lossless=True)[:-300])),
        ("a.gif", lambda x: encoded(x, "GIF")[:-300] + b"\0;"),
    ],
)
def test_other_formats(name, make, pixels, tmp_path):
    path = tmp_path / name
    path.write_bytes(make(pixels))
    for read in (check_image, read_mask):
        with pytest.raises(UserError, match=f"{name}: not a readable image"):
            read(path)


def tiff(pixels, compression, counts=None):
    """Return a TIFF file of six strips; `counts` changes the bytes that they have."""
    ends = {TiffImagePlugin.ROWSPERSTRIP: 16}
    data = encoded(pixels, "TIFF", compression=compression, tiffinfo=ends)
    with Image.open(io.BytesIO(data)) as image:
        before = image.tag_v2[COUNTS]
    form = next(
        x
        for x in ("<6I", "<6H")
        if max(before) < 65536 or x == "<6I"
        if struct.pack(x, *before) in data
    )
    after = counts(list(before)) if counts else before
    return data.replace(struct.pack(form, *before), struct.pack(form, *after))


@pytest.mark.parametrize("black", [False, True])
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_deflate", "packbits"])
def test_a_tiff_whose_strip_is_short(compression, black, pixels, tmp_path):
    pixels = pixels * (pixels > 128) if black else pixels
    path = tmp_path / "a.tif"
    check(path, tiff(pixels, compression), named=False)

    def shorter(counts):
        counts[3] //= 2
        return counts

    check(path, tiff(pixels, compression, shorter), named=True)
