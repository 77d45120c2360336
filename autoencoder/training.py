"""An autoencoder in training: augmentation in front, loss behind."""

import keras
from keras import ops

from .fusion import fuse_upsampling
from .losses import LOSSES


class Trainer(keras.Model):
    """An autoencoder, the augmentation in front of it, and its loss."""

    def __init__(
        self, network: keras.Model, loss: str, augmentation: keras.layers.Layer
    ):
        super().__init__()
        self.network = fuse_upsampling(network)
        self.reconstruction_loss = LOSSES[loss]
        self.augmentation = augmentation

    def call(self, images, training=False):
        """Return the (augmented) uint8 images in [0, 1] and their reconstructions."""
        targets = ops.cast(images, "float32") / 255
        targets = self.augmentation(targets, training=training)
        return targets, self.network(targets, training=training)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """Return the mean reconstruction loss, and the penalties while training."""
        loss = ops.mean(self.reconstruction_loss(*y_pred))
        penalties = self.network.losses if training else []
        return loss + sum(penalties, 0.0)
