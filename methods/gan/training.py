"""Train the networks of a GAN on good images, and the encoder of f-AnoGAN."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from autoencoder.augmentation import Augmentation
from autoencoder.optimizer import compile_trainer
from autoencoder.progress import Progress
from autoencoder.training import Batches, InOrder, dtype_policy, run_epochs

from . import networks

REAL = 0.9  # target of real images: smoothed on one side (Salimans et al. 2016)
BETA = 0.5  # of Adam (Radford et al. 2016)
FOLLOWING = 0.995  # share that the averaged generator keeps at each step
SHOWN = 8  # rows and columns of the grid of samples
KAPPA = 1.0  # weight of the features in the encoder's loss


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


def cross_entropy(logits, target: float):
    """Return the mean binary cross-entropy of logits (n, 1) with one target."""
    return ops.mean(ops.softplus(logits) - target * logits)


def to_signed(images):
    """Return uint8 images as float32 in [-1, 1]."""
    return ops.cast(images, "float32") / 127.5 - 1


class Adversaries(keras.Model):
    """A generator and a discriminator that train each other, in one backward pass.

    The discriminator judges what is generated twice: once as a constant, to learn from
    it, and once with its weights as constants, to teach the generator. So the gradient
    of the sum of both losses is each network's own. Real and generated images
    are augmented alike (Zhao et al. 2020, arXiv 2006.10738), for a few hundred photos
    are soon learned by heart. `average` follows the generator's weights (Yazici et al.
    2019) and is what training is for.
    """

    def __init__(self, settings: Settings):
        super().__init__()
        made = settings.build()
        self.generator = made["generator"]
        self.discriminator = made["discriminator"]
        self.average = keras.models.clone_model(self.generator)
        self.average.set_weights(self.generator.get_weights())
        self.average.trainable = False
        self.augmentation = Augmentation(seed=settings.seed)
        self.latent = settings.latent
        self.draws = keras.random.SeedGenerator(settings.seed)
        self.parts = {
            name: keras.metrics.Mean(name=name)
            for name in ("generator_loss", "discriminator_loss")
        }

    def call(self, images, training=False):
        """Return logits of real, of generated, and of images to learn to generate."""
        shape = (ops.shape(images)[0], self.latent)
        latents = keras.random.normal(shape, seed=self.draws)
        made = self._seen(self.generator(latents, training=training), training)
        real = self._seen(to_signed(images), training)
        if training:
            self._follow()
        return (
            self.discriminator(real, training=training),
            self.discriminator(ops.stop_gradient(made), training=training),
            self._judge(made, training),
        )

    def _seen(self, images, training):
        """Return images as the discriminator sees them, in [-1, 1]."""
        images = (ops.cast(images, "float32") + 1) / 2
        return 2 * self.augmentation(images, training=training) - 1

    def _judge(self, images, training):
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

    def _follow(self):
        for mean, weight in zip(
            self.average.weights, self.generator.weights, strict=True
        ):
            mean.assign(FOLLOWING * mean + (1 - FOLLOWING) * weight)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """Return the sum of both networks' losses, and note each."""
        real, made, taught = y_pred
        discriminator = cross_entropy(real, REAL) + cross_entropy(made, 0.0)
        generator = cross_entropy(taught, 1.0)
        self.parts["generator_loss"].update_state(generator)
        self.parts["discriminator_loss"].update_state(discriminator)
        return discriminator + generator

    def networks(self) -> dict[str, keras.Model]:
        """Return the trained networks by name."""
        return {"generator": self.average, "discriminator": self.discriminator}


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
        layer = self.discriminator.get_layer(networks.FEATURES)
        self.features = keras.Model(self.discriminator.inputs, layer.output)
        self.features.trainable = False
        self.augmentation = Augmentation(seed=settings.seed)

    def call(self, images, training=False):
        """Return the (augmented) images and their reconstructions, in [-1, 1]."""
        images = (to_signed(images) + 1) / 2
        images = 2 * self.augmentation(images, training=training) - 1
        return images, self.generator(
            self.encoder(images, training=training), training=False
        )

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
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


class Samples(keras.callbacks.Callback):
    """Give `write(name, pixels)` a grid of generated images after every epoch."""

    def __init__(self, settings: Settings, write: Callable):
        super().__init__()
        draws = np.random.default_rng(settings.seed)
        self.latents = draws.standard_normal((SHOWN**2, settings.latent), "float32")
        self.write = write

    def on_epoch_end(self, epoch, logs=None):
        """Write the epoch's grid."""
        images = np.asarray(self.model.average(self.latents, training=False))
        self.write(f"epoch_{epoch + 1:03d}", grid((images + 1) / 2))


def grid(images: np.ndarray) -> np.ndarray:
    """Return images (k * k, h, w, c) in [0, 1] as one uint8 picture of k rows."""
    side = round(len(images) ** 0.5)
    rows = images.reshape(side, side, *images.shape[1:]).transpose(0, 2, 1, 3, 4)
    pixels = rows.reshape(side * images.shape[1], side * images.shape[2], -1)
    return np.rint(255 * np.clip(pixels, 0, 1)).astype("uint8")


def train(
    fit_set: tuple[Callable, int],
    validation_set: tuple[Callable, int],
    settings: Settings,
    *,
    hooks: Any = None,
    saved: tuple[dict, dict] | None = None,
) -> tuple[dict[str, Any], dict]:
    """Train the networks; return them by name, in float32, and the training's state.

    Epochs count on from the adversarial training to that of the encoder, and so does
    the history.

    Args:
        fit_set: `load(indices)` -> uint8 images (n, h, w, c), and how many there are.
        validation_set: the same for other good images, whose losses are recorded.
        settings: how to train.
        hooks: a `methods.base.Run`, to report to.
        saved: the (arrays, state) of an interrupted run with the same settings.
    """
    data = (
        Batches(*fit_set, settings.batch_size, settings.seed),
        InOrder(*validation_set, settings.batch_size),
    )
    made, state = settings.build(), saved[1] if saved else {}
    trained = {name: made[name] for name in ("generator", "discriminator")}
    if state.get("epochs", 0) <= settings.epochs:
        adversaries = _built(Adversaries, settings)
        state = _run(adversaries, data, settings, settings.epochs, hooks, saved)
        trained, saved = adversaries.networks(), None
    if settings.encoder_epochs:
        encoding = _built(lambda s: Encoding(s, trained), settings)
        before = saved or ({}, state)
        state = _run(encoding, data, settings, settings.planned, hooks, before)
        trained = encoding.networks()
    for name, network in trained.items():
        made[name].set_weights(network.get_weights())
    return made, state


def _built(kind: Callable, settings: Settings) -> keras.Model:
    """Return a trainer under the dtype policy, with the seed's weights."""
    keras.utils.set_random_seed(settings.seed)
    with dtype_policy(settings.policy):
        trainer = kind(settings)
    rate, betas = settings.learning_rate, {"beta_1": BETA, "beta_2": 0.999}
    compile_trainer(trainer, keras.optimizers.Adam(rate, **betas))
    return trainer


def _run(trainer, data, settings, epochs, hooks, before) -> dict:
    """Train up to `epochs` from `before`, (arrays, state); return the new state.

    No arrays: a trainer that begins after the epochs of the one before it.
    """
    progress = Progress(None, save=hooks.save if hooks else None)
    progress.state["policy"] = settings.policy
    if before and before[0]:
        progress.restore(trainer, *before)
    elif before:
        progress.state.update({key: before[1][key] for key in ("epochs", "history")})
    callbacks = hooks.callbacks(settings) if hooks else []
    if hooks and isinstance(trainer, Adversaries):
        callbacks.append(Samples(settings, hooks.picture))
    run_epochs(trainer, *data, epochs, progress, callbacks)
    return progress.state
