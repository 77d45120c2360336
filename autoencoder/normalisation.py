"""Batch normalisation that trains in TensorFlow's own kernel.

Keras makes it of a dozen operations, each of which passes over all values, and in
bfloat16 in float32: of 8x64x64x64 values with their gradient 19 and 29 ms of CPU where
the kernel takes 5 and 3 (two cores with AMX).
"""

from typing import Any

import keras
from keras import layers, ops


def has_kernel(layer: Any, x: Any) -> bool:
    """Return whether the kernel can train a layer, which is given x."""
    return (
        keras.backend.backend() == "tensorflow"
        and type(layer) is layers.BatchNormalization
        and len(x.shape) == 4
        and layer.axis in (-1, 3)
        and layer.scale
        and layer.center
        and not getattr(layer, "renorm", False)  # which older versions do not have
    )


class KernelNormalization(layers.Layer):
    """A batch normalisation with the weights of `norm`.

    It gives the same numbers, to rounding, and moves the same averages.

    Args:
        norm: built, of images (n, h, w, c), for which `has_kernel` is true.
    """

    def __init__(self, norm: layers.BatchNormalization, **kwargs: Any):
        super().__init__(dtype=norm.dtype_policy, **kwargs)
        self.norm = norm

    def call(self, x: Any, training: bool = False) -> Any:
        """Return images (n, h, w, c) with a mean and a deviation of each channel."""
        norm = self.norm
        if not (training and norm.trainable):
            return norm(x)
        import tensorflow as tf

        nothing = tf.constant([], tf.float32)
        outputs = tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=norm.gamma,
            offset=norm.beta,
            mean=nothing,
            variance=nothing,
            epsilon=norm.epsilon,
            is_training=True,
        )
        values = ops.cast(ops.size(x) // x.shape[-1], "float32")
        variance = outputs.batch_variance * (1 - 1 / values)  # as Keras counts
        momentum = norm.momentum
        for average, now in (
            (norm.moving_mean, outputs.batch_mean),
            (norm.moving_variance, variance),
        ):
            average.assign(average * momentum + now * (1 - momentum))
        return outputs.y
