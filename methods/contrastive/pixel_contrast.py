"""Contrastive training of an encoder on the pixels of synthetic defects."""

from typing import Any

import keras
from keras import ops

from methods.components.info_nce import drawn, info_nce, on_cells


class PixelContrast(keras.Model):
    """A network from images to features (n, h, w, d), and its InfoNCE loss."""

    def __init__(self, embedder: keras.Model, seed: int):
        super().__init__()
        self.embedder = embedder
        self.draws = keras.random.SeedGenerator(seed)

    def call(self, images: Any, training: bool = False) -> Any:
        """Return the features; batch normalisation stays as it is."""
        return self.embedder(images, training=False)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the loss of some pixels of each kind; `y` are masks (n, h, w).

        The batch counts as one image, for maps are distances from the good pixels of
        all images. Compared within each image alone, those of one image may lie where
        the defects of another do.
        """
        _, height, width, size = y_pred.shape
        pixels = ops.reshape(y_pred, (-1, height * width, size))
        kinds = on_cells(y, (height, width))
        (queries, good), (negatives, defective) = (
            (ops.reshape(chosen, (1, -1, size)), ops.reshape(counted, (1, -1)))
            for chosen, counted in (drawn(pixels, kind, self.draws) for kind in kinds)
        )
        return info_nce(queries, negatives, good, defective)
