import cv2
import numpy as np
import pytest

from methods.components.enlarge import Enlarge, enlarging, on_grid
from processing.maps.residuals import smooth


@pytest.mark.parametrize("sigma", [0, 1.5, 4.0])
@pytest.mark.parametrize("shape", [(16, 8), (7, 5)])
def test_enlarging_is_that_of_opencv(rng, shape, sigma):
    maps = rng.random((2, *shape), np.float32)
    expected = np.stack([cv2.resize(m, (40, 64)) for m in maps])
    expected = smooth(expected, sigma)
    np.testing.assert_allclose(Enlarge((64, 40), sigma)(maps), expected, atol=1e-5)


def test_features_come_to_one_grid(rng):
    fine = rng.random((2, 8, 12, 3), np.float32)
    coarse = rng.random((2, 4, 6, 5), np.float32)
    together = np.asarray(on_grid([fine, coarse], (8, 12)))
    np.testing.assert_array_equal(together[..., :3], fine)
    for image, features in zip(coarse, together, strict=True):
        expected = np.stack([cv2.resize(c, (12, 8)) for c in np.moveaxis(image, -1, 0)])
        np.testing.assert_allclose(
            features[..., 3:], np.moveaxis(expected, 0, -1), atol=1e-6
        )


def test_rows_of_the_matrix_sum_to_one():
    np.testing.assert_allclose(enlarging(16, 64, 4.0).sum(axis=1), 1, rtol=1e-5)
