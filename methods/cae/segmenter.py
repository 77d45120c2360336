"""A network that marks defects in images beside their reconstructions."""

from typing import Any

import keras
from keras import layers, ops

from methods.components.enlarge import Enlarge

WIDTHS = (24, 32, 64, 96)  # filters at strides 2, 4, 8 and 16


def segmenter(image_shape: tuple[int, int, int]) -> keras.Model:
    """Return a UNet from images (n, h, w, 2c) to the log odds of a defect (n, h, w).

    The images are an image and its reconstruction, as channels. All but the enlargement
    of the result takes place at half the size or less.
    """
    height, width, channels = image_shape
    images = keras.Input((height, width, 2 * channels))
    x = layers.Rescaling(2, -1)(images)
    skips = []
    for filters in WIDTHS:
        x = _convolved(_convolved(x, filters, 4, 2), filters)
        skips.append(x)
    for filters, skip in zip(WIDTHS[-2::-1], skips[-2::-1], strict=True):
        x = layers.UpSampling2D(interpolation="bilinear")(_convolved(x, filters, 1))
        x = layers.Concatenate()([x, skip])
        x = _convolved(_convolved(x, filters), filters)
    x = layers.Conv2D(1, 1, dtype="float32")(x)
    x = layers.UpSampling2D(interpolation="bilinear", dtype="float32")(x)
    logits = layers.Reshape((height, width), dtype="float32", name="logits")(x)
    return keras.Model(images, logits, name="segmenter")


def _convolved(x: Any, filters: int, size: int = 3, stride: int = 1) -> Any:
    x = layers.Conv2D(filters, size, stride, "same", use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))


def side_by_side(images: Any, autoencoder: keras.Model) -> Any:
    """Return what a segmenter sees, (n, h, w, 2c), of images (n, h, w, c)."""
    reconstructions = autoencoder(images, training=False)
    return ops.concatenate([images, reconstructions], axis=-1)


def marking_model(
    autoencoder: keras.Model, network: keras.Model, sigma: float
) -> keras.Model:
    """Return a model from images (n, h, w, c) in [0, 1] to maps and scores.

    Maps are the probability of a defect at each pixel, blurred; scores are their
    highest values.

    Args:
        autoencoder: of the images.
        network: a segmenter.
        sigma: pixels, of the blur.
    """
    images = keras.Input(autoencoder.input_shape[1:], name="images")
    maps = ops.sigmoid(network(side_by_side(images, autoencoder)))
    maps = Enlarge(autoencoder.input_shape[1:3], sigma)(maps)
    return keras.Model(images, [maps, ops.max(maps, axis=(1, 2))], name="marking")
