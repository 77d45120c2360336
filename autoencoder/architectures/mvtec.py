"""mvtecCAE and the network of the AE-SSIM paper it comes from."""

import keras
from keras import layers

from .common import grid_of, sigmoid_output, values_per_cell

# (filters, kernel, stride), shared by both encoders: (h, w) -> (h / 32, w / 32).
ENCODER = (
    (32, 4, 2),
    (32, 4, 2),
    (32, 4, 2),
    (32, 3, 1),
    (64, 4, 2),
    (64, 3, 1),
    (128, 4, 2),
    (64, 3, 1),
    (32, 3, 1),
)
# (upsampling, filters, kernel, stride). Where the stride cancels the upsampling the
# pair only costs parameters; the original has it so.
DECODER = (
    (1, 32, 3, 1),
    (1, 64, 3, 1),
    (2, 128, 4, 2),
    (2, 64, 3, 1),  # (h / 16, w / 16)
    (2, 64, 4, 2),
    (2, 32, 3, 1),  # (h / 8, w / 8)
    (2, 32, 4, 2),
    (4, 32, 4, 2),  # (h / 4, w / 4)
    (2, 32, 8, 1),  # (h / 2, w / 2)
)


def mvtec_cae(image_shape, latent=None):
    """Return mvtecCAE: the network of Bergmann et al. (MVTec AD, CVPR 2019).

    `latent` defaults to one value for each of the (h / 32, w / 32) cells: 64 at
    256x256.
    """
    grid = grid_of("mvtecCAE", image_shape, 32)
    channels = values_per_cell("mvtecCAE", latent, grid, 1)

    x = images = keras.Input(image_shape)
    for filters, kernel, stride in ENCODER:
        x = layers.Conv2D(filters, kernel, stride, "same", activation="relu")(x)
    x = layers.Conv2D(channels, 8, padding="same", name="code")(x)
    for upsampling, filters, kernel, stride in DECODER:
        if upsampling > 1:
            x = layers.UpSampling2D(upsampling)(x)
        x = layers.Conv2D(filters, kernel, stride, "same", activation="relu")(x)
    x = layers.UpSampling2D(2)(x)
    x = layers.Conv2D(image_shape[2], 8, padding="same")(x)
    return keras.Model(images, sigmoid_output(x), name="mvtecCAE")


def paper_cae(image_shape, latent=None):
    """Return the network of AE-SSIM (Bergmann et al. 2019, arXiv 1807.02011).

    A valid convolution over the whole last feature map, 8x8 at 256x256 and, with one
    strided convolution less, at 128x128, makes the code of `latent` values: 500 by
    default, as for objects; the paper takes 100 for textures, on crops of 128x128.
    """
    encoder = ENCODER if min(image_shape[:2]) >= 256 else ENCODER[1:]
    grid = grid_of("paperCAE", image_shape, 32 if encoder is ENCODER else 16)

    x = images = keras.Input(image_shape)
    for filters, kernel, stride in encoder:
        x = layers.Conv2D(filters, kernel, stride, "same")(x)
        x = layers.LeakyReLU(0.2)(x)
    x = layers.Conv2D(latent or 500, grid, name="code")(x)  # (1, 1, latent)
    x = layers.Conv2DTranspose(32, grid)(x)
    for filters, kernel, stride in reversed(encoder):
        x = layers.LeakyReLU(0.2)(x)
        layer = layers.Conv2DTranspose if stride > 1 else layers.Conv2D
        x = layer(filters, kernel, stride, "same")(x)
    x = layers.LeakyReLU(0.2)(x)
    x = layers.Conv2D(image_shape[2], 3, padding="same")(x)
    return keras.Model(images, sigmoid_output(x), name="paperCAE")
