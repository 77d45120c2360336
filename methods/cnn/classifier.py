"""The network of the supervised CNN, its training, and where it looks."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from methods.base import Run
from methods.components.synthetic_batches import SOURCES, draw_defects
from methods.engine.augmentation import Augmentation
from methods.engine.batches import Batches, InOrder
from methods.engine.loss_model import LossModel
from methods.engine.optimizer import ShapedAdam, compile_trainer, cosine
from methods.engine.settings import Settings
from methods.engine.training import Saved, build_trainer, fit
from processing.data.image_set import ANOMALOUS, GOOD
from processing.errors import UsageError
from processing.synthetic import KINDS

SMALLEST = 26  # pixels: one cell is left
ROTATION = 180.0  # degrees either way: few defects have to stand for many
FEW = 100  # real defects that synthetic ones are added to
REAL = 0.5  # weight of all real defects then, in that of the synthetic ones

# load(indices) -> (images in [0, 1], (labels, weights)); and how many images there are.
LabelledSet = tuple[Callable, int]


def check_shape(image_shape: tuple[int, int, int]) -> None:
    """Raise `UsageError` for images that the network's poolings leave nothing of."""
    height, width, _ = image_shape
    if min(height, width) < SMALLEST:
        raise UsageError(
            f"CNN needs image sides of at least {SMALLEST} pixels. "
            f"Received: {height}x{width}"
        )


def classifier(image_shape: tuple[int, int, int]) -> Any:
    """Return the model from images (n, h, w, c) in [0, 1] to logits (n, 2).

    Two convolutions with poolings and a hidden layer, after Pchaewon's collection;
    logit 0 stands for good, 1 for defective. A chain of layers for
    `pullback.value_and_vjp`.
    """
    x = images = keras.Input(image_shape)
    x = layers.Rescaling(2, -1)(x)
    for filters in (32, 64):
        x = layers.ReLU()(layers.Conv2D(filters, 3)(x))
        x = layers.MaxPooling2D(4)(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.ReLU()(layers.Dense(256)(x))
    return keras.Model(images, layers.Dense(2, dtype="float32")(x), name="CNN")


class Classifier(LossModel):
    """The network, the augmentation in front of it, and the cross-entropy."""

    def __init__(self, image_shape: tuple[int, int, int], seed: int):
        super().__init__()
        self.network = classifier(image_shape)
        self.augmentation = Augmentation(ROTATION, seed=seed)

    def call(self, images: Any, training: bool = False) -> Any:
        """Return logits (n, 2) of images in [0, 1]."""
        images = self.augmentation(images, training=training)
        return self.network(images, training=training)

    def batch_loss(self, targets: Any, outputs: Any) -> Any:
        """Return the mean weighted cross-entropy; targets are labels and weights."""
        labels, weights = targets
        return ops.mean(weights * cross_entropy(labels, outputs))


def cross_entropy(labels: Any, logits: Any) -> Any:
    """Return the cross-entropy (n,) of logits (n, 2) with labels 0 or 1 (n,)."""
    difference = logits[:, 1] - logits[:, 0]
    return ops.softplus(difference) - ops.cast(labels, "float32") * difference


def labelled(good: Any, defective: Any, drawn: bool = False) -> LabelledSet:
    """Return the images of two sets, weighted so that both classes count the same.

    Args:
        good: `ImageSet` of good images.
        defective: one of defective images; it may be empty.
        drawn: whether `drawing` makes defective ones of half of the good images.
    """
    counts = np.array([len(good), len(defective)])
    total = counts.sum()
    weights = total / ((counts > 0).sum() * np.maximum(counts, 1))
    if drawn:
        weights = np.array([1, REAL * counts[0] / 2 / max(counts[1], 1)])
    weights = weights.astype("float32")

    def load(indices: Any) -> tuple[Any, ...]:
        labels = np.where(indices < len(good), GOOD, ANOMALOUS)
        images = np.empty((len(indices), *good.image_shape), "float32")
        images[labels == GOOD] = good.load(indices[labels == GOOD])
        rest = indices[labels == ANOMALOUS] - len(good)
        images[labels == ANOMALOUS] = defective.load(rest)
        return images, (labels, weights[labels])

    return load, int(total)


def drawing(good: Any, seed: int) -> Callable:
    """Return what draws defects on every second good image of a batch of `labelled`.

    Args:
        good: `ImageSet` of good images, which patches are taken from.
        seed: of the choice among them.
    """
    chosen = np.random.default_rng(seed).permutation(len(good))[:SOURCES]
    sources = good.load(np.sort(chosen))

    def draw(batch: Any, seeds: Any, start: int) -> tuple[Any, ...]:
        images, (labels, weights) = batch
        drawn, masks = draw_defects(
            images, seeds, start, sources=sources, share=0.5, kinds=tuple(KINDS)
        )
        real = labels == ANOMALOUS
        drawn[real] = images[real]
        labels = np.where(real | masks.any(axis=(1, 2)), ANOMALOUS, GOOD)
        return drawn, (labels, weights)

    return draw


def train(
    image_shape: tuple[int, int, int],
    fit_set: LabelledSet,
    validation_set: LabelledSet,
    settings: Settings,
    run: Run | None = None,
    *,
    draw: Callable | None = None,
    saved: Saved | None = None,
) -> tuple[keras.Model, dict]:
    """Train the classifier; return it, in float32, and the training's state.

    There are too few defective images to keep some for validation, so its loss is that
    of good images alone, and the last epoch's weights are kept. `draw` is a `drawing`,
    for defects that are made.
    """
    trainer = build_trainer(lambda: Classifier(image_shape, settings.seed), settings)
    batches = Batches(*fit_set, settings.batch_size, settings.seed, transform=draw)
    shape = cosine(settings.planned * len(batches))
    compile_trainer(trainer, ShapedAdam(settings.peak, shape))
    checks = InOrder(*validation_set, settings.batch_size)
    state = fit(trainer, batches, checks, settings, run, saved=saved)
    network = classifier(image_shape)
    network.set_weights(trainer.network.get_weights())
    return network, state
