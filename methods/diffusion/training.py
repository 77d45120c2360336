"""Train a UNet to predict noise: pairs, loss, averaged weights, resuming."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from methods.engine.batches import WORKERS, Batches
from methods.engine.epochs import dtype_policy, run_epochs
from methods.engine.optimizer import ShapedAdam, compile_trainer, cosine, create
from methods.engine.training_state import Progress

from .process import noised
from .schedule import Schedule

EPOCHS = 60  # planned where no number is given
FOCUS = 0.5  # share of the training's timesteps that lie where reconstructions begin
VALIDATIONS = 96  # at least so many validation images a time, repeats included
GOLDEN = (math.sqrt(5) - 1) / 2  # its multiples modulo 1 are spread evenly
AVERAGED = 0.05  # share of the training that the averaged weights look back on
SLOWEST = 0.9999  # decay of the average in the original of AnoDDPM

Noise = Callable[[np.random.Generator, tuple], np.ndarray]  # draws, (n, h, w, c)


@dataclass(frozen=True)
class Settings:
    """How to train; all that a resumed run has to know.

    Attributes:
        start: reconstructions begin at this many steps of noise.
        batch_size: images a step.
        accumulate: steps whose gradients are averaged before the weights change.
        epochs: the largest number of epochs, or None for `EPOCHS`.
        learning_rate: the peak rate.
        clip: largest norm of the gradient, or None.
        policy: Keras dtype policy of the training, such as "mixed_bfloat16".
        seed: of weights, order, noise and timesteps.
        patience: epochs without improvement until the end.
        plateau: epochs without improvement until the learning rate is halved.
    """

    start: int
    batch_size: int = 16
    accumulate: int = 1
    epochs: int | None = None
    learning_rate: float = 3e-4
    clip: float | None = None
    policy: str = "float32"
    seed: int = 42
    patience: int = 12
    plateau: int = 6

    @property
    def planned(self) -> int:
        """The number of epochs that the learning rate is planned for."""
        return self.epochs or EPOCHS


class NoisyBatches(Batches):
    """Shuffled batches of images with noise and timesteps.

    All depends on the seed, the epoch and the step alone, on every backend.
    """

    def __init__(
        self,
        load: Callable,
        count: int,
        settings: Settings,
        noise: Noise,
        horizon: int,
    ) -> None:
        self.noise = noise
        self.horizon = horizon
        self.focus = min(settings.start, horizon)
        super().__init__(
            load, count, settings.batch_size, settings.seed, workers=WORKERS
        )

    def __getitem__(self, step: int) -> tuple:
        """Return ((images, noise, timesteps),) of a step, as `Denoiser` takes them."""
        images = super().__getitem__(step)
        draws = np.random.default_rng((self.seed, self.epoch, step))
        near = draws.random(len(images)) < FOCUS
        highest = np.where(near, self.focus, self.horizon)
        timesteps = draws.integers(0, highest).astype("int32")
        return ((images, self.noise(draws, images.shape), timesteps),)


class FixedBatches(keras.utils.PyDataset):
    """Validation images, each several times, with noise and timesteps that stay.

    Timesteps below `start` are spread evenly over images and repeats, so that the loss
    of a few images changes with the network alone.
    """

    def __init__(
        self, load: Callable, count: int, settings: Settings, noise: Noise
    ) -> None:
        super().__init__()
        self.load = load
        self.noise = noise
        self.seed = settings.seed
        self.batch_size = settings.batch_size
        repeats = math.ceil(VALIDATIONS / count)
        self.indices = np.tile(np.arange(count), repeats)
        spread = (np.arange(count * repeats) + 0.5) * GOLDEN % 1
        self.timesteps = (spread * settings.start).astype("int32")

    def __len__(self) -> int:
        return math.ceil(len(self.indices) / self.batch_size)

    def __getitem__(self, step: int) -> tuple:
        part = slice(step * self.batch_size, (step + 1) * self.batch_size)
        images = self.load(self.indices[part])
        draws = np.random.default_rng((self.seed, step))
        return ((images, self.noise(draws, images.shape), self.timesteps[part]),)


class Denoiser(keras.Model):
    """A UNet, the noise in front of it, and its loss.

    The loss is the mean squared error of the noise, a pixel and a channel; DDAD's
    original takes the sum over them, which differs by a constant factor.
    """

    def __init__(self, network: keras.Model, schedule: Schedule) -> None:
        super().__init__(dtype="float32")  # images and noise; the network has its own
        self.network = network
        timesteps = np.arange(schedule.steps)
        self.signal_rates = schedule.signal_rate(timesteps).astype("float32")
        self.noise_rates = schedule.noise_rate(timesteps).astype("float32")

    def call(self, inputs: tuple, training: bool = False) -> tuple[Any, Any]:
        """Return the noise and what the network takes for it.

        Args:
            inputs: uint8 images (n, h, w, c), noise of that shape, timesteps (n,).
            training: with dropout.
        """
        images, noise, timesteps = inputs
        images = ops.cast(images, "float32") / 127.5 - 1
        rates = [
            ops.take(ops.convert_to_tensor(rates), timesteps)[:, None, None, None]
            for rates in (self.signal_rates, self.noise_rates)
        ]
        noisy = noised(images, noise, *rates)
        timesteps = ops.cast(timesteps, "float32")
        return noise, self.network((noisy, timesteps), training=training)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the mean squared error of the noise."""
        noise, predicted = y_pred
        return ops.mean(ops.square(noise - ops.cast(predicted, "float32")))


def average_decay(steps: int) -> float:
    """Return the decay of the averaged weights for a training of so many steps.

    They look back on a twentieth of it; the longest memory is AnoDDPM's.
    """
    return min(SLOWEST, 1 - 1 / max(AVERAGED * steps, 1.0))


def compile_denoiser(denoiser: Denoiser, settings: Settings, steps: int) -> None:
    """Compile with Adam and averaged weights for `steps` batches in all.

    AdamW without decay, as in AnoDDPM, is the same; DDAD's L2 penalty of 0.05 on the
    weights is 2.5e-7 beside a mean instead of a sum over pixels, and left out.
    """
    several = settings.accumulate if settings.accumulate > 1 else None
    optimizer = ShapedAdam(
        settings.learning_rate,
        cosine(steps // settings.accumulate),
        global_clipnorm=settings.clip,
        use_ema=True,
        ema_momentum=average_decay(steps),
        gradient_accumulation_steps=several,
    )
    compile_trainer(denoiser, optimizer)


def train(
    build: Callable[[], keras.Model],
    schedule: Schedule,
    batches: NoisyBatches,
    validation: FixedBatches,
    settings: Settings,
    *,
    hooks: Any = None,
    saved: tuple[dict, dict] | None = None,
) -> tuple[keras.Model, dict]:
    """Train the network that `build()` gives; return it and the training's state.

    It has the averaged weights of the epoch in which they were best, in float32.

    Args:
        build: returns a new network from (images, timesteps) to noise.
        schedule: of the noise.
        batches: to learn from.
        validation: to stop by.
        settings: how to train.
        hooks: what to report to, as in `autoencoder.training`.
        saved: the (arrays, state) of an interrupted run with the same settings.
    """
    keras.utils.set_random_seed(settings.seed)
    with dtype_policy(settings.policy):
        denoiser = Denoiser(build(), schedule)
    create(denoiser, [part[:1] for part in batches[0][0]])
    compile_denoiser(denoiser, settings, len(batches) * settings.planned)
    progress = Progress(
        settings.patience, settings.plateau, hooks.save if hooks else None
    )
    progress.state["policy"] = settings.policy
    if saved:
        progress.restore(denoiser, *saved)
    callbacks = [keras.callbacks.SwapEMAWeights()]
    callbacks += hooks.callbacks(settings) if hooks else []
    run_epochs(denoiser, batches, validation, settings.planned, progress, callbacks)
    network = build()
    network.set_weights(progress.best_weights)
    return network, progress.state
