"""Projection heads for features, and their contrastive loss against a memory."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from methods.components.feature_method import as_list
from methods.components.info_nce import TEMPERATURE, draw_pixels, on_cells
from methods.engine.loss_model import LossModel


def projection_head(size: int, name: str) -> keras.Model:
    """Return a linear map of features (n, h, w, d) to such of length 1.

    It adds to the features, and begins with nothing: before training they stay.
    """
    features = keras.Input((None, None, size))
    moved = keras.layers.Dense(size, use_bias=False, kernel_initializer="zeros")
    added = keras.layers.Add()([features, moved(features)])
    unit = keras.layers.UnitNormalization(axis=-1)(added)
    return keras.Model(features, unit, name=name)


def memory_nce(closeness: Any, against: Any, good: Any, defective: Any) -> Any:
    """Return the InfoNCE loss of pixels by how close they are to a memory.

    The positive of a good pixel is its own closeness, its negatives are those of the
    defective pixels: what is to rise is the share of good pixels that lie nearer to
    the memory than every defective one, which is what a map of distances shows.

    Args:
        closeness: (q,) cosines of pixels with the nearest feature in memory.
        against: (k,) the same of other pixels.
        good: (q,), 1 for those of `closeness` that count, else 0.
        defective: (k,), 1 for those of `against` that count, else 0.

    Returns:
        The mean over the good pixels; 0 without any defective one.
    """
    counted = ops.where(defective > 0, against / TEMPERATURE, -1e9)
    losses = ops.softplus(ops.logsumexp(counted) - closeness / TEMPERATURE) * good
    mean = ops.sum(losses) / ops.maximum(ops.sum(good), 1)
    return mean * ops.cast(ops.sum(defective) > 0, mean.dtype)


class EpisodeContrast(LossModel):
    """Projections of a backbone's features, and their loss in an episode.

    Args:
        features: model from images to a list of maps (n, h, w, d) of length 1, which
            stays as it is.
        projections: of each of these maps.
        shots: how many images of a batch, the first ones, are its memory.
        seed: of the pixels drawn.
    """

    def __init__(
        self,
        features: keras.Model,
        projections: Sequence[keras.Model],
        shots: int,
        seed: int,
    ):
        super().__init__()
        features.trainable = False
        self.features = features
        self.projections = list(projections)
        self.shots = shots
        self.draws = keras.random.SeedGenerator(seed)

    def call(self, images: Any, training: bool = False) -> Any:
        """Return the projected maps (n, h, w, d) of images (n, h, w, c)."""
        maps = as_list(self.features(images, training=False))
        return [p(m) for p, m in zip(self.projections, maps, strict=True)]

    def batch_loss(self, targets: Any, outputs: Any) -> Any:
        """Return the mean over the levels; `targets` are masks (n, h, w)."""
        losses = [self._of_level(maps, targets[self.shots :]) for maps in outputs]
        return sum(losses) / len(losses)

    def _of_level(self, maps: Any, masks: Any) -> Any:
        _, height, width, size = maps.shape
        memory = ops.transpose(ops.reshape(maps[: self.shots], (-1, size)))
        pixels = ops.reshape(maps[self.shots :], (-1, height * width, size))
        close, counts = [], []
        for kind in on_cells(masks, (height, width)):
            chosen, counted = draw_pixels(pixels, kind, self.draws)
            cosines = ops.matmul(ops.reshape(chosen, (-1, size)), memory)
            close.append(ops.max(cosines, axis=-1))
            counts.append(ops.reshape(counted, (-1,)))
        return memory_nce(*close, *counts)
