"""DINOv2's vision transformer (Oquab et al. 2023, arXiv 2304.07193), the small one.

Layers are named as in the original. Levels are outputs of blocks behind the last
normalisation, the class token left out, as transformers' Dinov2Backbone gives them.
Position embeddings were learned on 37x37 patches and are interpolated to others.
"""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from .transformer import attend, feed_forward, normalise

BLOCKS = 12
CHANNELS = 384
HEADS = 6
PATCH = 14  # pixels
EPSILON = 1e-6
LEARNED = 37  # patches a side that the position embeddings stand for
LEVELS = (3, 6, 9, 12)  # blocks whose output is a level


def stages(name: str, images: Any) -> Iterator[tuple[str, Any]]:
    """Yield (level, features) from shallow to deep, building only what is asked for."""
    x = layers.Conv2D(CHANNELS, PATCH, strides=PATCH, name="patch_embed.proj")(images)
    sides = x.shape[1:3]
    x = Tokens(name="tokens")(x)
    norm = layers.LayerNormalization(epsilon=EPSILON, name="norm")
    for block in range(BLOCKS):
        x = _block(x, f"blocks.{block}")
        if block + 1 in LEVELS:
            level = f"block{block + 1}"
            features = layers.Cropping1D((1, 0), name=f"{level}.crop")(norm(x))
            yield level, layers.Reshape((*sides, CHANNELS), name=level)(features)


def _block(x: Any, name: str) -> Any:
    """Add what tokens attend to, then what each token makes of itself."""
    inner = normalise(x, EPSILON, f"{name}.norm1")
    inner = layers.Dense(3 * CHANNELS, name=f"{name}.attn.qkv")(inner)
    inner = Attention(HEADS, name=f"{name}.attn")(inner)
    inner = layers.Dense(CHANNELS, name=f"{name}.attn.proj")(inner)
    inner = Scale(name=f"{name}.ls1")(inner)
    x = layers.Add(name=f"{name}.add1")([x, inner])
    inner = normalise(x, EPSILON, f"{name}.norm2")
    inner = feed_forward(inner, f"{name}.mlp")
    inner = Scale(name=f"{name}.ls2")(inner)
    return layers.Add(name=f"{name}.add2")([x, inner])


@keras.saving.register_keras_serializable("keras_anomaly")
class Attention(layers.Layer):
    """Self-attention among all tokens: (n, tokens, 3 c) to (n, tokens, c)."""

    def __init__(self, heads: int, **options: Any) -> None:
        super().__init__(**options)
        self.heads = heads

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "heads": self.heads}

    def call(self, qkv: Any) -> Any:
        return attend(qkv, self.heads)


@keras.saving.register_keras_serializable("keras_anomaly")
class Scale(layers.Layer):
    """One learned factor a channel (LayerScale, Touvron et al. 2021)."""

    def build(self, shape: tuple) -> None:
        self.gamma = self.add_weight(name="gamma", shape=shape[-1:], initializer="ones")

    def call(self, x: Any) -> Any:
        return x * self.gamma


@keras.saving.register_keras_serializable("keras_anomaly")
class Tokens(layers.Layer):
    """Patches (n, h, w, c) to tokens (n, 1 + h w, c), a class token first.

    Adds position embeddings, resized from 37x37 to h x w; its weights do not depend on
    the size of the image.
    """

    def build(self, shape: tuple) -> None:
        _, height, width, channels = shape
        self.down, self.across = cubic(LEARNED, height), cubic(LEARNED, width)
        normal = keras.initializers.TruncatedNormal(stddev=0.02)
        self.class_token = self.add_weight(
            name="cls_token", shape=(1, 1, channels), initializer=normal
        )
        self.positions = self.add_weight(
            name="pos_embed", shape=(1, 1 + LEARNED**2, channels), initializer=normal
        )

    def call(self, patches: Any) -> Any:
        _, height, width, channels = patches.shape
        first, learned = self.positions[:, :1], self.positions[:, 1:]
        table = ops.reshape(learned, (LEARNED, LEARNED * channels))
        table = ops.matmul(ops.cast(self.down, table.dtype), table)
        table = ops.reshape(table, (height, LEARNED, channels))
        table = ops.matmul(ops.cast(self.across, table.dtype), table)
        x = ops.reshape(patches + table, (-1, height * width, channels))
        token = ops.zeros_like(x[:, :1]) + self.class_token + first
        return ops.concatenate([token, x], axis=1)


def cubic(size: int, wanted: int) -> np.ndarray:
    """Return the matrix (wanted, size) of PyTorch's bicubic resizing of one axis.

    Keys 1981 with a = -0.75, half-pixel centres, no antialiasing, edges repeated.
    """
    centres = (np.arange(wanted) + 0.5) * size / wanted - 0.5
    taps = np.floor(centres).astype(int)[:, None] + np.arange(-1, 3)
    far = np.abs(centres[:, None] - taps)
    a = -0.75
    near_weights = ((a + 2) * far - (a + 3)) * far**2 + 1
    far_weights = a * (((far - 5) * far + 8) * far - 4)
    matrix = np.zeros((wanted, size), "float32")
    rows = np.arange(wanted)[:, None].repeat(4, axis=1)
    weights = np.where(far <= 1, near_weights, far_weights)
    np.add.at(matrix, (rows, taps.clip(0, size - 1)), weights)
    return matrix
