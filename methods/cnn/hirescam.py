"""Where the classifier looks, and its verdict, as one graph (HiResCAM)."""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from methods.components.pullback import value_and_vjp
from methods.engine.optimizer import compile_trainer

CELL = 16  # pixels from one cell of the features to the next
FIRST = 12.5  # pixels from the image's corner to the middle of the first cell
FLIPS = ((), (1,), (2,), (1, 2))  # axes


class HiResCAM(keras.Model):
    """Which cells of the last feature map speak for a defect, and how strongly.

    HiResCAM (Draelos and Carin 2020, arXiv 2011.08891): features times the gradient of
    the logits' difference, summed over channels. Grad-CAM averages the gradient over
    all cells first, which is wrong for a dense layer: its weights differ from cell to
    cell.
    """

    def __init__(self, network: Any):
        super().__init__()
        names = [layer.name for layer in network.layers]
        split = names.index("flatten")
        output = network.layers[split - 1].output
        self.features = keras.Model(network.input, output)
        self.head = network.layers[split:]

    def call(self, images: Any) -> Any:
        """Return evidence (n, cells, cells) >= 0 and the logits' difference (n,)."""
        features = self.features(images, training=False)
        logits, vjp = value_and_vjp(self.head, features)
        towards = ops.stack([-ops.ones_like(logits[:, 0]), ops.ones_like(logits[:, 1])])
        gradient = vjp(ops.transpose(towards))
        evidence = ops.relu(ops.sum(features * gradient, axis=-1))
        return evidence, logits[:, 1] - logits[:, 0]


class Verdict(layers.Layer):
    """Maps (n, h, w) and scores (n,) of images, from the mean over their flips.

    The score is -log p(good), in nats. Maps are evidence at each pixel, scaled so that
    their highest value is the score; without any evidence all are the score.
    """

    def __init__(self, cam: Any):
        super().__init__(dtype="float32")
        self.cam = cam

    def call(self, images: Any) -> Any:
        """Return maps and scores."""
        views = [flipped(images, axes) for axes in FLIPS]
        evidences, differences = zip(*map(self.cam, views), strict=True)
        evidence = ops.stack(evidences, axis=1)  # (n, flips, cells, cells)
        rows, columns = map(at_pixels, evidence.shape[2:], images.shape[1:3])
        maps = ops.matmul(ops.matmul(rows, evidence), np.transpose(columns))
        turned = [flipped(maps[:, i], axes) for i, axes in enumerate(FLIPS)]
        shares = sum(turned[1:], turned[0]) / len(FLIPS)
        scores = ops.softplus(sum(differences[1:], differences[0]) / len(FLIPS))
        highest = ops.max(shares, axis=(1, 2), keepdims=True)
        known = highest > 0
        shares = ops.where(known, shares / ops.where(known, highest, 1.0), 1.0)
        return shares * scores[:, None, None], scores


def flipped(images: Any, axes: tuple[int, ...]) -> Any:
    """Return images flipped along axes, one by one: Keras 3.12 takes no two."""
    for axis in axes:
        images = ops.flip(images, axis)
    return images


def verdict_model(network: Any) -> Any:
    """Return the model from images (n, h, w, c) in [0, 1] to maps and scores."""
    images = keras.Input(network.input_shape[1:], name="images")
    outputs = Verdict(HiResCAM(network))(images)
    model = keras.Model(images, list(outputs), name="verdict")
    compile_trainer(model, "adam")  # for its choice of XLA; nothing is trained
    return model


def at_pixels(cells: int, pixels: int) -> np.ndarray:
    """Return the float32 matrix (pixels, cells) from values at cells to pixels.

    It interpolates between the middles of the cells, and repeats them at the border.
    """
    places = np.clip((np.arange(pixels) - FIRST) / CELL, 0, cells - 1)
    distances = np.abs(places[:, None] - np.arange(cells))
    return np.maximum(0, 1 - distances).astype("float32")
