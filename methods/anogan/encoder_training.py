"""An encoder that guesses the latents of a trained generator."""

from typing import Any

import keras
from keras import ops

from methods.engine.augmentation import Augmentation
from methods.engine.loss_model import LossModel

from .networks import FEATURES, RANGE, GANShape

KAPPA = 1.0  # weight of the features in the loss


class Encoding(LossModel):
    """An encoder that inverts a trained generator (f-AnoGAN's izi_f).

    Schlegl et al. 2019, Medical Image Analysis 54: the mean squared difference between
    image and G(E(image)), plus kappa times that of the discriminator's features.
    """

    def __init__(self, shape: GANShape, trained: dict[str, Any], seed: int):
        super().__init__()
        networks = shape.build(encoder=True)
        for name, network in trained.items():
            networks[name].set_weights(network.get_weights())
            networks[name].trainable = False
        self.encoder = networks["encoder"]
        self.generator, self.discriminator = (
            networks["generator"],
            networks["discriminator"],
        )
        layer = self.discriminator.get_layer(FEATURES)
        self.features = keras.Model(self.discriminator.input, layer.output)
        self.features.trainable = False
        self.augmentation = Augmentation(seed=seed)

    def call(self, images: Any, training: bool = False) -> Any:
        """Return the (augmented) images and their reconstructions, in [0, 1]."""
        images = self.augmentation(images, training=training)
        return images, self.generator(
            self.encoder(images, training=training), training=False
        )

    def batch_loss(self, targets: Any, outputs: Any) -> Any:
        """Return the mean squared differences of images and of features."""
        images, reconstructions = outputs
        features = (self.features(batch, training=False) for batch in outputs)
        wanted, got = (ops.cast(batch, "float32") for batch in features)
        apart = RANGE**2 * ops.mean(ops.square(images - reconstructions))
        return apart + KAPPA * ops.mean(ops.square(wanted - got))

    def networks(self) -> dict[str, keras.Model]:
        """Return all networks by name."""
        networks = {"generator": self.generator, "discriminator": self.discriminator}
        return {**networks, "encoder": self.encoder}
