import cv2
import numpy as np
import pytest

from methods.backbones.dinov2 import cubic

TRANSFORMERS = pytest.param("dinov2_small", marks=pytest.mark.nightly)


@pytest.mark.parametrize("file", [TRANSFORMERS, "dinov2_small_timm"])
def test_equals_transformers_and_timm(file, errors):
    assert max(errors(file, "dinov2_small")) < 1e-4


def test_positions_of_the_learned_size_stay():
    np.testing.assert_allclose(cubic(37, 37), np.eye(37), atol=1e-6)


@pytest.mark.parametrize("wanted", [5, 16, 50])
def test_resizing_is_the_bicubic_one_of_opencv(wanted, rng):
    values = rng.random((37, 3), np.float32)  # OpenCV takes a = -0.75, too
    expected = cv2.resize(values, (3, wanted), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_allclose(cubic(37, wanted) @ values, expected, atol=1e-5)
