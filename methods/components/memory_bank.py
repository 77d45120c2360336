"""Nearest neighbours among stored features, as a Keras layer."""

from typing import Any

import keras
from keras import ops

NEIGHBOURS = 9  # around the nearest stored feature, b in the paper
BLOCK = 2048  # stored features that queries are compared with at a time


class MemoryBank(keras.layers.Layer):
    """Distances of features from the nearest of `count` stored ones.

    Its weight is the bank (count, d), zero until it is set.
    """

    def __init__(self, count: int, name: str = "bank"):
        super().__init__(name=name, trainable=False, dtype="float32")
        self.count = count

    def build(self, input_shape: tuple) -> None:
        """Create the bank for features (..., d)."""
        self.bank = self.add_weight(
            name="bank",
            shape=(self.count, input_shape[-1]),
            initializer="zeros",
            trainable=False,
        )

    def call(self, queries: Any) -> tuple[Any, Any]:
        """Return distance and index (n,) of the nearest to each query (n, d)."""
        closest, places = [], []
        for start in range(0, self.count, BLOCK):
            block = self.bank[start : start + BLOCK]
            # highest where |q - b|^2 is lowest, |q|^2 being the same for all b
            closeness = ops.matmul(queries, ops.transpose(block)) - half_squares(block)
            highest, place = ops.top_k(closeness, 1)
            closest.append(highest)
            places.append(place + start)
        index = places[0]
        if len(places) > 1:
            # not `argmax`: on floats Keras gives it a bitcast, which no converter knows
            _, best = ops.top_k(ops.concatenate(closest, axis=1), 1)
            places = ops.concatenate(places, axis=1)
            index = ops.take_along_axis(places, best, axis=1)
        index = index[:, 0]
        nearest = ops.take(self.bank, index, axis=0)
        return distance(queries, nearest), index  # from the difference: no lost digits

    def neighbours(self, index: Any, count: int) -> Any:
        """Return the `count` features (n, count, d) nearest to those at `index` (n,).

        The first is the feature itself.
        """
        features = ops.take(self.bank, index, axis=0)
        closeness = ops.matmul(features, ops.transpose(self.bank))
        closeness = closeness - half_squares(self.bank)
        _, nearest = ops.top_k(closeness, min(count, self.count))
        return ops.take(self.bank, nearest, axis=0)


def half_squares(features: Any) -> Any:
    """Return half the squared norm (n,) of each feature (n, d)."""
    return ops.sum(ops.square(features), axis=-1) / 2


def distance(a: Any, b: Any) -> Any:
    """Return the Euclidean distance along the last axis."""
    return ops.sqrt(ops.sum(ops.square(a - b), axis=-1))
