import numpy as np

from methods.anogan.samples import grid


def test_grid_puts_images_in_rows():
    images = np.zeros((4, 2, 2, 1), "float32")
    images[1] = 1.0
    images[2] = 0.5
    expected = [[0, 0, 255, 255]] * 2 + [[128, 128, 0, 0]] * 2
    np.testing.assert_array_equal(grid(images)[..., 0], expected)
