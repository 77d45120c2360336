"""Distances from the Gaussians of all positions, as a Keras layer."""

from typing import Any

import keras
import numpy as np
from keras import ops

from .gaussian import Gaussian, shapes
from .triangular import row_blocks


class Mahalanobis(keras.layers.Layer):
    """The Mahalanobis distance of features from the Gaussian at their position.

    From features (n, h, w, d) to distances (n, h, w). Its weights are the mean and the
    row blocks of a `Gaussian`, zero until they are set.

    Args:
        count: images of the Gaussian.
        epsilon: what was added to all variances.
    """

    def __init__(self, count: int, epsilon: float):
        super().__init__(name="gaussian", trainable=False, dtype="float32")
        self.count = count
        self.epsilon = epsilon
        self._given: Gaussian | None = None

    @classmethod
    def of(cls, gaussian: Gaussian) -> "Mahalanobis":
        """Return the layer of `gaussian`, whose blocks it takes over when built."""
        layer = cls(gaussian.count, gaussian.epsilon)
        layer._given = gaussian
        return layer

    def build(self, input_shape: tuple) -> None:
        """Create the weights for features (n, h, w, d)."""
        _, height, width, features = input_shape
        positions = height * width
        rows, upper = shapes(self.count, positions, features)
        given = self._given or Gaussian(0, np.zeros(0), 0, [], [])
        self._given = None
        mean = [given.mean] if given.count else []
        [self.mean] = self._weights("mean", [(positions, features)], mean)
        self.rows = self._weights("rows", rows, given.rows)
        self.upper = self._weights("upper", upper, given.upper)

    def _weights(self, name: str, sizes: list, given: list[np.ndarray]) -> list:
        """Return a weight of each size, of `given`, which is emptied, or zero."""
        return [
            self.add_weight(
                name=f"{name}{index}",
                shape=size,
                initializer=_taking(given) if given else "zeros",
                trainable=False,
            )
            for index, size in enumerate(sizes)
        ]

    def call(self, features: Any) -> Any:
        """Return distances (n, h, w) of features (n, h, w, d)."""
        _, height, width, size = features.shape
        x = ops.reshape(features, (-1, height * width, size)) - self.mean
        x = ops.transpose(x, (1, 2, 0))  # (p, d, n)
        squares = self._dual(x) if self.upper else self._squares(x)
        return ops.reshape(ops.transpose(ops.sqrt(squares)), (-1, height, width))

    def _squares(self, x: Any) -> Any:
        parts = [
            ops.sum(ops.square(ops.matmul(block, x[:, : block.shape[2]])), axis=1)
            for block in self.rows
        ]
        return sum(parts[1:], parts[0])

    def _dual(self, x: Any) -> Any:
        along = ops.concatenate([ops.matmul(b, x) for b in self.rows], axis=1)
        for rows, basis, upper in zip(
            row_blocks(self.count), self.rows, self.upper, strict=True
        ):
            share = along[:, rows] - ops.matmul(upper, along[:, rows.start :])
            x = x - ops.matmul(ops.transpose(basis, (0, 2, 1)), share)
        return ops.sum(ops.square(x), axis=1) / self.epsilon


def _taking(given: list[np.ndarray]) -> Any:
    """Return an initializer that takes the first of `given`, to free its memory."""

    def initializer(shape: Any, dtype: Any = None) -> Any:
        return ops.convert_to_tensor(given.pop(0), dtype)

    return initializer
