"""A generator and a discriminator that train each other."""

from typing import Any

import keras
from keras import ops

from methods.engine.augmentation import Augmentation
from methods.engine.loss_model import LossModel

from .networks import GANShape

REAL = 0.9  # target of real images: smoothed on one side (Salimans et al. 2016)
FOLLOWING = 0.995  # share that the averaged generator keeps at each step, at most


def cross_entropy(logits: Any, target: float) -> Any:
    """Return the mean binary cross-entropy of logits (n, 1) with one target."""
    return ops.mean(ops.softplus(logits) - target * logits)


class Adversaries(LossModel):
    """A generator and a discriminator that train each other, in one backward pass.

    The discriminator judges what is generated twice: once as a constant, to learn from
    it, and once with its weights as constants, to teach the generator. So the gradient
    of the sum of both losses is each network's own. Real and generated images
    are augmented alike (Zhao et al. 2020, arXiv 2006.10738), for a few hundred photos
    are soon learned by heart. `average` follows the generator's weights (Yazici et al.
    2019) and is what training is for.
    """

    def __init__(self, shape: GANShape, seed: int):
        super().__init__()
        networks = shape.build()
        self.generator = networks["generator"]
        self.discriminator = networks["discriminator"]
        self.average = keras.models.clone_model(self.generator)
        self.average.set_weights(self.generator.get_weights())
        self.average.trainable = False
        self.followed = keras.Variable(0.0, trainable=False, name="followed")
        self.augmentation = Augmentation(seed=seed)
        self.latent = shape.latent
        self.draws = keras.random.SeedGenerator(seed)
        self.parts = {
            name: keras.metrics.Mean(name=name)
            for name in ("generator_loss", "discriminator_loss")
        }

    def call(self, images: Any, training: bool = False) -> Any:
        """Return logits of real, of generated, and of images to learn to generate."""
        shape = (ops.shape(images)[0], self.latent)
        latents = keras.random.normal(shape, seed=self.draws)
        generated = self.generator(latents, training=training)
        generated = self.augmentation(generated, training=training)
        real = self.augmentation(images, training=training)
        if training:
            self._follow()
        return (
            self.discriminator(real, training=training),
            self.discriminator(ops.stop_gradient(generated), training=training),
            self._judge(generated, training),
        )

    def _judge(self, images: Any, training: bool) -> Any:
        """Return the discriminator's logits; its weights get no gradient."""
        weights, state = (
            [ops.stop_gradient(ops.convert_to_tensor(v.value)) for v in variables]
            for variables in (
                self.discriminator.trainable_variables,
                self.discriminator.non_trainable_variables,
            )
        )
        logits, _ = self.discriminator.stateless_call(
            weights, state, images, training=training
        )
        return logits

    def _follow(self) -> None:
        """Average the generator; the first steps, still close to noise, fade fast."""
        steps = self.followed.value
        kept = ops.minimum(FOLLOWING, (1 + steps) / (10 + steps))
        self.followed.assign(steps + 1)
        for mean, weight in zip(
            self.average.weights, self.generator.weights, strict=True
        ):
            mean.assign(kept * mean + (1 - kept) * weight)

    def batch_loss(self, targets: Any, outputs: Any) -> Any:
        """Return the sum of both networks' losses, and note each."""
        real, generated, taught = outputs
        discriminator = cross_entropy(real, REAL) + cross_entropy(generated, 0.0)
        generator = cross_entropy(taught, 1.0)
        self.parts["generator_loss"].update_state(generator)
        self.parts["discriminator_loss"].update_state(discriminator)
        return discriminator + generator

    def networks(self) -> dict[str, keras.Model]:
        """Return the trained networks by name."""
        return {"generator": self.average, "discriminator": self.discriminator}
