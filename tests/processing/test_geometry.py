import cv2
import numpy as np
import pytest

from processing.geometry import covered, scaling, shift, warped


def at(matrix, x, y):
    """Return where a matrix puts a point."""
    point = matrix @ [x, y, 1]
    return (point[:2] / point[2]).tolist()


@pytest.mark.parametrize(("x", "y"), [(2, 2), (0.5, 3), (1, 1)])
def test_scaling_keeps_the_edges(x, y):
    """Pixel centres are at integers, so that an image's edges are at -0.5."""
    assert at(scaling(x, y), -0.5, -0.5) == [-0.5, -0.5]
    assert at(scaling(x, y), 9.5, 4.5) == [10 * x - 0.5, 5 * y - 0.5]


def test_scaling_is_that_of_opencv():
    ramp = np.arange(40, dtype=np.float32)[None].repeat(8, axis=0)
    halved = cv2.resize(ramp, (20, 4), interpolation=cv2.INTER_LINEAR)
    for x in range(2, 18):
        assert halved[2, x] == at(np.linalg.inv(scaling(0.5, 0.5)), x, 2)[0]


def test_a_shift_moves_pixels_to_the_last_bit(rng):
    image = rng.random((9, 12, 3), np.float32)
    moved = warped(image, shift(3, -2))
    np.testing.assert_array_equal(moved[:-2, 3:], image[2:, :-3])
    np.testing.assert_array_equal(moved[-1, 3:], image[-1, :-3])  # the edge, drawn out


def test_covered_is_where_the_image_is():
    mask = covered((9, 12), shift(3, -2))
    expected = np.zeros((9, 12), bool)
    expected[:-2, 3:] = True
    np.testing.assert_array_equal(mask, expected)
    assert covered((9, 12), np.eye(3)).all()
