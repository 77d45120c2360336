"""Features whose lengths are alike, in every image and at every level."""

from typing import Any

import keras
from keras import ops

CONTRAST = 0.4  # power of the features' length that is left


class Levelled(keras.layers.Layer):
    """Features (n, h, w, d) with the lengths `weight` (l / mean of l) ** 0.4.

    The mean is that over the positions of an image.
    """

    def __init__(self, weight: float):
        super().__init__(trainable=False, dtype="float32")
        self.weight = weight

    def call(self, features: Any) -> Any:
        """Return the features, those of length 0 as they are."""
        length = ops.maximum(ops.norm(features, axis=-1, keepdims=True), 1e-6)
        mean = ops.mean(length, axis=(1, 2), keepdims=True)
        return self.weight * features / length * (length / mean) ** CONTRAST
