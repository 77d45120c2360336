"""How to train a GAN, and the networks that follow from it."""

from dataclasses import dataclass
from typing import Any

from . import networks


@dataclass(frozen=True)
class Settings:
    """How to train; all that a resumed run has to know.

    Attributes:
        image_shape: (h, w, c).
        latent: values of z.
        width: filters before the generator's last layer.
        batch_size: images a step.
        epochs: of generator and discriminator.
        encoder_epochs: of the encoder, afterwards; 0 trains none.
        learning_rate: of Adam.
        policy: Keras dtype policy of the training.
        seed: of weights, order, noise and augmentation.
    """

    image_shape: tuple[int, int, int]
    latent: int
    width: int
    batch_size: int
    epochs: int
    encoder_epochs: int
    learning_rate: float
    policy: str
    seed: int

    @property
    def planned(self) -> int:
        """The number of epochs in all."""
        return self.epochs + self.encoder_epochs

    def build(self) -> dict[str, Any]:
        """Return new networks by name."""
        shape, latent, width = self.image_shape, self.latent, self.width
        made = {
            "generator": networks.generator(shape, latent, width),
            "discriminator": networks.discriminator(shape, width),
        }
        if self.encoder_epochs:
            made["encoder"] = networks.encoder(shape, latent, width)
        return made
