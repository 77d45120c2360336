import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

from processing.maps.residuals import (
    l1_residual,
    l2_residual,
    legacy_residual,
    quantise,
    smooth,
    ssim_residual,
)


def pair(rng, channels, noise=0.2):
    images = rng.random((2, 24, 32, channels), np.float32)
    others = images + noise * rng.standard_normal(images.shape)
    return images, np.clip(others, 0, 1).astype("float32")


def reference(x, y, data_range=1.0):
    return structural_similarity(
        x.astype("float64"),
        y.astype("float64"),
        data_range=data_range,
        channel_axis=2,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )[1]


@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_residual_equals_scikit_image(rng, channels):
    images, others = pair(rng, channels)
    expected = [1 - reference(*xy).mean(-1) for xy in zip(images, others, strict=True)]
    actual = ssim_residual(images, others)
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_ssim_residual_bounds(rng):
    images, _ = pair(rng, 1)
    np.testing.assert_allclose(ssim_residual(images, images), 0, atol=1e-6)
    inverse = ssim_residual(images, 1 - images)
    assert inverse.max() > 1  # anti-correlated pixels are not clipped
    assert inverse.max() <= 2


def test_l2_residual_by_hand():
    images = np.zeros((1, 1, 2, 3), np.float32)
    others = np.float32([[[0, 0, 1], [0.5, 0.5, 0.5]]])[None]
    np.testing.assert_allclose(l2_residual(images, others), [[[1 / 3, 0.25]]])


def test_legacy_maps_are_those_of_the_original(rng):
    """Grey by the original's weights, a data range of 2, clipped at 1."""
    images, others = pair(rng, 3)
    weights = np.array([0.2989, 0.5870, 0.1140])
    grey = [(x @ weights)[..., None] for x in (images, others)]
    expected = [
        1 - reference(*xy, data_range=2.0)[..., 0] for xy in zip(*grey, strict=True)
    ]
    actual = legacy_residual(images, others, "ssim")
    np.testing.assert_allclose(actual, np.minimum(expected, 1), atol=1e-5)
    np.testing.assert_allclose(
        legacy_residual(images, others, "l2"),
        np.square(grey[0] - grey[1])[..., 0],
        atol=1e-6,
    )


def test_smoothing_is_the_gaussian_of_scipy(rng):
    maps = rng.random((2, 40, 30), np.float32)
    expected = [gaussian_filter(m, 2, mode="reflect", truncate=3) for m in maps]
    np.testing.assert_allclose(smooth(maps, 2.0), expected, atol=2e-3)
    assert smooth(maps, 0) is maps


def test_smoothing_keeps_the_mean():
    maps = np.full((1, 9, 9), 0.7, np.float32)
    np.testing.assert_allclose(smooth(maps, 4.0), maps, rtol=1e-5)


def test_quantise_rounds_and_clips():
    maps = np.array([[[-1.0, 0.0, 1.0, 1.9999, 2.0, 9.0]]])
    np.testing.assert_array_equal(quantise(maps, 2.0), [[[0, 0, 128, 255, 255, 255]]])
    assert quantise(maps, 2.0).dtype == np.uint8


def test_l1_residual_by_hand():
    images = np.float32([[[[0.2, 1.0]]]])  # (1, 1, 1, 2)
    others = np.float32([[[[0.5, 0.5]]]])
    np.testing.assert_allclose(l1_residual(images, others), [[[0.4]]], rtol=1e-6)
