import cv2
import numpy as np
import pytest

from processing.decoding.decode import read_image
from processing.errors import UsageError
from processing.preprocessing.preparation import Preparation, grey

SIZE = (24, 32)


@pytest.fixture
def path(tmp_path, rng):
    """Return a coloured image of 30x60 pixels (h, w)."""
    path = tmp_path / "image.png"
    cv2.imwrite(str(path), rng.integers(0, 256, (30, 60, 3), dtype=np.uint8))
    return path


def dot(tmp_path, x, y, size=(48, 96)):
    """Return a black image with a bright dot at (x, y), in shares of its sides."""
    image = np.zeros(size, np.float32)
    rows, columns = np.indices(size)
    far = (columns - x * size[1] + 0.5) ** 2 + (rows - y * size[0] + 0.5) ** 2
    image = 255 * np.exp(-far / 18)
    path = tmp_path / f"dot {x} {y}.png"
    cv2.imwrite(str(path), image.astype(np.uint8))
    return path


def peak(values):
    """Return where the highest value lies, (x, y) in shares of the sides."""
    height, width = values.shape[:2]
    row, column = np.unravel_index(values.argmax(), values.shape[:2])
    return (column + 0.5) / width, (row + 0.5) / height


@pytest.mark.parametrize("channels", [1, 3])
def test_without_options_it_is_read_image(path, channels):
    view = Preparation(SIZE, channels)(path)
    expected = read_image(path, shape=(*SIZE, channels))
    np.testing.assert_array_equal(view.pixels, expected)
    assert view.pixels.dtype == np.uint8
    assert view.geometry.judged is None
    assert view.geometry.registered is None


@pytest.mark.parametrize("size", [(24, 32), (40, 20), (7, 50)])
def test_padding_keeps_the_aspect_ratio(path, size):
    view = Preparation(size, 3, pad=True)(path)
    assert view.pixels.shape == (*size, 3)
    rows, columns = (np.flatnonzero(view.geometry.judged.any(axis=a)) for a in (1, 0))
    scale = min(size[0] / 30, size[1] / 60)
    assert len(rows) == max(1, round(30 * scale))
    assert len(columns) == max(1, round(60 * scale))
    assert abs(rows[0] + rows[-1] + 1 - size[0]) <= 1  # in the middle
    assert abs(columns[0] + columns[-1] + 1 - size[1]) <= 1
    inner = view.pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    expected = read_image(path, shape=(len(rows), len(columns), 3))
    np.testing.assert_array_equal(inner, expected)
    np.testing.assert_array_equal(view.pixels[0], view.pixels[rows[0]])  # drawn out
    np.testing.assert_array_equal(view.pixels[:, 0], view.pixels[:, columns[0]])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"pad": True},
        {"crop": (30, 34)},
        {"pad": True, "crop": (40, 30)},
        {"size": (64, 20), "pad": True},
    ],
)
@pytest.mark.parametrize("place", [(0.5, 0.5), (0.4, 0.6), (0.6, 0.3)])
def test_a_map_lies_on_the_whole_image(tmp_path, options, place):
    """Geometry and its inverse: what is bright comes back where it was."""
    preparation = Preparation(**{"size": (48, 56), "channels": 1, **options})
    view = preparation(dot(tmp_path, *place))
    restored = view.geometry.restore_map(view.pixels[..., 0].astype(np.float32))
    assert restored.shape == preparation.size
    tolerance = 1.5 / min(preparation.size)
    assert peak(restored) == pytest.approx(place, abs=tolerance)


def test_a_crop_is_the_middle(path):
    whole, view = (
        Preparation((21, 32), 3)(path),
        Preparation((21, 32), 3, crop=(8, 9))(path),
    )
    np.testing.assert_array_equal(view.pixels, whole.pixels[6:14, 11:20])
    restored = view.geometry.restore(view.pixels)
    np.testing.assert_array_equal(restored[6:14, 11:20], view.pixels)


def test_sixteen_bits_and_a_span(tmp_path):
    path = tmp_path / "twelve bits.png"
    pixels = np.linspace(0, 5000, 24 * 32).reshape(SIZE).astype(np.uint16)
    cv2.imwrite(str(path), pixels)
    plain = Preparation(SIZE, 1)(path).pixels
    np.testing.assert_allclose(plain[..., 0], pixels / 65535, rtol=1e-6)
    stretched = Preparation(SIZE, 1, span=(1000, 4095))(path).pixels
    expected = np.clip((pixels - 1000.0) / 3095, 0, 1)
    np.testing.assert_allclose(stretched[..., 0], expected, atol=1e-6)
    assert stretched.dtype == np.float32


def test_a_span_of_eight_bits(path):
    plain = read_image(path, shape=(30, 60, 3)).astype(float)
    stretched = Preparation((30, 60), 3, span=(50, 150))(path).pixels
    np.testing.assert_allclose(stretched, np.clip((plain - 50) / 100, 0, 1), atol=1e-6)


def test_a_mask_marks_what_is_judged_and_may_blank_the_rest(path, rng):
    mask = rng.random(SIZE) > 0.5
    arrays = {"mask": mask}
    view = Preparation(SIZE, 3, mask="1,2,3,4", arrays=arrays)(path)
    np.testing.assert_array_equal(view.geometry.judged, mask)
    assert view.pixels[~mask].any()
    blank = Preparation(SIZE, 3, mask="1,2,3,4", blank=True, arrays=arrays)(path)
    assert not blank.pixels[~mask].any()
    np.testing.assert_array_equal(blank.pixels[mask], view.pixels[mask])
    assert blank.pixels.dtype == np.uint8


def test_the_foreground_adds_to_what_it_is_in_most_images(tmp_path):
    image = np.full((64, 64), 220, np.uint8)
    image[20:50, 20:40] = 60
    path = tmp_path / "part.png"
    cv2.imwrite(str(path), image)
    core = np.zeros((64, 64), bool)
    core[5:10, 5:10] = True
    preparation = Preparation((64, 64), 1, mask="foreground", arrays={"core": core})
    judged = preparation(path).geometry.judged
    assert judged[core].all()
    assert judged[20:50, 20:40].all()
    assert judged.mean() < 0.25


def test_a_registered_image(tmp_path, rng):
    reference = cv2.GaussianBlur(rng.random((64, 80), np.float32), (0, 0), 4)
    reference = cv2.normalize(reference, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    matrix = np.float32([[1, 0, 6], [0, 1, -4]])
    image = cv2.warpAffine(reference, matrix, (80, 64), borderMode=cv2.BORDER_REPLICATE)
    path = tmp_path / "moved.png"
    cv2.imwrite(str(path), image)
    arrays = {"reference": reference}
    preparation = Preparation((64, 80), 1, register="ecc", arrays=arrays)
    view = preparation(path)
    assert view.geometry.registered is True
    inner = (slice(6, -6), slice(8, -8))
    np.testing.assert_allclose(view.pixels[..., 0][inner], reference[inner], atol=6)
    judged = view.geometry.judged  # without the border that registration brought in
    assert judged[inner].all()
    assert not judged[:, -5:].any()
    assert not judged[:3].any()
    restored = view.geometry.restore(view.pixels[..., 0].astype(np.float32))
    np.testing.assert_allclose(restored[inner], image[inner], atol=6)
    noise = tmp_path / "noise.png"
    cv2.imwrite(str(noise), rng.integers(0, 256, (64, 80), dtype=np.uint8))
    lost = preparation(noise)
    assert lost.geometry.registered is False
    np.testing.assert_array_equal(lost.pixels, read_image(noise, shape=(64, 80, 1)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop": (25, 32)}, "--crop must not exceed --size. Received: 25x32 of 24x32"),
        ({"tile": 25}, "--tile must not exceed .* Received: 25 for 24x32"),
        ({"crop": (20, 20), "tile": 21}, "Received: 21 for 20x20"),
        ({"tile": 16, "stride": 17}, "--stride must not exceed --tile.*17 for 16"),
        ({"stride": 8}, "8 for no tiles"),
        ({"blank": True}, "--blank needs a --mask"),
    ],
)
def test_options_that_do_not_go_together(options, message):
    with pytest.raises(UsageError, match=message):
        Preparation(SIZE, 1, **options)


def test_what_a_method_sees():
    assert Preparation(SIZE, 3).seen_shape == (24, 32, 3)
    cropped = Preparation(SIZE, 3, crop=(20, 30))
    assert cropped.seen_shape == cropped.image_shape == (20, 30, 3)
    assert len(cropped.tiling) == 1
    tiled = Preparation(SIZE, 3, crop=(20, 30), tile=16)
    assert tiled.seen_shape == (16, 16, 3)
    assert tiled.image_shape == (20, 30, 3)
    assert tiled.tiling.stride == 12
    assert len(tiled.tiling) == 2 * 3


def test_configuration_round_trip(rng):
    import json

    options = {"pad": True, "crop": (20, 20), "register": "orb", "span": (0.0, 9.0)}
    before = Preparation(SIZE, 1, **options, mask="foreground;1,2,3,4", blank=True)
    after = Preparation(**json.loads(json.dumps(before.config())))
    assert after == before
    assert after.size == SIZE


def test_grey(rng):
    image = rng.random((4, 5, 1), np.float32)
    np.testing.assert_array_equal(grey(image), np.rint(image[..., 0] * 255))
    colour = rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    expected = colour @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(grey(colour), expected, atol=1)


def test_a_picture_for_people(tmp_path, path):
    """At its own size, and as bright as the method sees it."""
    preparation = Preparation(SIZE, 1, crop=(8, 8))
    picture = preparation.picture(path)
    np.testing.assert_array_equal(picture, read_image(path, shape=(30, 60, 3)))
    dark = tmp_path / "dark.png"
    pixels = np.linspace(0, 4095, 200).reshape(10, 20).astype(np.uint16)
    cv2.imwrite(str(dark), pixels)
    assert preparation.picture(dark).max() == 16
    spanned = Preparation(SIZE, 1, span=(0, 4095)).picture(dark)
    np.testing.assert_allclose(spanned[..., 1], pixels / 4095 * 255, atol=0.51)
