"""Generator, discriminator and encoder, each a function from shape to model.

At 256x256 they are those of the seed repository; below, DCGAN's (Radford et al. 2016,
arXiv 1511.06434), whose kernels overlap, as AnoGAN took them at 64x64. All are chains
of layers without branches, so that `value_and_vjp` can differentiate them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from processing.errors import UsageError

Shape = tuple[int, int, int]  # (h, w, c)
Stage = tuple[int, int, int]  # (width factor, kernel, stride)

LATENT = 100
WIDTH = 64  # filters before the last layer of the generator
# By side: cells of the first feature map, its width factor, and the stages after it.
GENERATORS: dict[int, tuple[int, int, tuple[Stage, ...]]] = {
    32: (4, 4, ((2, 4, 2), (1, 4, 2), (0, 4, 2))),
    64: (4, 8, ((4, 4, 2), (2, 4, 2), (1, 4, 2), (0, 4, 2))),
    128: (8, 8, ((4, 4, 2), (2, 4, 2), (1, 4, 2), (0, 4, 2))),
    256: (8, 8, ((4, 4, 4), (2, 2, 2), (1, 2, 2), (0, 2, 2))),
}
DISCRIMINATORS: dict[int, tuple[Stage, ...]] = {  # all end at 4x4 cells
    32: ((2, 4, 2), (4, 4, 2), (8, 4, 2)),
    64: ((1, 4, 2), (2, 4, 2), (4, 4, 2), (8, 4, 2)),
    128: ((1, 6, 4), (2, 4, 2), (4, 4, 2), (8, 4, 2)),
    256: ((1, 6, 4), (2, 4, 4), (4, 4, 2), (8, 4, 2)),
}
RANGE = 2  # of images in the papers, which differences are measured in: [-1, 1]
FEATURES = "features"  # name of the discriminator's layer that images are compared by


def check_shape(image_shape: Shape) -> None:
    """Raise `UsageError` unless there are networks for images of this shape."""
    height, width, _ = image_shape
    if height != width or height not in GENERATORS:
        sides = ", ".join(map(str, GENERATORS))
        raise UsageError(
            f"AnoGAN needs square images with sides of {sides} pixels. "
            f"Received: {height}x{width}"
        )


def _initial() -> Any:
    return keras.initializers.RandomNormal(0, 0.02)


def _normalised(x: Any) -> Any:
    gamma = keras.initializers.RandomNormal(1, 0.02)
    return layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, gamma_initializer=gamma
    )(x)


def _upward(x: Any, filters: int, kernel: int, stride: int) -> Any:
    """Transposed convolution to `stride` times the size."""
    layer = layers.Conv2DTranspose(
        filters,
        kernel,
        stride,
        "same" if stride > 1 else "valid",
        use_bias=False,
        kernel_initializer=_initial(),
    )
    return layer(x)


def generator(image_shape: Shape, latent: int = LATENT, width: int = WIDTH) -> Any:
    """Return the model from latents (n, latent) to images (n, h, w, c) in [0, 1]."""
    grid, factor, stages = GENERATORS[image_shape[0]]
    latents = keras.Input((latent,))
    x = layers.Reshape((1, 1, latent))(latents)
    x = _upward(x, factor * width, grid, 1)  # (n, grid, grid, factor * width)
    for factor, kernel, stride in stages:
        x = layers.ReLU()(_normalised(x))
        x = _upward(x, factor * width or image_shape[2], kernel, stride)
    x = layers.Activation("tanh", dtype="float32")(x)
    images = layers.Rescaling(0.5, 0.5, dtype="float32")(x)
    return keras.Model(latents, images, name="generator")


def _downward(images: Any, stages: Sequence[Stage], width: int) -> Any:
    """Return features (n, 4, 4, 8 * width) of images (n, h, w, c) in [0, 1]."""
    x = layers.Rescaling(2, -1, dtype="float32")(images)
    for index, (factor, kernel, stride) in enumerate(stages):
        x = layers.Conv2D(
            factor * width,
            kernel,
            stride,
            "same",
            use_bias=False,
            kernel_initializer=_initial(),
        )(x)
        x = _normalised(x) if index else x
        last = index == len(stages) - 1
        x = layers.LeakyReLU(0.2, name=FEATURES if last else None)(x)
    return x


def _head(features: Any, values: int) -> Any:
    head = layers.Conv2D(
        values, 4, use_bias=False, kernel_initializer=_initial(), dtype="float32"
    )
    return layers.Flatten(dtype="float32")(head(features))


def discriminator(image_shape: Shape, width: int = WIDTH) -> Any:
    """Return the model from images in [0, 1] to logits (n, 1), positive for real."""
    images = keras.Input(image_shape)
    x = _downward(images, DISCRIMINATORS[image_shape[0]], width)
    return keras.Model(images, _head(x, 1), name="discriminator")


def encoder(image_shape: Shape, latent: int = LATENT, width: int = WIDTH) -> Any:
    """Return the model from images in [0, 1] to latents (n, latent).

    f-AnoGAN's (Schlegl et al. 2019): the discriminator with another last layer.
    """
    images = keras.Input(image_shape)
    x = _downward(images, DISCRIMINATORS[image_shape[0]], width)
    return keras.Model(images, _head(x, latent), name="encoder")


def feature_layers(network: Any) -> list[Any]:
    """Return the layers of a discriminator from the image to the compared features."""
    names = [layer.name for layer in network.layers]
    return network.layers[1 : names.index(FEATURES) + 1]


@dataclass(frozen=True)
class GANShape:
    """What the networks of a GAN are like.

    Attributes:
        image_shape: (h, w, c).
        latent: values of z.
        width: filters before the generator's last layer.
    """

    image_shape: Shape
    latent: int = LATENT
    width: int = WIDTH

    def build(self, encoder: bool = False) -> dict[str, Any]:
        """Return new networks by name."""
        networks = {
            "generator": generator(self.image_shape, self.latent, self.width),
            "discriminator": discriminator(self.image_shape, self.width),
        }
        if encoder:
            shape = self.image_shape, self.latent, self.width
            networks["encoder"] = globals()["encoder"](*shape)
        return networks
