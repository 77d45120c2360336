"""Pictures of what a generator makes while it is trained."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

SHOWN = 8  # rows and columns of the grid


class Samples(keras.callbacks.Callback):
    """Give `write(name, pixels)` a grid of generated images after every epoch."""

    def __init__(self, latent: int, seed: int, write: Callable):
        super().__init__()
        draws = np.random.default_rng(seed)
        self.latents = draws.standard_normal((SHOWN**2, latent), "float32")
        self.write = write

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write the epoch's grid."""
        images = np.asarray(self.model.average(self.latents, training=False))
        self.write(f"epoch_{epoch + 1:03d}", grid(images))


def grid(images: np.ndarray) -> np.ndarray:
    """Return images (k * k, h, w, c) in [0, 1] as one uint8 picture of k rows."""
    side = round(len(images) ** 0.5)
    rows = images.reshape(side, side, *images.shape[1:]).transpose(0, 2, 1, 3, 4)
    pixels = rows.reshape(side * images.shape[1], side * images.shape[2], -1)
    return np.rint(255 * np.clip(pixels, 0, 1)).astype("uint8")
