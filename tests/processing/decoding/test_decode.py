from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from processing.decoding import decode
from processing.decoding.decode import (
    read_image,
    read_mask,
    read_size,
    to_float,
    to_uint8,
)

HEIGHT, WIDTH = 12, 20
RGB = (HEIGHT, WIDTH, 3)
GREY = (HEIGHT, WIDTH, 1)
LOSSLESS = ["png", "bmp", "tif", "tiff", "webp"]


@pytest.fixture
def photo(rng):
    """Smooth, so that JPEG keeps it, and different in each channel and direction."""
    noise = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3)
    return np.clip(smooth.astype(int) + [40, 0, -40], 0, 255).astype(np.uint8)


def save(path, pixels, **options):
    if path.suffix == ".webp":
        options.setdefault("lossless", True)
    Image.fromarray(pixels).save(path, **options)
    return path


def luma(rgb):
    return rgb @ np.array([0.2989, 0.5870, 0.1140])


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_rgb_comes_back_in_rgb_order(tmp_path, photo, suffix):
    pixels = read_image(save(tmp_path / f"a.{suffix}", photo), shape=RGB)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, photo)


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_grey_file_comes_back_exactly(tmp_path, photo, suffix):
    path = save(tmp_path / f"a.{suffix}", photo[..., 0])
    np.testing.assert_array_equal(read_image(path, shape=GREY)[..., 0], photo[..., 0])
    as_rgb = read_image(path, shape=RGB)
    np.testing.assert_array_equal(as_rgb, photo[..., :1].repeat(3, axis=2))


@pytest.mark.parametrize("suffix", [*LOSSLESS, "jpg"])
def test_rgb_to_grey_is_the_luma(tmp_path, photo, suffix):
    pixels = read_image(save(tmp_path / f"a.{suffix}", photo), shape=GREY)
    tolerance = 6 if suffix == "jpg" else 1
    np.testing.assert_allclose(pixels[..., 0], luma(photo), atol=tolerance)


@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_is_close(tmp_path, photo, progressive):
    path = tmp_path / "a.JPG"
    save(path, photo, quality=95, subsampling=0, progressive=progressive)
    np.testing.assert_allclose(read_image(path, shape=RGB), photo.astype(int), atol=8)


@pytest.mark.parametrize(
    ("suffix", "lowest"), [("png", 0), ("webp", 0), ("bmp", 0), ("tif", 255)]
)
def test_alpha_is_dropped(tmp_path, photo, suffix, lowest):
    alpha = np.linspace(lowest, 255, HEIGHT * WIDTH).astype(np.uint8)
    rgba = np.dstack([photo, alpha.reshape(HEIGHT, WIDTH)])
    options = {"exact": True} if suffix == "webp" else {}
    path = save(tmp_path / f"a.{suffix}", rgba, **options)
    np.testing.assert_array_equal(read_image(path, shape=RGB), photo)


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_palette_is_looked_up(tmp_path, photo, suffix):
    palette = Image.fromarray(photo).quantize(16)
    path = tmp_path / f"a.{suffix}"
    palette.save(path)
    expected = np.asarray(palette.convert("RGB"))
    np.testing.assert_array_equal(read_image(path, shape=RGB), expected)


def test_one_bit_is_black_and_white(tmp_path, photo):
    bits = photo[..., 0] > 128
    path = save(tmp_path / "a.png", bits)
    np.testing.assert_array_equal(read_image(path, shape=GREY)[..., 0], bits * 255)


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_become_floats(tmp_path, rng, suffix, channels):
    pixels = rng.integers(0, 65536, (HEIGHT, WIDTH, channels), dtype=np.uint16)
    pixels[0, 0], pixels[0, 1] = 0, 65535
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(cv2.imencode(path.suffix, pixels[..., ::-1])[1].tobytes())
    image = read_image(path, shape=(HEIGHT, WIDTH, channels))
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, pixels / 65535, atol=1e-7)
    assert (image.min(), image.max()) == (0, 1)


def test_conversions_between_float_and_uint8():
    pixels = np.arange(256, dtype=np.uint8)
    floats = to_float(pixels)
    assert floats.dtype == np.float32
    assert (floats[0], floats[-1]) == (0, 1)
    np.testing.assert_array_equal(to_uint8(floats), pixels)
    assert to_uint8(pixels) is pixels
    assert to_float(floats) is floats


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_orientation_is_applied(tmp_path, photo, suffix, orientation):
    photo[:4, :6] = 0  # a mark in one corner
    path = tmp_path / f"a.{suffix}"
    exif = Image.Exif()
    exif[274] = orientation
    options = {"tiffinfo": {274: orientation}} if suffix == "tif" else {"exif": exif}
    save(path, photo, **options)
    turns = {1: 0, 3: 2, 6: 3, 8: 1}[orientation]  # of 90 degrees, anticlockwise
    expected = np.rot90(photo, turns)
    assert read_size(path) == expected.shape[:2]
    tolerance = 60 if suffix == "jpg" else 0
    pixels = read_image(path, shape=expected.shape)
    np.testing.assert_allclose(pixels, expected.astype(int), atol=tolerance)


def test_names_outside_of_ascii(tmp_path, photo):
    path = save(tmp_path / "Prüfling 01 – 部品 é.png", photo)
    np.testing.assert_array_equal(read_image(path, shape=RGB), photo)
    assert read_size(path) == (HEIGHT, WIDTH)


def test_shrinking_averages(tmp_path):
    stripes = np.zeros((8, 8), np.uint8)
    stripes[:, ::2] = 200  # nearest or bilinear sampling would see one stripe only
    path = save(tmp_path / "a.png", stripes)
    np.testing.assert_array_equal(read_image(path, shape=(2, 2, 1)), 100)


@pytest.mark.parametrize("shape", [(24, 40, 1), (6, 40, 1), (24, 10, 1), (1, 1, 1)])
def test_resizing_keeps_a_constant_and_the_range(tmp_path, photo, shape):
    constant = read_image(
        save(tmp_path / "a.png", np.full((HEIGHT, WIDTH), 77, np.uint8)), shape=shape
    )
    assert constant.shape == shape
    np.testing.assert_array_equal(constant, 77)
    pixels = read_image(save(tmp_path / "b.png", photo[..., 0]), shape=shape)
    assert photo[..., 0].min() <= pixels.min() <= pixels.max() <= photo[..., 0].max()


def test_enlarging_is_bilinear(tmp_path):
    path = save(tmp_path / "a.png", np.array([[0, 200]], np.uint8))
    pixels = read_image(path, shape=(1, 4, 1))
    np.testing.assert_array_equal(pixels.ravel(), [0, 50, 150, 200])


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "webp"])
def test_masks_are_cut_at_half(tmp_path, suffix):
    values = np.array([[0, 1, 127], [128, 200, 255]], np.uint8)
    mask = read_mask(save(tmp_path / f"a.{suffix}", values))
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, [[0, 0, 0], [1, 1, 1]])


@pytest.mark.parametrize(
    "values",
    [
        np.array([[0, 1], [1, 0]], np.uint8),
        np.array([[32767, 32768], [65535, 0]], np.uint16),
        np.array([[False, True], [True, False]]),
        np.array([[[0, 0, 0], [200, 0, 0]], [[0, 0, 200], [9, 9, 9]]], np.uint8),
    ],
    ids=["zero-one", "16 bit", "1 bit", "colour"],
)
def test_kinds_of_masks(tmp_path, values):
    mask = read_mask(save(tmp_path / "a.png", values))
    np.testing.assert_array_equal(mask, [[0, 1], [1, 0]])


def test_an_empty_mask_is_empty(tmp_path):
    assert not read_mask(save(tmp_path / "a.png", np.zeros((4, 6), np.uint8))).any()


def test_masks_are_resized_by_nearest_neighbour(tmp_path):
    values = np.zeros((4, 4), np.uint8)
    values[:2, 2:] = 255
    path = save(tmp_path / "a.png", values)
    np.testing.assert_array_equal(read_mask(path, (2, 2)), [[0, 1], [0, 0]])
    large = read_mask(path, (8, 12))
    assert large.shape == (8, 12)
    np.testing.assert_array_equal(large, values.repeat(2, 0).repeat(3, 1) > 0)


def test_size_reads_the_header_only(tmp_path, photo, monkeypatch):
    path = save(tmp_path / "a.png", photo)
    monkeypatch.setattr(decode, "_decode", None)
    monkeypatch.setattr(Image.Image, "load", None)
    assert read_size(path) == (HEIGHT, WIDTH)


def test_size_of_what_pillow_declines_to_open(tmp_path, photo, monkeypatch):
    path = save(tmp_path / "a.png", photo)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert read_size(Path(path)) == (HEIGHT, WIDTH)
