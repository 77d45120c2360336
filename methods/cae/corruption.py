"""Good images beside corrupted copies, for a network to learn to undo defects."""

from typing import Any, NamedTuple

import numpy as np

from methods.base import TrainingImages
from methods.components.synthetic_batches import drawing
from methods.engine.batches import Batches, InOrder
from methods.engine.settings import Settings
from processing.errors import UsageError
from processing.synthetic import KINDS

KINDS_OF = {
    "defects": tuple(KINDS),
    "blocks": ("blocks",),
    "both": (*KINDS, *("blocks" for _ in KINDS)),
}
SMALLEST = 32  # pixels, the side of images that defects are drawn on


class Corruption(NamedTuple):
    """What is done to the images that a network is to give back.

    Attributes:
        share: of the images that are corrupted, evenly spread; 0 for none.
        kind: a key of `KINDS_OF`.
    """

    share: float = 0.0
    kind: str = "defects"

    def check(self, image_shape: tuple[int, int, int]) -> None:
        """Raise `UsageError` for images that are too small to be corrupted."""
        height, width, _ = image_shape
        if self.share and min(height, width) < SMALLEST:
            raise UsageError(too_small("--corrupt", image_shape))


def too_small(option: str, image_shape: tuple[int, int, int]) -> str:
    """Return that an option needs larger images than those of shape (h, w, c)."""
    height, width, _ = image_shape
    return (
        f"{option} needs image sides of at least {SMALLEST} pixels. "
        f"Received: {height}x{width}"
    )


CLEAN = Corruption()


def batches_of(
    images: TrainingImages, settings: Settings, corruption: Corruption
) -> tuple[Batches, InOrder]:
    """Return the batches to learn from and those to validate by, (n, h, w, c).

    With a corruption they are (n, h, w, 2c): the good images and, behind them, their
    copies, those to learn from with other defects in every epoch. To validate all are
    corrupted, always in the same way, as a network that copies would else look best.
    """
    good, validation = images.good, images.validation
    size, seed = settings.batch_size, settings.seed
    if not corruption.share:
        checks = InOrder(validation.load, len(validation), size)
        return Batches(good.load, len(good), size, seed), checks
    draw = drawing(good, seed, corruption.share, KINDS_OF[corruption.kind])

    def pairs(batch: np.ndarray, *place: Any, **share: float) -> np.ndarray:
        return np.concatenate([batch, draw(batch, *place, **share)[0]], axis=-1)

    def check(places: np.ndarray) -> np.ndarray:
        return pairs(validation.load(places), seed, int(places[0]), share=1.0)

    learned = Batches(good.load, len(good), size, seed, transform=pairs)
    return learned, InOrder(check, len(validation), size)
