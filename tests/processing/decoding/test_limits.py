"""Files that declare more than they hold, or than is decoded."""

import gzip
import struct

import nibabel
import numpy as np
import pytest
from PIL import Image

from processing.data.image_set import ImageSet
from processing.decoding.decode import fault, read_mask, read_pixels, read_size
from processing.decoding.limits import MAX_PIXELS, VARIABLE, max_pixels
from processing.decoding.medical import slices
from processing.errors import UsageError, UserError

FORMATS = ["png", "jpg", "gif", "bmp", "tif", "webp"]
HEIGHT, WIDTH = 6, 8


@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"exif": b"Exif\0\0MM\0"}])
@pytest.mark.parametrize("suffix", FORMATS)
def test_an_image_of_more_pixels_than_the_limit(tmp_path, suffix, options, monkeypatch):
    path = tmp_path / f"a.{suffix}"
    options = options if suffix == "webp" else {}  # its header is of three kinds
    Image.new("RGB", (WIDTH, HEIGHT)).save(path, **options)
    monkeypatch.setenv(VARIABLE, "48")
    assert read_pixels(path, 3).shape == (HEIGHT, WIDTH, 3)
    monkeypatch.setenv(VARIABLE, "47")
    reason = rf"a.{suffix}: .*8x6 pixels, expected at most 47 .*{VARIABLE}"
    for read in (lambda path: read_pixels(path, 1), read_mask):
        with pytest.raises(UserError, match=reason):
            read(path)
    assert VARIABLE in str(fault(path))


def declare(path, width, height):
    """Let the header of a tiny image declare another size."""
    Image.new("L", (WIDTH, HEIGHT)).save(path)
    data = bytearray(path.read_bytes())
    if path.suffix == ".bmp":
        data[18:26] = struct.pack("<ii", width, height)
    elif path.suffix == ".jpg":
        place = data.index(b"\xff\xc0") + 5
        data[place : place + 4] = struct.pack(">HH", height, width)
    elif path.suffix == ".gif":
        data[6:10] = struct.pack("<HH", width, height)
    elif path.suffix == ".tif":
        for tag, value in ((256, width), (257, height)):
            place = data.index(struct.pack("<HH", tag, 4))
            data[place + 8 : place + 12] = struct.pack("<I", value)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("a.bmp", (2**20, 2**20)),
        ("a.bmp", (2**20, -(2**20))),
        ("a.jpg", (60000, 60000)),
        ("a.gif", (60000, 60000)),
        ("a.tif", (2**30, 2**30)),
    ],
)
def test_sizes_that_are_declared_alone(tmp_path, name, size):
    path = declare(tmp_path / name, *size)
    assert f"expected at most {MAX_PIXELS}" in str(fault(path))


@pytest.mark.parametrize("size", [(0, 4), (4, 0), (-4, 4)])
def test_images_without_pixels(tmp_path, size):
    assert "pixels)" in str(fault(declare(tmp_path / "a.bmp", *size)))


def test_pillows_own_limit_is_not_in_the_way(tmp_path, monkeypatch):
    palette = Image.new("P", (WIDTH, HEIGHT))
    palette.putpalette([0, 0, 0, 9, 0, 0])
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    for suffix in ("gif", "png"):
        path = tmp_path / f"a.{suffix}"
        palette.save(path)
        assert read_mask(path).shape == (HEIGHT, WIDTH)
        assert read_size(path) == (HEIGHT, WIDTH)


def test_a_limit_that_is_no_number_is_no_fault_of_files(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert max_pixels() == MAX_PIXELS
    path = tmp_path / "a.png"
    Image.new("L", (WIDTH, HEIGHT)).save(path)
    images = ImageSet(
        [path],
        names=["a.png"],
        labels=[0],
        classes=["good"],
        image_shape=(4, 4, 1),
    )
    assert not images.unreadable()
    for text in ("lots", "0", "-3"):
        monkeypatch.setenv(VARIABLE, text)
        with pytest.raises(UsageError, match=f"^{VARIABLE}: expected .*: {text}$"):
            images.uncached().unreadable()
        with pytest.raises(UsageError, match=f"^{VARIABLE}: expected .*: {text}$"):
            images.with_shape((2, 2, 1)).unreadable()


def nifti(path, shape, kind=nibabel.Nifti2Header):
    """Write a header that declares a shape, and no voxels."""
    header = kind()
    header.set_data_dtype(np.uint8)
    header.set_data_shape(shape)
    header["magic"] = b"n+2\0\r\n\x1a\n"
    header["vox_offset"] = 544
    data = header.binaryblock + bytes(12)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ((1, 1, 30_000_000), "30000000 slices of 1x1 pixels, expected 1 to"),
        ((600, 500, 9), "9 slices of 600x500 pixels, which [0-9]+ bytes cannot hold"),
        ((40_000, 30_000, 2), f"expected at most {MAX_PIXELS}"),
        ((0, 4, 4), "it has 0x4 pixels"),
        ((4, 4, 0), "0 slices of 4x4 pixels"),
    ],
)
def test_volumes_that_are_not_there(tmp_path, name, shape, reason):
    path = nifti(tmp_path / name, shape)
    assert slices(path) == [path]
    for read in (read_size, read_mask, lambda path: read_pixels(path, 1)):
        with pytest.raises(UserError, match=f"{name}: not a readable .*{reason}"):
            read(path)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("size", [0, -1, 8, 2**31 - 16])
def test_extensions_of_any_size_are_not_read(tmp_path, name, size, monkeypatch):
    path = tmp_path / name
    image = nibabel.Nifti1Image(np.eye(4)[None].astype(np.uint8), np.eye(4))
    data = bytearray(image.to_bytes()[:348])
    data[108:112] = np.float32(352 + 48).tobytes()
    data += bytes([1, 0, 0, 0]) + np.int32([size, 6]).tobytes() + bytes(40)
    data += np.eye(4, dtype=np.uint8).tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    extensions = nibabel.nifti1.Nifti1Extensions
    monkeypatch.setattr(extensions, "from_fileobj", None)
    assert read_size(path) == (4, 1)
    assert read_mask(slices(path)[3]).sum() == 1


def compressed(path, offset, behind):
    """Write a volume whose values begin at a byte, with bytes behind it."""
    image = nibabel.Nifti1Image(np.ones((2, 2, 2), np.uint8), np.eye(4))
    data = bytearray(image.to_bytes())
    data[108:112] = np.float32(offset).tobytes()
    path.write_bytes(gzip.compress(data + bytes(behind)))
    return path


@pytest.mark.parametrize(
    ("offset", "behind"), [(1e30, 0), (2**20, 0), (352, 2**20), (np.nan, 0)]
)
def test_what_lies_before_and_behind_a_compressed_volume(
    tmp_path, offset, behind, monkeypatch
):
    monkeypatch.setenv(VARIABLE, "2000")
    path = compressed(tmp_path / "a.nii.gz", offset, behind)
    reason = "vox|NaN" if np.isnan(offset) else "bytes or more once inflated, expected"
    with pytest.raises(UserError, match=f"not a readable image .*({reason})"):
        read_mask(path.with_name("a.nii.gz#1"))
    assert read_mask(compressed(path, 352, 99).with_name("a.nii.gz#1")).all()


def test_a_compressed_volume_beyond_the_limit(tmp_path, monkeypatch):
    path = tmp_path / "a.nii.gz"
    volume = np.zeros((10, 10, 10), np.uint8)
    volume[0] = 1
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), path)
    monkeypatch.setenv(VARIABLE, "200")
    assert len(slices(path)) == 10
    monkeypatch.setenv(VARIABLE, "199")
    with pytest.raises(UserError, match="expected at most 995 in all; .*, now 199,"):
        read_size(path)
