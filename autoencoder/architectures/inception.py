"""baselineCAE and inceptionCAE, after natasasdj/anomalyDetection."""

import keras
from keras import layers

from .common import grid_of, sigmoid_output, values_per_cell

WIDTHS = (32, 32, 64, 64, 128, 128)  # filters before each halving of the sides


def _conv_bn(x, filters, kernel):
    x = _conv(x, filters, kernel)
    return layers.BatchNormalization()(x)


def _conv(x, filters, kernel):
    penalty = keras.regularizers.L2(1e-6)
    return layers.Conv2D(filters, kernel, padding="same", kernel_regularizer=penalty)(x)


def _block(x, filters, kernel=3):
    return layers.LeakyReLU(0.1)(_conv_bn(x, filters, kernel))


def _inception(x, filters):
    """Concatenate four branches of `filters` channels each."""
    pooled = layers.MaxPooling2D(3, 1, "same")(x)
    branches = [_block(x, filters, kernel) for kernel in (1, 3, 5)]
    return layers.Concatenate()([*branches, _block(pooled, filters, 1)])


def _autoencoder(name, image_shape, block, bottleneck):
    """Return `block`s and poolings, the bottleneck, and the same upwards."""
    x = images = keras.Input(image_shape)
    for filters in WIDTHS:
        x = layers.MaxPooling2D()(block(x, filters))
    x = bottleneck(x)
    for filters in reversed(WIDTHS):
        x = layers.UpSampling2D()(block(x, filters))
    x = _conv_bn(x, image_shape[2], 3)
    return keras.Model(images, sigmoid_output(x), name=name)


def baseline_cae(image_shape, latent=None):
    """Return baselineCAE: six conv-pool blocks around a dense code.

    `latent` defaults to four values for each of the (h / 64, w / 64) cells: 64 at
    256x256.
    """
    grid = grid_of("baselineCAE", image_shape, 2 ** len(WIDTHS))
    channels = values_per_cell("baselineCAE", latent, grid, 4)
    values = grid[0] * grid[1] * channels

    def bottleneck(x):
        x = layers.Flatten()(x)  # (n, cells * 128)
        penalty = keras.regularizers.L2(1e-6)
        x = layers.Dense(values, kernel_regularizer=penalty, name="code")(x)
        x = layers.LeakyReLU(0.1)(x)
        return layers.Reshape((*grid, channels))(x)

    return _autoencoder("baselineCAE", image_shape, _block, bottleneck)


def inception_cae(image_shape, latent=None):
    """Return inceptionCAE: inception blocks around a (h / 64, w / 64, 512) code.

    `latent` puts a 1x1 convolution to that many values in between, which the
    original does not have.
    """
    grid = grid_of("inceptionCAE", image_shape, 2 ** len(WIDTHS))
    channels = values_per_cell("inceptionCAE", latent, grid, 4 * WIDTHS[-1])

    def bottleneck(x):
        return x if latent is None else layers.Conv2D(channels, 1, name="code")(x)

    return _autoencoder("inceptionCAE", image_shape, _inception, bottleneck)
