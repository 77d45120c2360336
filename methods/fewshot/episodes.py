"""Episodes: a support set of good images, and queries of which some are defective."""

from collections.abc import Sequence

import keras
import numpy as np

from methods.components.synthetic_batches import Draw, drawing
from methods.engine.batches import images_per_epoch
from processing.data.image_set import WORKERS, ImageSet


class Episodes(keras.utils.PyDataset):
    """Batches of one category each, whose first images are good and to be remembered.

    Every second one of the others gets a defect. What is drawn depends on `seed` and
    the epoch alone.

    Args:
        pairs: (to remember, to judge) of each category; the same set twice is parted
            anew in every episode, as far as it has enough images.
        shots: how many are remembered.
        batch_size: images in all.
        seed: of all draws.
        steps: batches an epoch; None for those of as many images to judge as there
            are, or as an epoch has at least.
    """

    def __init__(
        self,
        pairs: Sequence[tuple[ImageSet, ImageSet]],
        shots: int,
        batch_size: int,
        seed: int,
        steps: int | None = None,
    ):
        super().__init__(workers=WORKERS)
        self.pairs = list(pairs)
        self.shots = shots
        self.drawing: list[Draw] = [drawing(judged, seed) for _, judged in self.pairs]
        self.batch_size = batch_size
        self.seed = seed
        count = max(batch_size, sum(len(judged) for _, judged in self.pairs))
        self.steps = steps or images_per_epoch(count, batch_size) // batch_size
        self.start(0)

    def start(self, epoch: int) -> None:
        """Draw the categories of `epoch`, in turn."""
        self.epoch = epoch
        draws = np.random.default_rng((self.seed, epoch))
        turns = draws.permutation(len(self.pairs))
        self.order = np.resize(turns, self.steps)

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        category = self.order[step]
        remembered, judged = self.pairs[category]
        draws = np.random.default_rng((self.seed, self.epoch, step))
        count = self.batch_size - self.shots
        if remembered is judged:
            order = np.resize(draws.permutation(len(judged)), self.batch_size)
            first, rest = order[: self.shots], order[self.shots :]
        else:
            first = np.resize(np.arange(len(remembered)), self.shots)
            rest = np.resize(draws.permutation(len(judged)), count)
        good = remembered.load(first)
        seed = (self.seed, self.epoch)
        images, masks = self.drawing[category](judged.load(rest), seed, step * count)
        none = np.zeros((self.shots, *masks.shape[1:]), bool)
        return np.concatenate([good, images]), np.concatenate([none, masks])
