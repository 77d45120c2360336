"""resnetCAE and skipCAE, after RED-Net (Mao et al. 2016, arXiv 1606.08921).

Both tend to copy their input, defects included, as their authors warn.
"""

import keras
from keras import layers

from .common import grid_of, sigmoid_output, values_per_cell

WIDTHS = (64, 128, 256, 512)  # filters of resnetCAE's stages


def _he_conv(x, filters, kernel, stride=1):
    return layers.Conv2D(
        filters,
        kernel,
        stride,
        "same",
        kernel_initializer="he_normal",
        kernel_regularizer=keras.regularizers.L2(1e-4),
    )(x)


def _bn_relu(x):
    return layers.ReLU()(layers.BatchNormalization()(x))


def _encoder_stage(x, filters, stride, *, first, last):
    """Apply two pre-activation blocks that concatenate shortcut and residual.

    The original drops the residual branch of the `last` stage and keeps its
    shortcut alone.
    """
    for block in range(2):
        stride = stride if block == 0 else 1
        if last:
            x = _he_conv(x, filters, 1, stride) if block == 0 else x
            continue
        residual = x if first and block == 0 else _bn_relu(x)
        residual = _he_conv(residual, filters, 3, stride)
        residual = _he_conv(_bn_relu(residual), filters, 3)
        if stride > 1 or x.shape[-1] != filters:
            x = _he_conv(x, filters, 1, stride)
        x = layers.Concatenate()([x, residual])  # (n, h, w, 2 * filters)
    return x


def _decoder_stage(x, filters):
    x = layers.Conv2DTranspose(filters, 4, 2, "same")(x)
    residual = layers.ReLU()(layers.BatchNormalization()(x))
    residual = layers.Conv2DTranspose(filters, 3, padding="same")(residual)
    residual = layers.ReLU()(layers.BatchNormalization()(residual))
    return layers.Add()([x, residual])


def resnet_cae(image_shape, latent=None):
    """Return resnetCAE: a concatenating ResNet-18-like encoder, additive decoder.

    The code is (h / 32, w / 32, 512); `latent` sets its number of values in all.
    """
    grid = grid_of("resnetCAE", image_shape, 2 ** (len(WIDTHS) + 1))
    channels = values_per_cell("resnetCAE", latent, grid, WIDTHS[-1])
    deepest = len(WIDTHS) - 1

    x = images = keras.Input(image_shape)
    x = _bn_relu(_he_conv(x, WIDTHS[0], 7, 2))
    x = layers.MaxPooling2D(3, 2, "same")(x)  # (h / 4, w / 4, 64)
    for i, filters in enumerate(WIDTHS):
        stride = 1 if i == 0 else 2
        x = _encoder_stage(x, filters, stride, first=i == 0, last=i == deepest)
    x = layers.Conv2D(WIDTHS[-1], 1, activation="relu")(x)
    x = layers.Conv2D(channels, 1, activation="relu", name="code")(x)
    for filters in reversed(WIDTHS):
        x = _decoder_stage(x, filters)
    x = layers.Conv2DTranspose(image_shape[2], 4, 2, "same")(x)
    return keras.Model(images, sigmoid_output(x), name="resnetCAE")


def skip_cae(image_shape, latent=None):
    """Return skipCAE: a dense code of `latent` (64) values and two additive skips.

    At 256x256 the encoder ends at 1x1; larger images keep a grid of cells there.
    """
    grid = grid_of("skipCAE", image_shape, 256)
    cells = grid[0] * grid[1]

    x = images = keras.Input(image_shape)
    skips = []
    for filters, kept in zip(
        (32, 32, 64, 64, 128, 128, 256, 256), (0, 0, 1, 0, 1, 0, 0, 0), strict=True
    ):
        x = layers.Conv2D(filters, 3, 2, "same")(x)
        if kept:
            skips.append(x)
        x = layers.LeakyReLU(0.3)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(latent or 64, activation="relu", name="code")(x)
    x = layers.Dense(cells * 256, activation="relu")(x)
    x = layers.Reshape((*grid, 256))(x)
    for filters, stride, skip in (
        (256, 1, False),
        (256, 2, False),
        (128, 2, False),
        (128, 2, True),  # (h / 32, w / 32)
        (64, 2, False),
        (64, 2, True),  # (h / 8, w / 8)
        (32, 2, False),
        (32, 2, False),
    ):
        x = layers.Conv2DTranspose(filters, 3, stride, "same")(x)
        if skip:
            x = layers.Add()([x, skips.pop()])
        x = layers.LeakyReLU(0.3)(x)
        x = layers.BatchNormalization()(x) if skip else x
    x = layers.Conv2DTranspose(image_shape[2], 3, 2, "same")(x)
    return keras.Model(images, sigmoid_output(x), name="skipCAE")
