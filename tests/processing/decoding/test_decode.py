import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from processing.decoding import decode
from processing.decoding.decode import (
    IMAGE_LIKE,
    SUFFIXES,
    check_image,
    fault,
    read_image,
    read_mask,
    read_pixels,
    read_size,
    to_float,
    to_uint8,
)
from processing.errors import UserError

HEIGHT, WIDTH = 12, 20
RGB = (HEIGHT, WIDTH, 3)
GREY = (HEIGHT, WIDTH, 1)
LOSSLESS = ["png", "bmp", "tif", "tiff", "webp"]
LABELS = np.array([[0, 1, 2], [0, 0, 127]])
MARKS = LABELS > 0


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


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("tile", [None, (32, 32)])
@pytest.mark.parametrize("order", "<>")
def test_min_is_white_is_no_negative(tmp_path, rng, bits, tile, order):
    pixels = rng.integers(0, 2**bits, (48, 40)).astype(f"u{bits // 8}")
    kinds = {"minisblack": pixels, "miniswhite": ~pixels}
    for kind, stored in kinds.items():
        path = tmp_path / f"{kind}.tif"
        tifffile.imwrite(path, stored, photometric=kind, tile=tile, byteorder=order)
        np.testing.assert_array_equal(read_pixels(path, 1)[..., 0], pixels)


@pytest.mark.parametrize("bits", [1, 10, 12, 14])
def test_min_is_white_of_other_depths(tmp_path, rng, bits):
    values = rng.integers(0, 2**bits, (16, 32))
    values[0, 0] = 2**bits - 1
    images = [tiff(tmp_path / f"{kind}.tif", values, bits, kind) for kind in (0, 1)]
    white, black = (read_pixels(path, 1)[..., 0].astype(int) for path in images)
    shown = 255 * values if bits == 1 else values << (16 - bits)
    np.testing.assert_array_equal(black, shown)
    np.testing.assert_array_equal(white, shown.max() - shown)
    assert read_size(images[0]) == values.shape


def test_the_header_of_a_file_is_read_once(tmp_path, monkeypatch):
    path, read = tmp_path / "a.png", []
    header = decode._header
    monkeypatch.setattr(decode, "_header", lambda x: read.append(x) or header(x))
    for height in (3, 50):
        Image.new("L", (4, height)).save(path)
        assert read_size(path) == read_size(path) == (height, 4)
    assert len(read) == 2


def tiff(path, values, bits, photometric):
    """Write a grey TIFF file of any depth, its rows packed."""
    bytes_ = (values[..., None] >> np.arange(bits)[::-1] & 1).astype(np.uint8)
    data = np.packbits(bytes_.reshape(len(values), -1), axis=1).tobytes()
    height, width = values.shape
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 273: 8}
    tags |= {277: 1, 278: height, 279: len(data)}
    entries = [np.array([[x, 4, 1, 0]], "<u2").tobytes()[:4] for x in tags]
    content = b"II*\0" + (8 + len(data)).to_bytes(4, "little") + data
    content += len(tags).to_bytes(2, "little")
    for entry, value in zip(entries, tags.values(), strict=True):
        content += entry + b"\1\0\0\0" + value.to_bytes(4, "little")
    path.write_bytes(content + bytes(4))
    return path


def test_planes_of_16_bits_are_refused_rather_than_mixed_up(tmp_path, rng):
    planes = rng.integers(0, 65536, (3, 20, 30), dtype=np.uint16)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, planes, photometric="rgb", planarconfig="separate")
    with pytest.raises(UserError, match=r"a.tif: not a readable .* in planes"):
        read_pixels(path, 3)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("CMYK", "tif"), ("LAB", "tif"), ("YCbCr", "tif"), ("CMYK", "jpg")],
)
def test_other_colour_spaces_become_rgb(tmp_path, photo, mode, suffix):
    smooth = cv2.GaussianBlur(photo, (0, 0), 4)
    image = Image.fromarray(smooth)
    if mode == "LAB":
        names = ("sRGB", "LAB")
        profiles = [ImageCms.createProfile(name) for name in names]
        image = ImageCms.profileToProfile(image, *profiles, outputMode="LAB")
    else:
        image = image.convert(mode)
    path = tmp_path / f"a.{suffix}"
    image.save(path, **({"quality": 98, "subsampling": 0} if suffix == "jpg" else {}))
    np.testing.assert_allclose(read_image(path, shape=RGB), smooth.astype(int), atol=20)


def test_the_first_frame_of_a_gif(tmp_path, photo):
    frames = [Image.fromarray(x).quantize(64) for x in (photo, 255 - photo)]
    path = tmp_path / "a.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    expected = np.asarray(frames[0].convert("RGB"))
    np.testing.assert_array_equal(read_image(path, shape=RGB), expected)
    assert read_size(path) == (HEIGHT, WIDTH)
    assert fault(path) is None


@pytest.mark.parametrize("suffix", ["jfif", "jpe", "JPEG"])
def test_other_names_of_jpeg(tmp_path, photo, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(photo).save(path, "JPEG")
    assert path.name.lower().endswith(SUFFIXES)
    assert read_image(path, shape=RGB).shape == RGB


def test_kinds_of_images_are_taken_or_known_not_to_be():
    assert not set(SUFFIXES) & set(IMAGE_LIKE)
    assert all(suffix == suffix.lower() for suffix in (*SUFFIXES, *IMAGE_LIKE))


def test_reading_a_header_leaves_warnings_of_other_threads(tmp_path, monkeypatch):
    """`warnings.catch_warnings` would have taken them: filters are of the process."""
    path = tmp_path / "image.png"
    Image.new("L", (4, 3)).save(path)
    bands = Image.Image.getbands

    def warn_meanwhile(image):
        warnings.warn("of another thread", UserWarning, stacklevel=1)
        return bands(image)

    monkeypatch.setattr(Image.Image, "getbands", warn_meanwhile)
    with pytest.warns(UserWarning, match="of another thread"):
        assert read_size(path) == (3, 4)


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


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "webp", "gif"])
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


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "webp"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_numbers_of_classes_are_marks(tmp_path, suffix, channels):
    values = LABELS.astype(np.uint8)
    if channels > 1:  # in one channel, as dark blue; alpha is full
        values = np.dstack([0 * values, 0 * values, values])
    if channels == 4:
        values = np.dstack([values, np.full(LABELS.shape, 255, np.uint8)])
    options = {"exact": True} if suffix == "webp" else {}
    path = save(tmp_path / f"a.{suffix}", values, **options)
    np.testing.assert_array_equal(read_mask(path), MARKS)


@pytest.mark.parametrize("scale", [1, 255, 100])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_masks_of_16_bits_with_low_marks(tmp_path, scale, suffix):
    values = (MARKS * scale).astype(np.uint16)
    path = save(tmp_path / f"a.{suffix}", values)
    np.testing.assert_array_equal(read_mask(path), MARKS)


@pytest.mark.parametrize(
    "dtype", ["int8", "int16", "int32", "float32", "float64", "bool"]
)
def test_masks_of_other_types(tmp_path, dtype):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, LABELS.astype(dtype))
    assert read_size(path) == LABELS.shape
    np.testing.assert_array_equal(read_mask(path), MARKS)


def test_soft_edges_of_a_floating_point_mask(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.array([[0, 0.2, np.nan], [0.7, 1, 0.4]], np.float32))
    np.testing.assert_array_equal(read_mask(path), [[0, 0, 0], [1, 1, 0]])


@pytest.mark.parametrize("photometric", [0, 1])
def test_masks_of_one_bit(tmp_path, photometric):
    path = tiff(tmp_path / "a.tif", MARKS ^ (not photometric), 1, photometric)
    np.testing.assert_array_equal(read_mask(path), MARKS)


BLACK, DARK, BRIGHT = (0, 0, 0), (40, 0, 0), (0, 128, 0)


@pytest.mark.parametrize("suffix", ["png", "gif", "bmp", "tif"])
@pytest.mark.parametrize(
    ("colours", "expected"),
    [
        ([BLACK, DARK, (0, 0, 9)], [0, 1, 1]),
        ([BLACK, DARK, BRIGHT], [0, 1, 1]),  # as Pascal VOC has them
        ([DARK, BLACK, BRIGHT], [1, 0, 1]),
        ([(90, 80, 70), DARK, BRIGHT], [0, 1, 1]),
        ([BLACK, (255, 255, 255), (9, 9, 9)], [0, 1, 0]),  # with soft edges
        ([(255, 255, 255), BLACK, BLACK], [1, 0, 0]),
        ([BLACK, (1, 1, 1), (2, 2, 2)], [0, 1, 1]),
    ],
    ids=["dark", "voc", "black second", "no black", "soft", "white first", "grey"],
)
def test_masks_with_a_palette(tmp_path, suffix, colours, expected):
    image = Image.fromarray(np.array([[0, 1, 2]] * 2, np.uint8), "P")
    image.putpalette([value for colour in colours for value in colour])
    path = tmp_path / f"a.{suffix}"
    image.save(path)
    np.testing.assert_array_equal(read_mask(path), [expected] * 2)


def test_a_mask_with_a_palette_that_is_partly_transparent(tmp_path):
    image = Image.fromarray(LABELS.astype(np.uint8), "P")
    image.putpalette([0, 0, 0] + [30, 0, 20] * 127)
    image.save(tmp_path / "a.png", transparency=bytes([0, 200] + [255] * 126))
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), MARKS)


def test_a_palette_that_is_all_black_has_numbers(tmp_path):
    image = Image.fromarray(LABELS.astype(np.uint8), "P")
    image.putpalette(bytes(3 * 128))
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), MARKS)


@pytest.mark.parametrize("suffix", ["jpg", "webp", "tif"])
def test_noise_of_lossy_masks_marks_nothing(tmp_path, rng, suffix):
    noise = rng.integers(0, 4, (16, 16), dtype=np.uint8)
    marked = noise.copy()
    marked[4:12, 4:12] = 255 - noise[4:12, 4:12]
    for name, values, expected in (("a", noise, 0 * noise), ("b", marked, marked > 9)):
        path = tmp_path / f"{name}.{suffix}"
        Image.fromarray(values).save(path, quality=95, compression="jpeg")
        np.testing.assert_array_equal(read_mask(path), expected > 0)


def test_values_of_a_mask_from_236_on(tmp_path):
    """As in MVTec LOCO, where they number kinds of defects."""
    values = np.array([[0, 236, 255], [0, 0, 240]], np.uint8)
    path = save(tmp_path / "a.png", values)
    np.testing.assert_array_equal(read_mask(path), values > 0)


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


@pytest.mark.parametrize("exif", [b"Exif\0\0MM\0\0", b"Exif\0\0junk", b"Exif\0\0"])
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_a_broken_exif_leaves_an_image_as_it_is(tmp_path, photo, exif, suffix):
    path = save(tmp_path / f"a.{suffix}", photo, exif=exif)
    assert read_size(path) == (HEIGHT, WIDTH)
    check_image(path)
    assert read_pixels(path, 3).shape == RGB
