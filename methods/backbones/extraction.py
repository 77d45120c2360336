"""Backbones as functions of arrays, in Keras or in ONNX Runtime."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from keras import tree

from methods.engine.runtimes import KERAS, ONNX

from .graphs import Extract, open_graph


def in_keras(network: Any) -> Extract:
    """Return the function from images (n, h, w, 3) to the feature maps of a backbone.

    It is traced for one size of batch: a smaller one, as the last is, is filled up.
    """
    largest = 0

    def extract(images: np.ndarray) -> list[np.ndarray]:
        nonlocal largest
        count = len(images)
        largest = max(largest, count)
        if count < largest:
            filling = np.repeat(images[-1:], largest - count, axis=0)
            images = np.concatenate([images, filling])
        maps = network.predict_on_batch(images)
        return [np.asarray(x)[:count] for x in tree.flatten(maps)]

    return extract


def in_onnx(network: Any) -> Extract:
    """Return what `open_graph` does, opened for the first images."""
    opened: list[Extract] = []

    def extract(images: np.ndarray) -> list[np.ndarray]:
        if not opened:
            opened.append(open_graph(network))
        return opened[0](images)

    return extract


EXTRACTS: dict[str, Callable[[Any], Extract]] = {KERAS: in_keras, ONNX: in_onnx}


def some(extract: Extract, places: Sequence[int]) -> Extract:
    """Return the function to the feature maps at `places` of those of `extract`."""

    def chosen(images: np.ndarray) -> list[np.ndarray]:
        maps = extract(images)
        return [maps[i] for i in places]

    return chosen
