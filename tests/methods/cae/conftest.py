"""A network for tests of how networks are trained."""

import keras
from keras import layers


def two_layers(image_shape, latent):
    """Return an autoencoder as small as it goes."""
    images = keras.Input(image_shape)
    code = layers.Conv2D(latent, 4, 4, activation="relu")(images)
    same = layers.Conv2DTranspose(image_shape[2], 4, 4, activation="sigmoid")(code)
    return keras.Model(images, same, name="AE")
