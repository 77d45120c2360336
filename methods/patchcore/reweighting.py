"""The image score of PatchCore: a distance weighted by its neighbourhood."""

from typing import Any

import keras
from keras import ops

from methods.components.memory_bank import NEIGHBOURS, MemoryBank, distance


class Reweighting(keras.layers.Layer):
    """Image scores (n,) from patch distances (Roth et al. 2022, eq. 6 and 7).

    The highest distance of an image, less where its nearest stored feature lies in a
    dense neighbourhood, for which the patch then is the less unusual.

    A layer, because a weight that is computed with outside of one has, in the graph of
    a `keras.Model`, the value that it had when the graph was made.
    """

    def __init__(self, bank: MemoryBank):
        super().__init__(name="reweighting", trainable=False, dtype="float32")
        self.bank = bank

    def call(self, queries: Any, distances: Any, index: Any, raised: Any) -> Any:
        """Return the scores.

        Args:
            queries: (n, p, d) features of p patches.
            distances: (n, p), from the nearest stored feature.
            index: (n, p) of that feature.
            raised: (n, p), what counts in their place: they, raised by known defects.
        """
        highest, place = ops.top_k(raised, 1)
        apart = ops.take_along_axis(distances, place, axis=1)[:, 0]
        query = ops.take_along_axis(queries, place[..., None], axis=1)  # (n, 1, d)
        nearest = ops.take_along_axis(index, place, axis=1)[:, 0]
        around = distance(query, self.bank.neighbours(nearest, NEIGHBOURS))  # (n, b)
        shares = ops.exp(apart - ops.logsumexp(around, axis=1))
        return (1 - shares) * highest[:, 0]
