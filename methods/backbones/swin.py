"""Swin Transformer (Liu et al. 2021, arXiv 2103.14030), the tiny and a smaller one.

Layers are named as in timm. Maps that windows of 7 do not fill are padded with zeros
before each attention, as in torchvision and in the authors' detectors, so that sides
need only be multiples of the stride. Levels are the outputs of the stages, without the
last normalisation, as timm gives them.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from .transformer import attend, feed_forward, normalise

DEPTHS = {"swin_tiny": (2, 2, 6, 2), "swin_mini": (2, 2, 2, 2)}
CHANNELS = {"swin_tiny": 96, "swin_mini": 48}  # of the first stage; later: twice
HEADS = 3  # of the first stage; likewise
WINDOW = 7
EPSILON = 1e-5
MASKED = -100.0  # added to the logits of what a query must not see, as in the original


def stages(name: str, images: Any) -> Iterator[tuple[str, Any]]:
    """Yield (level, features) from shallow to deep, building only what is asked for."""
    x = layers.Conv2D(CHANNELS[name], 4, strides=4, name="patch_embed.proj")(images)
    x = normalise(x, EPSILON, "patch_embed.norm")
    for stage, depth in enumerate(DEPTHS[name]):
        path = f"layers.{stage}"
        if stage > 0:
            x = _merge(x, f"{path}.downsample")
        for block in range(depth):
            shift = WINDOW // 2 if block % 2 else 0
            x = _block(x, HEADS << stage, shift, f"{path}.blocks.{block}")
        yield f"stage{stage + 1}", x


def _merge(x: Any, name: str) -> Any:
    """Turn a map (h, w, c) into one of (h / 2, w / 2, 2 c)."""
    height, width, channels = x.shape[1] // 2, x.shape[2] // 2, x.shape[3]
    x = layers.Reshape((height, 2, width, 2, channels), name=f"{name}.split")(x)
    x = layers.Permute((1, 3, 4, 2, 5), name=f"{name}.permute")(x)
    x = layers.Reshape((height, width, 4 * channels), name=f"{name}.stack")(x)
    x = normalise(x, EPSILON, f"{name}.norm")
    return layers.Dense(2 * channels, use_bias=False, name=f"{name}.reduction")(x)


def _block(x: Any, heads: int, shift: int, name: str) -> Any:
    """Add what windows attend to, then what each position makes of itself."""
    _, height, width, channels = x.shape
    padding = (0, -height % WINDOW), (0, -width % WINDOW)
    inner = normalise(x, EPSILON, f"{name}.norm1")
    inner = layers.ZeroPadding2D(padding, name=f"{name}.pad")(inner)
    inner = layers.Dense(3 * channels, name=f"{name}.attn.qkv")(inner)
    inner = WindowAttention(heads, shift, name=f"{name}.attn")(inner)
    inner = layers.Cropping2D(padding, name=f"{name}.crop")(inner)
    inner = layers.Dense(channels, name=f"{name}.attn.proj")(inner)
    x = layers.Add(name=f"{name}.add1")([x, inner])
    inner = normalise(x, EPSILON, f"{name}.norm2")
    inner = feed_forward(inner, f"{name}.mlp")
    return layers.Add(name=f"{name}.add2")([x, inner])


@keras.saving.register_keras_serializable("keras_anomaly")
class WindowAttention(layers.Layer):
    """Self-attention within windows, with a bias for each relative position.

    Takes and gives maps: (n, h, w, 3 c) of queries, keys and values, to (n, h, w, c);
    h and w are multiples of the window. With a shift, the windows lie displaced, and
    those that wrap around the edge do not mix what was apart.
    """

    def __init__(self, heads: int, shift: int, **options: Any) -> None:
        super().__init__(**options)
        self.heads = heads
        self.shift = shift

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "heads": self.heads, "shift": self.shift}

    def build(self, shape: tuple) -> None:
        sides = shape[1:3]
        self.shifts = [self.shift if side > WINDOW else 0 for side in sides]
        self.mask = window_mask(sides, self.shifts)
        self.places = relative_positions()
        self.table = self.add_weight(
            name="relative_position_bias_table",
            shape=((2 * WINDOW - 1) ** 2, self.heads),
            initializer=keras.initializers.TruncatedNormal(stddev=0.02),
        )

    def call(self, qkv: Any) -> Any:
        bias = ops.take(self.table, self.places, axis=0)  # (tokens, tokens, heads)
        bias = ops.transpose(bias, (2, 0, 1)) + self.mask
        x = ops.roll(qkv, [-shift for shift in self.shifts], (1, 2))
        x = attend(partition(x), self.heads, bias)
        return ops.roll(reverse(x, qkv.shape[1:3]), self.shifts, (1, 2))


def partition(x: Any) -> Any:
    """Cut maps (n, h, w, c) into windows (n, windows, tokens, c)."""
    _, height, width, channels = x.shape
    down, across = height // WINDOW, width // WINDOW
    x = ops.reshape(x, (-1, down, WINDOW, across, WINDOW, channels))
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
    return ops.reshape(x, (-1, down * across, WINDOW**2, channels))


def reverse(windows: Any, sides: Sequence[int]) -> Any:
    """Put windows (n, windows, tokens, c) together to maps (n, *sides, c)."""
    down, across = sides[0] // WINDOW, sides[1] // WINDOW
    x = ops.reshape(windows, (-1, down, across, WINDOW, WINDOW, windows.shape[-1]))
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
    return ops.reshape(x, (-1, *sides, windows.shape[-1]))


def relative_positions() -> np.ndarray:
    """Return the row of the bias table for each pair of tokens: (tokens, tokens)."""
    place = np.stack(np.divmod(np.arange(WINDOW**2), WINDOW))
    down, across = place[:, :, None] - place[:, None, :] + WINDOW - 1
    return (down * (2 * WINDOW - 1) + across).astype("int32")


def window_mask(sides: Sequence[int], shifts: Sequence[int]) -> np.ndarray:
    """Return what hides tokens from each other: (windows, 1, tokens, tokens).

    In the last window of an axis, tokens rolled in from the other side are kept apart.
    """
    parts = [
        np.searchsorted([side - WINDOW, side - shift], np.arange(side), side="right")
        for side, shift in zip(sides, shifts, strict=True)
    ]
    part = 3 * parts[0][:, None] + parts[1]
    part = part.reshape(sides[0] // WINDOW, WINDOW, sides[1] // WINDOW, WINDOW)
    part = part.transpose(0, 2, 1, 3).reshape(-1, WINDOW**2)
    apart = part[:, None, :] != part[:, :, None]
    return np.where(apart, MASKED, 0.0).astype("float32")[:, None]
