"""AE: a plain autoencoder with a dense code, after Pchaewon's collection."""

import keras
from keras import layers

from .common import grid_of

PENALTY = 5e-6  # half of PyTorch's weight decay of 1e-5: the same gradient


def _conv(x, filters):
    penalty = keras.regularizers.L2(PENALTY)
    x = layers.Conv2D(filters, 2, 2, kernel_regularizer=penalty)(x)
    return _bn_relu(x)


def _bn_relu(x):
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x))


def _dense(x, values, activation="relu", name=None):
    penalty = keras.regularizers.L2(PENALTY)
    return layers.Dense(values, activation, kernel_regularizer=penalty, name=name)(x)


def plain_ae(image_shape, latent=None):
    """Return AE: two convolutions, a pooling, and a code of `latent` (128) values.

    At 256x256 the code passes through 254,016 values, which are nearly all of the
    69.6 million parameters. Inside, images are in [-1, 1] and the output is linear.
    """
    height, width = grid_of("AE", image_shape, 16)
    height, width = 4 * height - 1, 4 * width - 1

    images = keras.Input(image_shape)
    x = layers.Rescaling(2, -1)(images)
    x = _conv(_conv(x, 32), 64)
    x = layers.Flatten()(layers.MaxPooling2D(4)(x))
    x = _dense(_dense(x, 256), latent or 128, None, "code")
    x = _dense(_dense(x, 256), height * width * 64)
    x = layers.Reshape((height, width, 64))(x)
    x = layers.Conv2DTranspose(32, 4, 2)(x)  # (h / 2, w / 2)
    x = _bn_relu(x)
    x = layers.Conv2DTranspose(image_shape[2], 2, 2)(x)
    x = layers.Rescaling(0.5, 0.5, dtype="float32", name="reconstruction")(x)
    return keras.Model(images, x, name="AE")
