import cv2
import numpy as np
import pytest
from scipy.ndimage import laplace

from processing.synthetic.pasting import FAINT, cloned, merge, moved, recoloured


def smooth(rng, shape=(40, 50, 3)):
    noise = cv2.GaussianBlur(rng.random(shape, np.float32), (0, 0), 3)
    return ((noise - noise.min()) / np.ptp(noise)).reshape(shape)


def box(shape, rows, columns):
    mask = np.zeros(shape, dtype=bool)
    mask[rows, columns] = True
    return mask


def test_merge_blends_by_the_share():
    image = np.full((32, 32, 1), 0.2, np.float32)
    share = np.zeros((32, 32), np.float32)
    share[8:16, 8:16] = 0.5
    merged, mask = merge(image, np.array([1.0]), share)
    np.testing.assert_array_equal(mask, share > 0)
    np.testing.assert_allclose(merged[mask], 0.6, rtol=1e-6)
    np.testing.assert_array_equal(merged[~mask], image[~mask])


def test_merge_undoes_what_is_too_faint_and_clips(rng):
    image = smooth(rng)
    share = np.linspace(0, 1, 50, dtype=np.float32) * np.ones((40, 1), np.float32)
    merged, mask = merge(image, image + 4 * FAINT, share)
    assert 0.6 < mask.mean() < 0.8
    np.testing.assert_array_equal(merged[~mask], image[~mask])
    assert merged.max() <= 1
    merged, mask = merge(image, image + 0.9 * FAINT, np.ones((40, 50)))
    assert not mask.any()
    np.testing.assert_array_equal(merged, image)


def test_merge_of_nothing_changes_nothing(rng):
    image = smooth(rng)
    merged, mask = merge(image, 1 - image, np.zeros((40, 50), np.float32))
    assert not mask.any()
    np.testing.assert_array_equal(merged, image)


def test_merge_closes_gaps_in_the_mask_within_the_outline_only():
    image = np.zeros((32, 32, 1), np.float32)
    altered = np.ones_like(image)
    altered[15, 15] = 0  # unchanged, amid changes
    share = box((32, 32), slice(10, 20), slice(10, 20))
    _, mask = merge(image, altered, share)
    np.testing.assert_array_equal(mask, share)


def test_moved_brings_a_place_of_the_part_to_the_centre(rng):
    source = smooth(rng)
    part = box((40, 50), 12, 30)
    for _ in range(6):  # mirrored or not
        result = moved(source, rng, part, (20, 25))
        assert result.shape == source.shape
        np.testing.assert_allclose(result[25, 20], source[12, 30], atol=1e-5)
        sides = result[25, 19], result[25, 21]
        expected = source[12, 29], source[12, 31]
        near = np.abs(np.array(sides) - expected).max() < 1e-5
        assert near or np.abs(np.array(sides[::-1]) - expected).max() < 1e-5


def test_moved_scales_and_turns(rng):
    y, x = np.indices((41, 41), np.float32)
    source = np.stack([x, y], axis=-1)[..., [0, 1, 1]] / 100
    part = box((41, 41), 20, 20)
    result = moved(source, rng, part, (20, 20), scale=2.0, turn=np.pi / 2)
    # 8 pixels below the centre lies what was 4 pixels beside it
    np.testing.assert_allclose(abs(100 * result[28, 20, 0] - 20), 4, atol=1e-3)
    np.testing.assert_allclose(100 * result[28, 20, 1], 20, atol=1e-3)


def test_recoloured_changes_little(rng):
    pixels = smooth(rng)
    for _ in range(10):
        change = np.abs(recoloured(pixels, rng) - pixels)
        assert 0 < change.max() < 0.2
        assert recoloured(pixels, rng).dtype == np.float32


@pytest.mark.parametrize("channels", [1, 3])
def test_a_clone_has_the_patchs_curvature_and_the_images_border(rng, channels):
    image = 0.3 + 0.4 * smooth(rng, (40, 50, channels))
    y, x = np.indices((40, 50), np.float32)
    patch = np.repeat(0.7 + 0.2 * np.sin(x)[..., None] * np.cos(y / 2)[..., None], 3, 2)
    inside = box((40, 50), slice(5, 33), slice(8, 41))
    result = cloned(image, patch[..., :channels], inside, cv2.NORMAL_CLONE)
    np.testing.assert_array_equal(result[~inside], image[~inside])
    core = np.s_[9:29, 12:37]
    wanted = 255 * laplace(patch[..., 0])[core]
    for channel in range(channels):
        curved = 255 * laplace(result[..., channel])[core]
        assert np.abs(curved - wanted).max() < 8  # of rounding to 8 bits
        assert np.abs(curved - wanted).mean() < 0.1 * np.abs(wanted).mean()


@pytest.mark.parametrize("mode", [cv2.NORMAL_CLONE, cv2.MIXED_CLONE])
@pytest.mark.parametrize(
    "inside",
    [
        np.ones((40, 50), bool),
        box((40, 50), slice(0, 12), slice(30, 50)),
        box((40, 50), 20, slice(10, 30)),
        box((40, 50), slice(4, 7), slice(6, 9)),
        box((40, 50), 0, 0),
    ],
    ids=["all", "corner", "line", "smallest", "none left"],
)
def test_a_clone_of_itself_changes_nothing(rng, inside, mode):
    image = smooth(rng)
    result = cloned(image, image, inside, mode)
    assert np.abs(result - image).max() <= 2 / 255
    np.testing.assert_array_equal(result[[0, -1]], image[[0, -1]])
