"""Files that are cut off, damaged or not images at all."""

import io

import numpy as np
import pytest
from PIL import Image

from processing.decoding.decode import read_image, read_size
from processing.decoding.integrity import is_intact
from processing.errors import UserError

SHAPE = (64, 64, 3)


@pytest.fixture
def noise(rng):
    return rng.integers(0, 256, SHAPE, dtype=np.uint8)


def encoded(pixels, fmt, **options):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, fmt, **options)
    return stream.getvalue()


@pytest.mark.parametrize("fmt", ["PNG", "JPEG", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9, 0.99])
def test_cut_files_are_errors(tmp_path, noise, capfd, fmt, share):
    data = encoded(noise, fmt)
    path = tmp_path / f"cut.{fmt.lower()}"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(UserError) as raised:
        read_image(path, shape=SHAPE)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("progressive", [False, True])
def test_a_cut_jpeg_is_told_without_opencv(noise, progressive):
    """OpenCV 4 fills a cut JPEG with grey, even if a thumbnail in it is whole."""
    thumbnail = encoded(noise[:8, :8], "JPEG")
    data = encoded(noise, "JPEG", progressive=progressive)
    comment = b"\xff\xfe" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    data = data[:2] + comment + data[2:]
    assert is_intact(data)
    assert is_intact(data + b"\0" * 100)  # some cameras pad
    for share in (0.5, 0.9, 0.999):
        assert not is_intact(data[: int(len(data) * share)])


def test_a_cut_or_damaged_png_is_told_without_opencv(noise):
    data = encoded(noise, "PNG")
    assert is_intact(data)
    assert not any(is_intact(data[:n]) for n in range(8, len(data), 7))
    damaged = bytearray(data)
    damaged[data.index(b"IDAT") + 20] ^= 0xFF
    assert not is_intact(bytes(damaged))


def test_a_damaged_comment_in_a_png_is_harmless(tmp_path, noise):
    data = encoded(noise, "PNG")
    ends = data.index(b"IDAT") - 4
    comment = (4).to_bytes(4, "big") + b"tEXt" + b"a\0bc" + b"0000"
    path = tmp_path / "a.png"
    path.write_bytes(data[:ends] + comment + data[ends:])
    np.testing.assert_array_equal(read_image(path, shape=SHAPE), noise)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"these are notes, not pixels\n" * 20, "not an image"),
        (b"", "the file is empty"),
        (None, "No such file"),
    ],
)
def test_not_an_image(tmp_path, capfd, content, reason):
    path = tmp_path / "notes.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=rf"notes.png: not a .*\({reason}"):
        read_image(path, shape=SHAPE)
    with pytest.raises(UserError, match="notes.png: not a readable image"):
        read_size(path)
    assert capfd.readouterr() == ("", "")


def test_floating_point_files_are_refused(tmp_path):
    path = tmp_path / "a.tif"
    path.write_bytes(encoded(np.ones((4, 4), np.float32), "TIFF"))
    with pytest.raises(UserError, match=r"a.tif: .*float32, expected 8 or 16 bits"):
        read_image(path, shape=(4, 4, 1))
