"""EfficientNet-Lite (Tan and Le 2019, arXiv 1905.11946, without squeeze-excitation).

Layers are named after the tensors of efficientnet-lite-pytorch, whose weights they
take. Its padding is TensorFlow's "same", its batch normalisation has epsilon 1e-3.
"""

import math
from collections.abc import Iterator
from typing import Any

from keras import layers

STAGES = (  # (blocks, kernel size, stride, expansion, channels) of Lite0
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
SCALES = {  # of channels and of blocks; the first and the last stage keep their one
    "efficientnet_lite0": (1.0, 1.0),
    "efficientnet_lite1": (1.0, 1.1),
    "efficientnet_lite2": (1.1, 1.2),
}
DIVISOR = 8  # of channels


def stages(name: str, images: Any) -> Iterator[tuple[str, Any]]:
    """Yield (level, features) from shallow to deep, building only what is asked for."""
    x = layers.Conv2D(
        32, 3, strides=2, padding="same", use_bias=False, name="conv_stem"
    )(images)
    x = _activate(x, "bn0")
    width, depth = SCALES[name]
    block = 0
    for index, (repeats, size, stride, expansion, channels) in enumerate(STAGES, 1):
        repeats = math.ceil(repeats * depth) if repeats > 1 else 1
        channels = round(channels * width / DIVISOR) * DIVISOR
        for repeat in range(repeats):
            step = stride if repeat == 0 else 1
            x = _block(x, size, step, expansion, channels, f"blocks.{block}")
            block += 1
        yield f"stage{index}", x


def _block(
    x: Any, size: int, stride: int, expansion: int, channels: int, name: str
) -> Any:
    """Widen by 1x1, convolve each channel, narrow by 1x1; add where shapes allow."""
    before = x
    if expansion > 1:
        x = _pointwise(x, x.shape[-1] * expansion, f"{name}.expand_conv")
        x = _activate(x, f"{name}.bn0")
    x = layers.DepthwiseConv2D(
        size,
        strides=stride,
        padding="same",
        use_bias=False,
        name=f"{name}.depthwise_conv",
    )(x)
    x = _activate(x, f"{name}.bn1")
    x = _pointwise(x, channels, f"{name}.project_conv")
    x = _normalise(x, f"{name}.bn2")
    return layers.Add(name=f"{name}.add")([x, before]) if x.shape == before.shape else x


def _pointwise(x: Any, channels: int, name: str) -> Any:
    return layers.Conv2D(channels, 1, use_bias=False, name=name)(x)


def _normalise(x: Any, name: str) -> Any:
    return layers.BatchNormalization(epsilon=1e-3, momentum=0.99, name=name)(x)


def _activate(x: Any, name: str) -> Any:
    return layers.ReLU(6.0, name=f"{name}.relu6")(_normalise(x, name))
