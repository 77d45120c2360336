"""How far features of images and reconstructions are apart, and their adaptation."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from methods import backbones
from methods.engine.loss_model import LossModel
from methods.engine.optimizer import compile_trainer

SIDE = 256  # pixels that smaller images are enlarged to: what backbones were trained on
SHALLOWEST = 4  # stride of the first of the three levels
TINY = 1e-8  # keeps the norm of a vector of zeros away from zero


def chosen_levels(backbone: str) -> list[str]:
    """Return the three levels of a backbone that stand for layer1 to layer3.

    Those of WideResNet-101 in the original have the strides 4, 8 and 16.
    """
    known = backbones.levels(backbone)
    return [level.name for level in known if level.stride >= SHALLOWEST][:3]


def extractor(backbone: str, image_shape: tuple[int, int, int]) -> keras.Model:
    """Return a network from images to features of three levels, random weights.

    Args:
        backbone: key of `BACKBONES`.
        image_shape: (h, w, c) of the images; the network's own sides are at least 256,
            and multiples of the backbone's stride.
    """
    names = chosen_levels(backbone)
    strides = {level.name: level.stride for level in backbones.levels(backbone)}
    stride = max(strides[name] for name in names)
    scale = max(1.0, SIDE / min(image_shape[:2]))
    sides = [stride * math.ceil(scale * side / stride) for side in image_shape[:2]]
    return backbones.build(backbone, (sides[0], sides[1], 3), names)


def prepared(images: Any, network: keras.Model) -> Any:
    """Return images (n, h, w, c) in [0, 1] as RGB of the size that `network` takes."""
    if images.shape[-1] == 1:
        images = ops.repeat(images, 3, axis=-1)
    sides = tuple(network.input_shape[1:3])
    if tuple(images.shape[1:3]) == sides:
        return images
    return ops.image.resize(images, sides, interpolation="bilinear")


def cosine_distance(x: Any, y: Any, axis: int = -1) -> Any:
    """Return 1 - cosine between vectors along `axis`, in float32, 0 to 2."""
    x, y = ops.cast(x, "float32"), ops.cast(y, "float32")
    norms = ops.sum(ops.square(x), axis=axis) * ops.sum(ops.square(y), axis=axis)
    return 1 - ops.sum(x * y, axis=axis) / ops.sqrt(ops.maximum(norms, TINY**2))


class FeatureDistance(keras.Model):
    """Maps of the distance between the features of two batches of images.

    The shallowest level is left out, as in the original; the others are averaged over
    3x3 positions before their vectors are compared.
    """

    def __init__(self, network: keras.Model, sides: tuple[int, int]) -> None:
        super().__init__(dtype="float32")
        self.network = network
        self.sides = sides
        # At the border it averages what there is: a cosine does not see the scale.
        self.pool = layers.AveragePooling2D(3, strides=1, padding="same")
        compile_trainer(self, "sgd")  # an optimizer has to be named; none is used

    def call(self, pair: tuple) -> Any:
        """Return (n, h, w), the sum of the levels, of images (n, h, w, c) in [0, 1]."""
        levels = [
            self.network(prepared(images, self.network), training=False)[1:]
            for images in pair
        ]
        total = 0.0
        for ours, theirs in zip(*levels, strict=True):
            distance = cosine_distance(self.pool(ours), self.pool(theirs))
            distance = ops.image.resize(
                distance[..., None], self.sides, interpolation="bilinear"
            )
            total = total + distance[..., 0]
        return total


def adaptation_losses(adapted: Sequence, original: Sequence, weight: float) -> Any:
    """Return the loss (n,) of adapting an extractor (DDAD, eq. 10 and 11).

    Reconstruction and target are to look alike to the adapted extractor, which is to
    see each as the original one does.

    Args:
        adapted: for each level, features of (reconstructions, targets).
        original: the same from the extractor as it was.
        weight: of what keeps it close to the original.
    """
    total = 0.0
    for ours, theirs in zip(adapted, original, strict=True):
        (a, b), (d, c) = ([_flat(x) for x in pair] for pair in (ours, theirs))
        kept = cosine_distance(b, c) + cosine_distance(a, d)
        total = total + cosine_distance(a, b) + weight * kept
    return total


def _flat(features: Any) -> Any:
    return ops.reshape(features, (-1, math.prod(features.shape[1:])))


class Adapter(LossModel):
    """An extractor that learns to overlook what reconstructions cannot keep.

    Batch normalisation stays frozen, statistics and scales.
    """

    def __init__(
        self, network: keras.Model, frozen: keras.Model, weight: float
    ) -> None:
        super().__init__(dtype="float32")
        self.network = network
        self.frozen = frozen
        self.weight = weight
        frozen.trainable = False
        for layer in network.layers:
            if isinstance(layer, layers.BatchNormalization):
                layer.trainable = False

    def call(self, pair: tuple, training: bool = False) -> tuple[list, list]:
        """Return features of (reconstructions, targets) by level, and the frozen ones.

        Both images are (n, h, w, c) in [0, 1].
        """
        both = [prepared(images, self.network) for images in pair]
        by_network = []
        for network in (self.network, self.frozen):
            features = [network(images, training=False) for images in both]
            by_network.append(list(zip(*features, strict=True)))
        return by_network[0], by_network[1]

    def batch_loss(self, targets: Any, outputs: Any) -> Any:
        """Return the mean loss of the adaptation."""
        adapted, original = outputs
        return ops.mean(adaptation_losses(adapted, original, self.weight))


def run_adaptation(
    adapter: Adapter,
    pairs: Callable[[int], Iterable],
    epochs: int,
    learning_rate: float,
) -> list[float]:
    """Adapt the extractor; return the mean loss of each epoch.

    Args:
        adapter: whose `network` changes.
        pairs: gives for an epoch an iterable of (reconstructions, targets).
        epochs: how many.
        learning_rate: of AdamW, whose weight decay is that of the original, 0.01.
    """
    optimizer = keras.optimizers.AdamW(learning_rate, weight_decay=0.01)
    compile_trainer(adapter, optimizer)
    losses = []
    for epoch in range(epochs):
        # `train_on_batch` returns a running mean, from the last reset on.
        adapter.reset_metrics()
        steps = [float(adapter.train_on_batch(pair)) for pair in pairs(epoch)]
        losses.append(steps[-1])
    return losses


def halves(
    load: Callable, count: int, batch_size: int, draws: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (images, targets), float32 in [0, 1], each good image in one role."""
    order = draws.permutation(count)
    size = max(1, min(batch_size, count) // 2)
    for start in range(0, count - 2 * size + 1, 2 * size):
        images = load(order[start : start + 2 * size])
        yield images[size:], images[:size]
