"""An encoder that guesses the latents of a trained generator."""

from typing import Any

import keras
from keras import ops

from methods.engine.augmentation import Augmentation

from .adversarial_training import to_signed
from .networks import FEATURES
from .settings import Settings

KAPPA = 1.0  # weight of the features in the loss


class Encoding(keras.Model):
    """An encoder that inverts a trained generator (f-AnoGAN's izi_f).

    Schlegl et al. 2019, Medical Image Analysis 54: the mean squared difference between
    image and G(E(image)), plus kappa times that of the discriminator's features.
    """

    def __init__(self, settings: Settings, trained: dict[str, Any]):
        super().__init__()
        made = settings.build()
        for name, network in trained.items():
            made[name].set_weights(network.get_weights())
            made[name].trainable = False
        self.encoder = made["encoder"]
        self.generator, self.discriminator = made["generator"], made["discriminator"]
        layer = self.discriminator.get_layer(FEATURES)
        self.features = keras.Model(self.discriminator.input, layer.output)
        self.features.trainable = False
        self.augmentation = Augmentation(seed=settings.seed)

    def call(self, images: Any, training: bool = False) -> Any:
        """Return the (augmented) images and their reconstructions, in [-1, 1]."""
        images = (to_signed(images) + 1) / 2
        images = 2 * self.augmentation(images, training=training) - 1
        return images, self.generator(
            self.encoder(images, training=training), training=False
        )

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the mean squared differences of images and of features."""
        images, found = y_pred
        features = (self.features(batch, training=False) for batch in y_pred)
        wanted, got = (ops.cast(batch, "float32") for batch in features)
        return ops.mean(ops.square(images - found)) + KAPPA * ops.mean(
            ops.square(wanted - got)
        )

    def networks(self) -> dict[str, keras.Model]:
        """Return all networks by name."""
        made = {"generator": self.generator, "discriminator": self.discriminator}
        return {**made, "encoder": self.encoder}
