"""Files that are cut off, damaged or not images at all."""

import io
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from processing.decoding.decode import (
    check_image,
    fault,
    read_image,
    read_mask,
    read_size,
)
from processing.decoding.integrity import is_intact, naming_file
from processing.errors import UsageError, UserError

SHAPE = (64, 64, 3)


@pytest.fixture
def noise(rng):
    return rng.integers(0, 256, SHAPE, dtype=np.uint8)


def encoded(pixels, fmt, **options):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, fmt, **options)
    return stream.getvalue()


@pytest.mark.parametrize("fmt", ["PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF"])
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


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "zlib"},
        {"tile": (32, 32)},
        {"tile": (32, 32), "compression": "zlib"},
        {"rowsperstrip": 4, "bigtiff": True},
    ],
    ids=str,
)
def test_cut_tiffs_whose_tags_come_first(tmp_path, noise, options):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise, photometric="rgb", **options)
    data = path.read_bytes()
    assert fault(path) is None
    for length in (len(data) // 2, len(data) - 40):
        path.write_bytes(data[:length])
        assert "a.tif" in str(fault(path))


JPEGS = [{}, {"progressive": True}, {"restart_marker_blocks": 2}, {"quality": 98}]


@pytest.mark.parametrize("options", JPEGS, ids=str)
def test_what_follows_a_jpeg_does_not_count(tmp_path, noise, options):
    """Motion photos have a film there, multi-picture files more images."""
    whole = encoded(noise, "JPEG", **options)
    path = tmp_path / "a.jpg"
    path.write_bytes(whole)
    expected = read_image(path, shape=SHAPE)
    other = encoded(255 - noise, "JPEG")
    film = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 9 + b"\xff\xda\xff"
    for rest in (film, other, other[:-40], b"\xff\xda", bytes(1000)):
        path.write_bytes(whole + rest)
        assert fault(path) is None
        np.testing.assert_array_equal(read_image(path, shape=SHAPE), expected)


@pytest.mark.parametrize("options", JPEGS, ids=str)
@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.7, 0.99])
def test_a_cut_jpeg_with_a_whole_one_behind_it(tmp_path, noise, options, share):
    whole = encoded(noise, "JPEG", **options)
    path = tmp_path / "a.jpg"
    path.write_bytes(whole[: int(len(whole) * share)] + whole)
    assert not is_intact(path.read_bytes())
    for read in (check_image, lambda path: read_image(path, shape=SHAPE)):
        with pytest.raises(UserError, match="a.jpg: not a readable image"):
            read(path)


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


def poison(noise, change):
    """Return a PNG file with right checksums around a stream that is changed."""
    rows = b"".join(b"\0" + row.tobytes() for row in noise)
    height, width, _ = noise.shape
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\2\0\0\0"
    content = b"\x89PNG\r\n\x1a\n"
    for kind, data in ((b"IHDR", header), (b"IDAT", change(rows)), (b"IEND", b"")):
        checksum = zlib.crc32(kind + data).to_bytes(4, "big")
        content += len(data).to_bytes(4, "big") + kind + data + checksum
    return content


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: b"no stream" * 9,
        lambda rows: zlib.compress(rows[: len(rows) // 2]),
        lambda rows: zlib.compress(rows)[:-40],
        lambda rows: zlib.compress(b"\x09" + rows[1:]),
        lambda rows: b"",
    ],
    ids=["no stream", "half of the rows", "cut stream", "unknown filter", "empty"],
)
def test_a_png_with_right_checksums_and_a_bad_stream(tmp_path, noise, change):
    path = tmp_path / "a.png"
    path.write_bytes(poison(noise, zlib.compress))
    assert fault(path) is None
    path.write_bytes(poison(noise, change))
    assert is_intact(path.read_bytes())
    with pytest.raises(UserError, match=r"a.png: not a readable image"):
        check_image(path)
    with pytest.raises(UserError, match=r"a.png: not a readable image"):
        read_image(path, shape=SHAPE)


def test_damage_in_the_tables_of_a_jpeg_is_found_by_the_check(tmp_path, noise):
    data = bytearray(encoded(noise, "JPEG"))
    table = data.index(b"\xff\xc4") + 10
    data[table : table + 8] = b"\xfe" * 8
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    assert "a.jpg: not a readable image" in str(fault(path))


def test_whatever_fails_names_the_file(tmp_path):
    path = tmp_path / "a.png"

    @naming_file
    def read(_, error):
        raise error

    for error in (KeyError("x"), zlib.error("bad"), RecursionError(), MemoryError()):
        with pytest.raises(match="a.png: not a readable image") as e:
            read(path, error)
        assert e.value.__cause__ is error
    with pytest.raises(match=r"\(Stale file handle\)"):
        read(path, OSError(116, "Stale file handle"))
    with pytest.raises(match=r"\(one two\)"):
        read(path, ValueError("one\ntwo"))
    with pytest.raises(UsageError, match="^wrong option$"):
        read(path, UsageError("wrong option"))


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.nii.gz", "a.dcm"])
def test_folders_and_files_that_are_gone(tmp_path, name):
    (tmp_path / name).mkdir()
    for path in (tmp_path / name, tmp_path / f"gone_{name}"):
        for read in (check_image, read_size, read_mask):
            with pytest.raises(UserError, match=f"{name}: not a readable image"):
                read(path)


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
