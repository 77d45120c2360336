"""What vision transformers share (Dosovitskiy et al. 2020, arXiv 2010.11929)."""

from typing import Any

import keras
from keras import layers, ops


def normalise(x: Any, epsilon: float, name: str) -> Any:
    """Bring the channels of each token to mean 0 and deviation 1, then rescale."""
    return layers.LayerNormalization(epsilon=epsilon, name=name)(x)


def feed_forward(x: Any, name: str) -> Any:
    """Transform each token by itself, with four times the channels in between."""
    channels = x.shape[-1]
    x = layers.Dense(4 * channels, name=f"{name}.fc1")(x)
    x = layers.Activation(gelu, name=f"{name}.act")(x)
    return layers.Dense(channels, name=f"{name}.fc2")(x)


@keras.saving.register_keras_serializable("keras_anomaly")
def gelu(x: Any) -> Any:
    """Return the exact x Phi(x); that of Keras needs erfc, which ONNX has not."""
    return 0.5 * x * (1 + ops.erf(x * 0.5**0.5))


def attend(qkv: Any, heads: int, bias: Any = None) -> Any:
    """Let every token gather what it attends to among the tokens of its group.

    Args:
        qkv: (..., tokens, 3 c), queries, keys and values one behind the other, each
            with its heads one behind the other; all but the first axis are known.
        heads: number of heads; divides c.
        bias: added to the logits; broadcasts to (..., heads, tokens, tokens).

    Returns:
        (..., tokens, c).
    """
    *groups, tokens, triple = qkv.shape[1:]
    size = triple // 3 // heads
    x = ops.reshape(qkv, (-1, *groups, tokens, 3 * heads, size))
    query, key, value = ops.split(ops.swapaxes(x, -3, -2), 3, axis=-3)
    logits = ops.matmul(query * size**-0.5, ops.swapaxes(key, -2, -1))
    logits = ops.cast(logits, "float32")
    if bias is not None:
        logits = logits + ops.cast(bias, "float32")
    shares = ops.cast(ops.softmax(logits, axis=-1), value.dtype)
    gathered = ops.swapaxes(ops.matmul(shares, value), -3, -2)
    return ops.reshape(gathered, (-1, *groups, tokens, heads * size))
