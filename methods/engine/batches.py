"""Shuffled batches of a training set, and a validation set in order."""

import math
from collections.abc import Callable
from typing import Any, Protocol

import keras
import numpy as np

from processing.data.image_set import WORKERS

EPOCH_IMAGES = 1024  # smaller sets are seen several times an epoch


def images_per_epoch(count: int, batch_size: int) -> int:
    """Return how many images, repeats included, an epoch of `count` images takes."""
    batch_size = min(batch_size, count)
    return math.ceil(max(count, EPOCH_IMAGES) / batch_size) * batch_size


class Epochs(Protocol):
    """Batches that are others in every epoch."""

    def start(self, epoch: int) -> None:
        """Draw what `epoch` is to hold."""

    def __len__(self) -> int:
        """Return how many batches an epoch has."""

    def __getitem__(self, step: int) -> Any:
        """Return one batch."""


class Batches(keras.utils.PyDataset):
    """Shuffled batches of what `load(indices)` gives, epoch after epoch.

    The order depends on `seed` and `epoch` alone, so that a resumed run sees the
    same images.

    A `transform(images, seed, start)` makes what a batch is to hold, in threads. All
    that is random in it is to come from its `seed`, (seed, epoch), and from `start`,
    the place of the first image in the epoch.
    """

    def __init__(
        self,
        load: Callable,
        count: int,
        batch_size: int,
        seed: int,
        *,
        transform: Callable | None = None,
    ):
        super().__init__(workers=WORKERS if transform else 1)
        self.load = load
        self.count = count
        self.batch_size = min(batch_size, count)
        self.steps = images_per_epoch(count, batch_size) // self.batch_size
        self.seed = seed
        self.transform = transform
        self.start(0)

    def start(self, epoch: int) -> None:
        """Draw the order of `epoch`."""
        self.epoch = epoch
        draws = np.random.default_rng((self.seed, epoch))
        rounds = math.ceil(self.steps * self.batch_size / self.count)
        order = [draws.permutation(self.count) for _ in range(rounds)]
        self.order = np.concatenate(order)

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Any:
        start = step * self.batch_size
        images = self.load(self.order[start : start + self.batch_size])
        if self.transform is None:
            return images
        return self.transform(images, (self.seed, self.epoch), start)


class InOrder(keras.utils.PyDataset):
    """All images that `load(indices)` gives, once, in order."""

    def __init__(self, load: Callable, count: int, batch_size: int) -> None:
        super().__init__()
        self.load = load
        self.count = count
        self.batch_size = batch_size

    def __len__(self) -> int:
        return math.ceil(self.count / self.batch_size)

    def __getitem__(self, step: int) -> Any:
        start = step * self.batch_size
        return self.load(np.arange(start, min(start + self.batch_size, self.count)))
