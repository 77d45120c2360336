"""ResNet (He et al. 2016, arXiv 1512.03385) and its wide form (arXiv 1605.07146).

As in torchvision: the stride of a bottleneck is on its 3x3 convolution (v1.5), padding
is symmetric, batch normalisation has epsilon 1e-5. Layers are named as in torchvision.
"""

from collections.abc import Iterator
from typing import Any

from keras import layers

BLOCKS = {
    "resnet18": (2, 2, 2, 2),
    "resnet50": (3, 4, 6, 3),
    "wide_resnet50_2": (3, 4, 6, 3),
}
WIDENING = {"resnet50": 1, "wide_resnet50_2": 2}  # of the 3x3 in a bottleneck


def stages(name: str, images: Any) -> Iterator[tuple[str, Any]]:
    """Yield (level, features) from shallow to deep, building only what is asked for."""
    x = _relu(_convolve(images, 64, 7, 2, "conv1"), "relu")
    x = layers.ZeroPadding2D(1, name="maxpool.pad")(x)  # ReLU left nothing below 0
    x = layers.MaxPooling2D(3, strides=2, name="maxpool")(x)
    for index, repeats in enumerate(BLOCKS[name]):
        for block in range(repeats):
            stride = 2 if index > 0 and block == 0 else 1
            x = _block(x, name, 64 << index, stride, f"layer{index + 1}.{block}")
        yield f"layer{index + 1}", x


def _block(x: Any, name: str, channels: int, stride: int, path: str) -> Any:
    """Add to x what two or three convolutions make of it."""
    shortcut = x
    if name in WIDENING:
        wide = channels * WIDENING[name]
        x = _relu(_convolve(x, wide, 1, 1, f"{path}.conv1"), f"{path}.relu1")
        x = _relu(_convolve(x, wide, 3, stride, f"{path}.conv2"), f"{path}.relu2")
        x = _convolve(x, 4 * channels, 1, 1, f"{path}.conv3")
    else:
        x = _relu(_convolve(x, channels, 3, stride, f"{path}.conv1"), f"{path}.relu1")
        x = _convolve(x, channels, 3, 1, f"{path}.conv2")
    if shortcut.shape != x.shape:
        path_down = f"{path}.downsample.0"
        shortcut = _convolve(shortcut, x.shape[-1], 1, stride, path_down)
    x = layers.Add(name=f"{path}.add")([x, shortcut])
    return _relu(x, f"{path}.relu")


def _convolve(x: Any, channels: int, size: int, stride: int, name: str) -> Any:
    """Convolve and normalise; `bn1` is behind `conv1`, and `1` behind `0`."""
    if size > 1:
        x = layers.ZeroPadding2D(size // 2, name=f"{name}.pad")(x)
    x = layers.Conv2D(channels, size, strides=stride, use_bias=False, name=name)(x)
    norm = name.replace("conv", "bn").replace("downsample.0", "downsample.1")
    return layers.BatchNormalization(epsilon=1e-5, name=norm)(x)


def _relu(x: Any, name: str) -> Any:
    return layers.ReLU(name=name)(x)
