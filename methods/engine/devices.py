"""Training on several devices at once: each takes an equal share of every batch."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import tree


class Shared(keras.distribution.DataParallel):
    """Data parallelism that gives a batch whole to all where it has no equal shares."""

    def get_data_layout(self, data_shape: tuple[int, ...]) -> Any:
        """Return how an array of that shape is laid out."""
        if data_shape and data_shape[0] % self.device_mesh.shape[0] == 0:
            return super().get_data_layout(data_shape)
        layout = [None] * len(data_shape)
        return keras.distribution.TensorLayout(layout, self.device_mesh)


class Filled(keras.utils.PyDataset):
    """The batches of another data set, filled up to equal shares.

    Keras lays out all batches of an epoch as the first. What fills the others up are
    their own first images, a second time.
    """

    def __init__(self, batches: keras.utils.PyDataset, devices: int):
        super().__init__(workers=batches.workers)
        self.batches = batches
        self.devices = devices

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, step: int) -> Any:
        return tree.map_structure(self._filled, self.batches[step])

    def _filled(self, array: Any) -> np.ndarray:
        array = np.asarray(array)
        size = -(-len(array) // self.devices) * self.devices
        return np.resize(array, (size, *array.shape[1:]))


def share(devices: Sequence[str]) -> None:
    """Let all models made from now on work on these devices, such as "gpu:0"."""
    keras.distribution.set_distribution(Shared(devices=list(devices)))


def shared(batches: Any) -> Any:
    """Return batches as `fit` is to have them on the devices of `share`."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return batches
    return Filled(batches, distribution.device_mesh.shape[0])
