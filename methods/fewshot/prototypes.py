"""What a deviation from the nearest good feature means: normal, or a defect."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from methods.components.enlarge import enlarged
from methods.components.mask_losses import dice_loss, focal_loss
from methods.engine.loss_model import LossModel

WIDTH = 32  # numbers that a deviation is projected to
TEMPERATURE = 0.1  # of the cosines
STEEPNESS, MIDDLE = 20.0, 0.3  # odds by cosine distance, before training


class Prototypes(keras.layers.Layer):
    """The log odds of a defect, from cosines with two learned prototypes."""

    def build(self, input_shape: tuple) -> None:
        """Create a prototype of normal and one of abnormal, (2, d)."""
        self.prototypes = self.add_weight(
            name="prototypes",
            shape=(2, input_shape[-1]),
            initializer="ones",  # no odds but those of the distance, to begin with
        )

    def call(self, features: Any) -> Any:
        """Return log odds (...,) of features (..., d) of length 1."""
        normal, abnormal = ops.unstack(ops.normalize(self.prototypes, axis=-1), num=2)
        towards = (abnormal - normal) / TEMPERATURE
        return ops.squeeze(ops.matmul(features, towards[:, None]), axis=-1)


def residual_head(shapes: Sequence[tuple[int, int, int]]) -> keras.Model:
    """Return a model from deviations to the log odds of a defect.

    Before training the odds rise with the distance from memory alone. It sees no
    feature itself, only how it differs from the nearest one in memory, so that it means
    the same for every product.

    Args:
        shapes: (h, w, d) of the levels' deviations; the first is the grid.

    Returns:
        Model from a list of |feature - nearest|, (n, h, w, d), both of length 1, to
        log odds (n, h, w) on the grid.
    """
    inputs = [keras.Input(shape) for shape in shapes]
    grid = shapes[0][:2]
    total, distances = 0, []
    for (height, width, size), deviation in zip(shapes, inputs, strict=True):
        squares = ops.sum(ops.square(deviation), axis=-1, keepdims=True) / 2
        projected = keras.layers.Dense(2 * WIDTH)(deviation * size**0.5)
        if (height, width) != grid:
            squares, projected = enlarged(squares, grid), enlarged(projected, grid)
        total = total + projected
        distances.append(squares)
    odds = keras.layers.Dense(
        1,
        kernel_initializer=keras.initializers.Constant(STEEPNESS / len(shapes)),
        bias_initializer=keras.initializers.Constant(-STEEPNESS * MIDDLE),
        name="distance",
    )(ops.concatenate(distances, axis=-1))
    hidden = keras.layers.Dense(WIDTH)(ops.relu(total))
    unit = keras.layers.UnitNormalization(axis=-1)(hidden)
    result = Prototypes()(unit) + ops.squeeze(odds, axis=-1)
    return keras.Model(inputs, result, name="relative_head")


class HeadTrainer(LossModel):
    """A head on deviations that stay as they are, and its loss: focal plus Dice.

    Args:
        deviations: model from images to the inputs of the head.
        head: see `relative_head`.
        enlarge: layer from log odds on the grid to those of all pixels.
    """

    def __init__(self, deviations: keras.Model, head: keras.Model, enlarge: Any):
        super().__init__()
        deviations.trainable = False
        self.deviations = deviations
        self.head = head
        self.enlarge = enlarge

    def call(self, images: Any, training: bool = False) -> Any:
        """Return the log odds (n, h, w) of images (n, h, w, c)."""
        return self.enlarge(self.head(self.deviations(images), training=training))

    def batch_loss(self, targets: Any, outputs: Any) -> Any:
        """Return the mean over the images; `targets` are masks (n, h, w)."""
        masks = ops.cast(targets, "float32")
        return ops.mean(focal_loss(masks, outputs) + dice_loss(masks, outputs))
