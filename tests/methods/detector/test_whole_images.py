import keras
import numpy as np
import pytest

from methods.detector.whole_images import placing, whole_network
from processing.preprocessing.preparation import Preparation
from processing.preprocessing.region_of_interest import parse_region


def identity(shape):
    """Return a network whose maps are the first channel, with their means as scores."""
    images = keras.Input(shape)
    maps = images[..., 0]
    return keras.Model(images, [maps, keras.ops.mean(maps, axis=(1, 2))])


def judged(preparation, images):
    network = whole_network(identity(preparation.seen_shape), preparation)
    return map(np.asarray, network(images))


@pytest.fixture
def images(rng):
    return rng.random((3, 24, 40, 1), np.float32)


def masked(text, **options):
    mask = parse_region(text).draw(24, 40)
    return Preparation((24, 40), 1, mask=text, arrays={"mask": mask}, **options)


def test_images_that_are_merely_resized_need_no_other_network():
    network = identity((24, 40, 1))
    assert whole_network(network, Preparation((24, 40), 1)) is network


@pytest.mark.parametrize("crop", [None, (20, 32)])
def test_overlapping_tiles_blend_to_the_image(images, crop):
    tiled = Preparation((24, 40), 1, crop=crop, tile=16, stride=6)
    maps, scores = judged(tiled, images)
    window = (slice(None), *tiled.window)
    expected = images[..., 0]
    np.testing.assert_allclose(maps[window], expected[window], rtol=1e-6)
    assert len(tiled.tiling) > 4
    tiles = [
        expected[window][:, rows, columns].mean(axis=(1, 2))
        for rows, columns in map(tiled.tiling.window, range(len(tiled.tiling)))
    ]
    np.testing.assert_allclose(scores, np.max(tiles, axis=0), rtol=1e-5)


def test_beyond_a_crop_is_the_lowest_value_and_the_score_is_the_methods(images):
    maps, scores = judged(Preparation((24, 40), 1, crop=(8, 8)), images)
    seen = images[:, 8:16, 16:24, 0]
    np.testing.assert_array_equal(maps[:, 8:16, 16:24], seen)
    np.testing.assert_array_equal(maps[:, 0, 0], seen.min(axis=(1, 2)))
    np.testing.assert_allclose(scores, seen.mean(axis=(1, 2)), rtol=1e-5)


def test_beyond_a_crop_edges_go_on_where_maps_are_restored_later(images):
    maps, _ = judged(Preparation((24, 40), 1, crop=(8, 8), pad=True), images)
    np.testing.assert_array_equal(maps[:, 0, 0], images[:, 8, 16, 0])


def test_under_a_mask_the_score_is_the_highest_judged_value(images):
    images[:, 2, 2] = 5.0
    maps, scores = judged(masked("0,0,8,8"), images)
    assert maps.max() < 1
    np.testing.assert_array_equal(scores, maps.max(axis=(1, 2)))
    np.testing.assert_array_equal(maps[:, 2, 2], maps.min(axis=(1, 2)))


def test_blank_is_black_in_the_network(images):
    blank, plain = masked("0,0,8,8", blank=True), masked("0,0,8,8")
    blur = keras.layers.AveragePooling2D(3, 1, "same")
    seen = keras.Input((24, 40, 1))
    maps = blur(seen)[..., 0]
    network = keras.Model(seen, [maps, keras.ops.max(maps, axis=(1, 2))])
    images[:, :8, :8] = 50.0
    highest = [
        np.asarray(whole_network(network, one)(images)[1]) for one in (blank, plain)
    ]
    assert highest[0].max() < 1 < highest[1].min()


def test_a_mask_that_leaves_nothing_of_a_crop(images):
    maps, scores = judged(masked("10,0,20,24", crop=(8, 8)), images)
    lowest = images[:, 8:16, 16:24, 0].min(axis=(1, 2))
    np.testing.assert_array_equal(
        maps, np.broadcast_to(lowest[:, None, None], (3, 24, 40))
    )
    np.testing.assert_array_equal(scores, lowest)


def test_rows_of_one_tile_are_placed_as_they_are():
    preparation = Preparation((6, 6), 1, crop=(4, 6))
    matrix = placing(preparation.tiling, 0, preparation)
    np.testing.assert_array_equal(matrix.argmax(axis=1), [0, 0, 1, 2, 3, 3])
    np.testing.assert_array_equal(np.sort(matrix, axis=1)[:, -2:], [[0, 1]] * 6)
