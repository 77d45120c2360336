"""Feature grids of several levels as one, and maps at the size of the images."""

from collections.abc import Sequence
from typing import Any

import cv2
import keras
import numpy as np
from keras import ops


def on_grid(maps: Sequence[Any], grid: tuple[int, int]) -> Any:
    """Enlarge symbolic feature maps (n, h, w, c) to one grid and concatenate them.

    Bilinear: on bottle and magnetic tile that finds more than the repetition that
    PaDiM's authors chose.
    """
    same = [
        features if features.shape[1:3] == grid else enlarged(features, grid)
        for features in maps
    ]
    return ops.concatenate(same, axis=-1) if len(same) > 1 else same[0]


def enlarged(features: Any, grid: tuple[int, int]) -> Any:
    """Enlarge symbolic feature maps (n, h, w, c) bilinearly, a matrix a side."""
    _, height, width, channels = features.shape
    features = ops.reshape(features, (-1, height, width * channels))
    features = ops.matmul(enlarging(height, grid[0]), features)
    features = ops.reshape(features, (-1, width, channels))
    features = ops.matmul(enlarging(width, grid[1]), features)
    return ops.reshape(features, (-1, *grid, channels))


class Enlarge(keras.layers.Layer):
    """Enlarge maps (n, h, w) bilinearly and blur them, both as one matrix a side.

    Args:
        size: (height, width) of the result, in pixels.
        sigma: pixels of the result, of the Gaussian blur.
        name: of the layer.
    """

    def __init__(self, size: tuple[int, int], sigma: float, name: str = "enlarge"):
        super().__init__(name=name, trainable=False, dtype="float32")
        self.size = size
        self.sigma = sigma

    def build(self, input_shape: tuple) -> None:
        """Make the matrices for maps (n, h, w)."""
        height, width = self.size
        self.rows = enlarging(input_shape[1], height, self.sigma)
        self.columns = enlarging(input_shape[2], width, self.sigma).T

    def call(self, maps: Any) -> Any:
        """Return maps (n, height, width) of maps (n, h, w)."""
        return ops.matmul(ops.matmul(self.rows, maps), self.columns)


def enlarging(size: int, wanted: int, sigma: float = 0) -> np.ndarray:
    """Return the float32 matrix (wanted, size) that enlarges and blurs a column.

    The same as OpenCV's bilinear `resize` followed by `residuals.smooth`.
    """
    identity = np.eye(size, dtype=np.float32)
    matrix = cv2.resize(identity, (size, wanted), interpolation=cv2.INTER_LINEAR)
    if sigma:
        length = round(8 * sigma + 1) | 1  # OpenCV's own choice for float32
        kernel = cv2.getGaussianKernel(length, sigma)
        border = cv2.BORDER_REFLECT
        matrix = cv2.sepFilter2D(matrix, -1, np.ones(1), kernel, borderType=border)
    return matrix
