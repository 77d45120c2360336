"""The detector with a method that needs no training: bright is anomalous."""

from functools import cache

import cv2
import numpy as np
import pytest

from methods.base import Method
from methods.cae.cae import CAE
from methods.detector.detector import Detector
from methods.detector.model_file import load_model, save_model
from processing.data.dataset import scan_category
from processing.data.image_set import ImageSet
from processing.data.tiling import Tiling
from processing.geometry import warped
from processing.preprocessing.preparation import Preparation
from processing.preprocessing.reference import learn
from tests.records import learned, training_record

SIZE = (48, 64)


class Bright(Method):
    """A map is the image itself; remembers what it was shown."""

    def __init__(self, *, image_shape):
        super().__init__(name="bright", image_shape=image_shape, seed=0)
        self.arrays["fitted"] = np.ones(1)
        self.shown = []

    def fit(self, images, run=None):
        return self

    def judge(self, images, kind=None):
        self.shown.append(len(images))
        maps = images.mean(axis=3)
        return maps, maps.max(axis=(1, 2))

    def reconstruct(self, images):
        self.shown.append(len(images))
        return images / 2

    def build(self):
        pass


def detector(**options):
    preparation = Preparation(**{"size": SIZE, "channels": 1, **options})
    return Detector(Bright(image_shape=preparation.seen_shape), preparation)


def image_set(folder, images):
    paths = [folder / f"{i:03}.png" for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        cv2.imwrite(str(path), image)
    return ImageSet(
        paths,
        names=[path.name for path in paths],
        labels=[0] * len(paths),
        classes=["good"] * len(paths),
        image_shape=(*SIZE, 1),
    )


@pytest.fixture
def noise(tmp_path, rng):
    """Return seven images of noise."""
    images = rng.integers(0, 256, (7, *SIZE), dtype=np.uint8)
    return image_set(tmp_path, [cv2.GaussianBlur(x, (0, 0), 2) for x in images])


def judge(made, images, batch_size=16, kind=None):
    """Return all maps and scores."""
    judged = list(made.judge(images.prepared(made.preparation), kind, batch_size))
    maps = np.concatenate([batch.maps for batch in judged])
    return maps, np.concatenate([batch.scores for batch in judged])


def test_without_options_it_is_the_method(noise):
    made = detector()
    images = next(noise.batches(7))
    maps, scores = judge(made, noise)
    np.testing.assert_array_equal(maps, made.method.anomaly_map(images))
    np.testing.assert_array_equal(scores, maps.max(axis=(1, 2)))
    assert maps.dtype == scores.dtype == np.float32
    default = Detector(Bright(image_shape=(*SIZE, 1)))
    assert default.preparation == made.preparation
    assert default.image_shape == (*SIZE, 1)


def test_a_tile_as_large_as_the_image_changes_nothing(noise):
    plain = judge(detector(size=(48, 48)), noise)
    tiled = judge(detector(size=(48, 48), tile=48, stride=7), noise)
    for a, b in zip(plain, tiled, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_tile_of_a_network_as_large_as_the_image_changes_nothing(samples):
    method = CAE(image_shape=(64, 64, 1))
    method.build()
    good = scan_category(samples / "washer", image_shape=(64, 64, 1)).train
    plain = judge(Detector(method), good, kind="legacy-l2")
    tiled = Detector(method, Preparation((64, 64), 1, tile=64))
    tiled = judge(tiled, good, kind="legacy-l2")
    for a, b in zip(plain, tiled, strict=True):
        np.testing.assert_array_equal(a, b)


def test_tiles_of_a_large_image_are_stitched(noise):
    made = detector(tile=16, stride=12)
    maps, scores = judge(made, noise)
    tiling = Tiling(SIZE, (16, 16), 12)
    for i, image in enumerate(next(noise.batches(7))):
        tiles = np.stack([image[tiling.window(k)] for k in range(len(tiling))])
        tile_maps = made.method.anomaly_map(tiles)
        np.testing.assert_array_equal(maps[i], tiling.stitch(list(tile_maps)))
        assert scores[i] == tile_maps.max()


@pytest.mark.parametrize("batch_size", [1, 3, 5, 20, 100])
@pytest.mark.parametrize("tile", [None, 16, 40])
def test_batches_change_nothing_and_are_bounded(noise, batch_size, tile):
    made = detector(tile=tile)
    expected = judge(made, noise)
    made.method.shown.clear()
    found = judge(made, noise, batch_size)
    assert max(made.method.shown) <= batch_size
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("tile", "first"), [(None, 2), (None, 5), (16, 4)])
def test_all_batches_have_the_size_of_the_first(noise, tile, first):
    made = detector(tile=tile, stride=tile)
    expected = judge(made, noise, 4)
    made = detector(tile=tile, stride=tile)
    judge(made, noise.subset(range(first)), 4)
    found = judge(made, noise, 4)
    assert set(made.method.shown) == {min(first, 4)}
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_array_equal(a, b)


def test_no_image_is_judged_in_vain_in_many_steps(noise, monkeypatch):
    monkeypatch.setattr(Bright, "iterative", True)
    made = detector()
    judge(made, noise, 4)
    judge(made, noise.subset([0]), 4)
    assert made.method.shown == [4, 3, 1]


def test_methods_are_fitted_to_tiles(noise):
    made = detector(tile=16, stride=16)
    images = noise.prepared(made.preparation)
    tiles = made.seen(images.subset([5, 6]))
    assert len(tiles) == 2 * 12
    assert tiles.image_shape == made.method.image_shape == (16, 16, 1)
    assert detector().seen(noise) is noise


@pytest.mark.parametrize("tile", [None, 16])
def test_what_a_mask_leaves_out_counts_nowhere(tmp_path, tile):
    image = np.full(SIZE, 60, np.uint8)
    image[4:12, 4:12] = 250  # to be left out
    image[30:34, 40:44] = 150
    images = image_set(tmp_path, [image])
    mask = np.ones(SIZE, bool)
    mask[:16, :16] = False
    made = detector(tile=tile, stride=tile, mask="0,0,16,16", arrays={"mask": mask})
    [anomaly_map], [score] = judge(made, images)
    assert anomaly_map[31, 41] == anomaly_map.max() == np.float32(150 / 255)
    assert (anomaly_map[~mask] == np.float32(60 / 255)).all()
    _, [unmasked] = judge(detector(tile=tile, stride=tile), images)
    assert unmasked > score == anomaly_map.max()


def test_nothing_to_judge(noise):
    none = {"mask": np.zeros(SIZE, bool)}
    maps, scores = judge(detector(mask="x.png", arrays=none, tile=16), noise)
    images = next(noise.batches(7))[..., 0]
    np.testing.assert_allclose(scores, images.min(axis=(1, 2)), rtol=1e-6)
    assert (maps == scores[:, None, None]).all()


def part(x=0, y=0):
    """Return a dark part without symmetry before a grey background."""
    image = np.full(SIZE, 120, np.uint8)
    cv2.rectangle(image, (18 + x, 10 + y), (30 + x, 36 + y), 20, -1)
    cv2.rectangle(image, (18 + x, 28 + y), (46 + x, 36 + y), 40, -1)
    return image


@pytest.mark.parametrize("options", [{}, {"crop": (40, 48)}, {"tile": 32}])
@pytest.mark.parametrize(("angle", "move"), [(0, (6, -3)), (12, (-3, 2))])
def test_a_defect_is_found_where_it_is_in_the_image(tmp_path, options, angle, move):
    """The method sees the part registered; the map lies on the image as it was."""
    defective = part()
    defective[30:34, 30:34] = 250
    matrix = np.vstack([cv2.getRotationMatrix2D((32, 24), angle, 1), [0, 0, 1]])
    matrix[:2, 2] += move
    images = image_set(tmp_path, [part(), warped(defective, matrix)])
    made = detector(register="ecc", **options)
    made.preparation = learn(made.preparation, images.subset([0]))
    [judged] = made.judge(images.prepared(made.preparation))
    assert [view.geometry.registered for view in judged.views] == [True, True]
    row, column = np.unravel_index(judged.maps[1].argmax(), SIZE)
    expected = matrix @ [31.5, 31.5, 1]
    assert (column, row) == pytest.approx(expected[:2], abs=2)
    seen = judged.views[1].pixels[..., 0].astype(int)
    top, left = ((a - b) // 2 for a, b in zip(SIZE, seen.shape, strict=True))
    assert (seen[31 - top, 31 - left], seen[20 - top, 24 - left]) == pytest.approx(
        (250, 20), abs=25
    )


def test_images_that_cannot_be_registered_are_judged_and_named(tmp_path, rng):
    noise = rng.integers(0, 256, SIZE, dtype=np.uint8)
    images = image_set(tmp_path, [part(), noise, part(2, 2)])
    made = detector(register="ecc")
    made.preparation = learn(made.preparation, images.subset([0]))
    with pytest.warns(UserWarning, match="1 of 3 images .* as they are: 001.png"):
        [judged] = made.judge(images.prepared(made.preparation))
    registered = [view.geometry.registered for view in judged.views]
    assert registered == [True, False, True]
    np.testing.assert_allclose(judged.maps[1], noise / 255, rtol=1e-6)


def test_reconstructions_lie_on_the_whole_image(noise):
    made = detector(tile=16, crop=(32, 32))
    images = noise.prepared(made.preparation)
    views = next(images.views(2))
    good = made.reconstruct(views, batch_size=5)
    assert made.method.shown == [5] * 4  # tiles at once, of two images of nine each
    inside = (slice(8, 40), slice(16, 48))
    for one, whole in zip(good, next(noise.batches(2)), strict=True):
        assert one.shape == (*SIZE, 1)
        np.testing.assert_allclose(one[inside], whole[inside] / 2, atol=1e-6)
    made.method.reconstruct = lambda images: None
    assert made.reconstruct(views) is None


@pytest.fixture(scope="module")
def seen(samples, tmp_path_factory):
    """Return a function from options to what a method sees, from a model file, too."""
    good = scan_category(samples / "washer", image_shape=(*SIZE, 1)).train
    path = tmp_path_factory.mktemp("seen") / "model.hdf5"

    @cache
    def see(**options):
        preparation = learn(Preparation(**options), good)
        method = learned(CAE(image_shape=preparation.seen_shape))
        save_model(path, Detector(method, preparation), training_record("mvtecCAE"))
        loaded = load_model(path)[0].preparation
        assert loaded == preparation
        assert set(loaded.arrays) == set(preparation.arrays)
        [view] = next(good.subset([4]).prepared(loaded).views(1))
        [expected] = next(good.subset([4]).prepared(preparation).views(1))
        np.testing.assert_array_equal(view.pixels, expected.pixels)
        judged = view.geometry.judged
        return {
            "pixels": view.pixels.tobytes(),
            "judged": None if judged is None else judged.tobytes(),
            "registered": view.geometry.registered,
            "shape": loaded.seen_shape,
            "tiles": len(loaded.tiling),
        }

    return see


@pytest.mark.parametrize(
    "options",
    [
        {"span": (0, 100)},
        {"pad": True},
        {"crop": (32, 64)},
        {"register": "ecc"},
        {"register": "orb"},
        {"register": "ecc", "reference": "{washer}/train/good/002.png"},
        {"mask": "0,0,30,30"},
        {"mask": "foreground"},
        {"mask": "0,0,30,30", "blank": True},
        {"tile": 32},
        {"tile": 32, "stride": 8},
        {"size": (64, 64)},
    ],
)
def test_every_option_changes_what_is_seen_and_is_stored(options, seen, samples):
    options = {
        name: value.format(washer=samples / "washer") if name == "reference" else value
        for name, value in options.items()
    }
    plain = {"size": (96, 128), "channels": 1}
    for name, needed in (
        ("stride", "tile"),
        ("blank", "mask"),
        ("reference", "register"),
    ):
        if name in options:
            plain[needed] = options[needed]
    assert seen(**plain) != seen(**{**plain, **options})
