"""The UNet of guided diffusion, which predicts the noise in an image.

Dhariwal and Nichol 2021, arXiv 2105.05233; DDAD (arXiv 2305.15956) and AnoDDPM (Wyatt
et al. 2022) both use it, each with numbers of its own.
"""

import math
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers, ops

from processing.errors import UsageError

PERIODS = 10_000  # longest wavelength of the time embedding, in units of 2 pi steps


@dataclass(frozen=True)
class Architecture:
    """How wide and deep a UNet is.

    Attributes:
        base: channels of the first level; even.
        multipliers: channels of each level, in multiples of `base`. Each level has half
            the sides of the one before.
        attention: sides, in values, of the feature maps with self-attention.
        heads: of the attention.
        dropout: rate within residual blocks.
        blocks: residual blocks a level on the way down; one more on the way up.
        patch: side in pixels of the squares that the first level sees as one value. 1
            is the original; more is that many times squared as fast.
        groups: of the group normalisations, or the largest number that divides both
            them and the channels. With one channel a group the normalisation takes away
            what the time adds, as in the first level of the original of "ddad-s".
    """

    base: int
    multipliers: tuple[int, ...]
    attention: tuple[int, ...] = (32, 16, 8)
    heads: int = 4
    dropout: float = 0.0
    blocks: int = 2
    patch: int = 1
    groups: int = 32

    @property
    def stride(self) -> int:
        """What the sides of images have to be multiples of, in pixels."""
        return self.patch * 2 ** (len(self.multipliers) - 1)


def unet(image_shape: tuple[int, int, int], architecture: Architecture) -> keras.Model:
    """Return a network from (images, timesteps) to the noise in the images.

    Its last convolution starts at zero, so that a new network predicts no noise.

    Args:
        image_shape: (h, w, c), sides multiples of `architecture.stride`.
        architecture: how wide and deep.

    Returns:
        `keras.Model` from noisy images (n, h, w, c) around [-1, 1] and timesteps (n,),
        0 to T - 1, to noise (n, h, w, c) in float32.
    """
    _check_shape(image_shape, architecture)
    images = keras.Input(image_shape, name="images")
    timesteps = keras.Input((), name="timesteps")
    blocks = _Blocks(architecture, _embedded(timesteps, architecture.base))
    x = _first(images, architecture)
    x, skips = _down(x, blocks)
    width = x.shape[-1]
    x = blocks.residual(x, width)
    x = blocks.attention(x)
    x = blocks.residual(x, width)
    x = _up(x, skips, blocks)
    x = _activated(x, architecture.groups)
    noise = _last(x, image_shape[-1], architecture.patch)
    return keras.Model([images, timesteps], noise, name="unet")


def _check_shape(image_shape: tuple[int, int, int], architecture: Architecture) -> None:
    height, width, _ = image_shape
    stride = architecture.stride
    if min(height, width) < stride or height % stride or width % stride:
        raise UsageError(
            f"this UNet takes images with sides that are multiples of {stride}. "
            f"Received: {height}x{width}"
        )


def _embedded(timesteps: Any, base: int) -> Any:
    """Return what residual blocks get to know of the time, (n, 4 base)."""
    x = Sinusoids(base, name="time")(timesteps)
    x = layers.Dense(4 * base, activation="silu", name="time.dense1")(x)
    return layers.Dense(4 * base, activation="silu", name="time.dense2")(x)


def _first(images: Any, architecture: Architecture) -> Any:
    patch = architecture.patch
    kernel = 3 if patch == 1 else 2 * patch
    return layers.Conv2D(architecture.base, kernel, patch, "same", name="first")(images)


def _down(x: Any, blocks: "_Blocks") -> tuple[Any, list[Any]]:
    """Return the deepest features, and those to concatenate on the way up."""
    skips, architecture = [x], blocks.architecture
    for level, multiplier in enumerate(architecture.multipliers):
        if level > 0:
            x = blocks.residual(x, x.shape[-1], "down")
            skips.append(x)
        for _ in range(architecture.blocks):
            x = blocks.residual(x, multiplier * architecture.base)
            x = blocks.attention_where_asked(x)
            skips.append(x)
    return x, skips


def _up(x: Any, skips: list[Any], blocks: "_Blocks") -> Any:
    """Return the features at full size; takes from the end of `skips`."""
    architecture = blocks.architecture
    for level, multiplier in reversed(list(enumerate(architecture.multipliers))):
        for _ in range(architecture.blocks + 1):
            x = layers.Concatenate()([x, skips.pop()])
            x = blocks.residual(x, multiplier * architecture.base)
            x = blocks.attention_where_asked(x)
        if level > 0:
            x = blocks.residual(x, x.shape[-1], "up")
    return x


def _last(x: Any, channels: int, patch: int) -> Any:
    """Return the noise: one value of `x` is a square of `patch` pixels."""
    _, height, width, _ = x.shape
    x = layers.Conv2D(
        channels * patch**2,
        3,
        padding="same",
        kernel_initializer="zeros",
        dtype="float32",
        name="last",
    )(x)
    if patch == 1:
        return x
    x = layers.Reshape((height, width, patch, patch, channels))(x)
    x = layers.Permute((1, 3, 2, 4, 5))(x)
    return layers.Reshape((height * patch, width * patch, channels))(x)


def _normalised(x: Any, groups: int) -> Any:
    """Normalise groups of channels; Keras does so in float32 under every policy."""
    groups = math.gcd(groups, x.shape[-1])
    return layers.GroupNormalization(groups, epsilon=1e-5)(x)


def _activated(x: Any, groups: int) -> Any:
    return layers.Activation("silu")(_normalised(x, groups))


class _Blocks:
    """The parts of the UNet that know its architecture and the time."""

    def __init__(self, architecture: Architecture, time: Any) -> None:
        self.architecture = architecture
        self.time = time

    def residual(self, x: Any, channels: int, sampling: str = "") -> Any:
        """Add two convolutions of `x`; "down" halves and "up" doubles the sides."""
        groups = self.architecture.groups
        inner = _activated(x, groups)
        if sampling == "down":
            inner, x = layers.AveragePooling2D(2)(inner), layers.AveragePooling2D(2)(x)
        elif sampling == "up":
            inner, x = layers.UpSampling2D(2)(inner), layers.UpSampling2D(2)(x)
        inner = layers.Conv2D(channels, 3, padding="same")(inner)
        time = layers.Dense(channels)(self.time)
        inner = layers.Add()([inner, layers.Reshape((1, 1, channels))(time)])
        inner = layers.Dropout(self.architecture.dropout)(_activated(inner, groups))
        inner = layers.Conv2D(channels, 3, padding="same", kernel_initializer="zeros")(
            inner
        )
        if x.shape[-1] != channels:
            x = layers.Conv2D(channels, 1)(x)
        return layers.Add()([x, inner])

    def attention(self, x: Any) -> Any:
        """Add what every position gathers from all others."""
        channels = x.shape[-1]
        inner = _normalised(x, self.architecture.groups)
        inner = layers.Conv2D(3 * channels, 1)(inner)
        inner = SpatialAttention(self.architecture.heads)(inner)
        inner = layers.Conv2D(channels, 1, kernel_initializer="zeros")(inner)
        return layers.Add()([x, inner])

    def attention_where_asked(self, x: Any) -> Any:
        """Attend if the shorter side of `x` is one of those with attention."""
        side = min(x.shape[1:3])
        return self.attention(x) if side in self.architecture.attention else x


@keras.saving.register_keras_serializable("keras_anomaly")
class Sinusoids(layers.Layer):
    """Timesteps (n,) to sines and cosines (n, width) of falling frequencies.

    Frequency k of width / 2 is 10,000^(-2 k / width), sines first.
    """

    def __init__(self, width: int, **options: Any) -> None:
        super().__init__(**{**options, "dtype": "float32"})  # bfloat16 ends at 256
        self.width = width

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width}

    def call(self, timesteps: Any) -> Any:
        half = self.width // 2
        exponents = ops.arange(half, dtype="float32") / half
        angles = timesteps[:, None] * ops.exp(-math.log(PERIODS) * exponents)
        return ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)


@keras.saving.register_keras_serializable("keras_anomaly")
class SpatialAttention(layers.Layer):
    """Self-attention among all positions: queries, keys and values to what is gathered.

    Takes (n, h, w, 3 c), each of the three with its heads one behind the other, and
    gives (n, h, w, c). Queries and keys are scaled by (c / heads)^(-1/4) each, so that
    their product stays small in half precision; the softmax is float32.
    """

    def __init__(self, heads: int, **options: Any) -> None:
        super().__init__(**options)
        self.heads = heads

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "heads": self.heads}

    def call(self, qkv: Any) -> Any:
        _, height, width, triple = qkv.shape
        size = triple // 3 // self.heads
        x = ops.reshape(qkv, (-1, height * width, 3 * self.heads, size))
        x = ops.transpose(x, (0, 2, 1, 3))  # (n, 3 heads, positions, size)
        query, key, value = ops.split(x, 3, axis=1)
        scale = size**-0.25
        logits = ops.matmul(query * scale, ops.transpose(key * scale, (0, 1, 3, 2)))
        shares = ops.softmax(ops.cast(logits, "float32"), axis=-1)
        gathered = ops.matmul(ops.cast(shares, value.dtype), value)
        gathered = ops.transpose(gathered, (0, 2, 1, 3))
        return ops.reshape(gathered, (-1, height, width, triple // 3))
