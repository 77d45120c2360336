"""Contrastive training of an encoder on the pixels of synthetic defects."""

from typing import Any

import keras
from keras import ops

from methods.components.info_nce import draw_pixels, info_nce, on_cells
from methods.engine.loss_model import LossModel


class PixelContrast(LossModel):
    """A network from images to features (n, h, w, d), and its InfoNCE loss."""

    def __init__(self, embedder: keras.Model, seed: int):
        super().__init__()
        self.embedder = embedder
        self.draws = keras.random.SeedGenerator(seed)

    def call(self, images: Any, training: bool = False) -> Any:
        """Return the features; batch normalisation stays as it is."""
        return self.embedder(images, training=False)

    def batch_loss(self, targets: Any, outputs: Any) -> Any:
        """Return the loss of some pixels of each kind; `targets` are masks (n, h, w).

        The batch counts as one image, for maps are distances from the good pixels of
        all images. Compared within each image alone, those of one image may lie where
        the defects of another do.
        """
        _, height, width, size = outputs.shape
        pixels = ops.reshape(outputs, (-1, height * width, size))
        kinds = on_cells(targets, (height, width))
        (queries, good), (negatives, defective) = (
            (ops.reshape(chosen, (1, -1, size)), ops.reshape(counted, (1, -1)))
            for chosen, counted in (
                draw_pixels(pixels, kind, self.draws) for kind in kinds
            )
        )
        return info_nce(queries, negatives, good, defective)
