"""Train a UNet to predict noise: pairs, loss, averaged weights, resuming."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from methods.base import Run
from methods.engine.batches import Batches
from methods.engine.loss_model import LossModel
from methods.engine.optimizer import ShapedAdam, compile_trainer, cosine, create
from methods.engine.settings import Settings
from methods.engine.training import Saved, build_trainer, fit

from .process import noised
from .schedule import Schedule

FOCUS = 0.5  # share of the training's timesteps that lie where reconstructions begin
VALIDATIONS = 96  # at least so many validation images a time, repeats included
GOLDEN = (math.sqrt(5) - 1) / 2  # its multiples modulo 1 are spread evenly
AVERAGED = 0.05  # share of the training that the averaged weights look back on
SLOWEST = 0.9999  # decay of the average in the original of AnoDDPM

Noise = Callable[[np.random.Generator, tuple], np.ndarray]  # draws, (n, h, w, c)


@dataclass(frozen=True)
class DenoisingSettings(Settings):
    """How to train a UNet to predict noise.

    Attributes:
        start: reconstructions begin at this many steps of noise.
        accumulate: steps whose gradients are averaged before the weights change.
        clip: largest norm of the gradient, or None.
    """

    start: int = 250
    accumulate: int = 1
    clip: float | None = None


class NoisyBatches(Batches):
    """Shuffled batches of images with noise and timesteps.

    All depends on the seed, the epoch and the step alone, on every backend.
    """

    def __init__(
        self,
        load: Callable,
        count: int,
        settings: DenoisingSettings,
        noise: Noise,
        horizon: int,
    ) -> None:
        self.noise = noise
        self.horizon = horizon
        self.focus = min(settings.start, horizon)
        super().__init__(
            load, count, settings.batch_size, settings.seed, transform=self.noisy
        )

    def noisy(self, images: np.ndarray, seed: tuple[int, int], start: int) -> tuple:
        """Return ((images, noise, timesteps),), as `Denoiser` takes them."""
        draws = np.random.default_rng((*seed, start // self.batch_size))
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
        self, load: Callable, count: int, settings: DenoisingSettings, noise: Noise
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


class Denoiser(LossModel):
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
            inputs: images (n, h, w, c) in [0, 1], noise of that shape, timesteps (n,).
            training: with dropout.
        """
        images, noise, timesteps = inputs
        images = 2 * images - 1
        rates = [
            ops.take(ops.convert_to_tensor(rates), timesteps)[:, None, None, None]
            for rates in (self.signal_rates, self.noise_rates)
        ]
        noisy = noised(images, noise, *rates)
        timesteps = ops.cast(timesteps, "float32")
        return noise, self.network((noisy, timesteps), training=training)

    def batch_loss(self, targets: Any, outputs: Any) -> Any:
        """Return the mean squared error of the noise."""
        noise, predicted = outputs
        return ops.mean(ops.square(noise - ops.cast(predicted, "float32")))


def average_decay(steps: int) -> float:
    """Return the decay of the averaged weights for a training run of so many steps.

    They look back on a twentieth of it; the longest memory is AnoDDPM's.
    """
    return min(SLOWEST, 1 - 1 / max(AVERAGED * steps, 1.0))


def compile_denoiser(
    denoiser: Denoiser, settings: DenoisingSettings, steps: int
) -> None:
    """Compile with Adam and averaged weights for `steps` batches in all.

    AdamW without decay, as in AnoDDPM, is the same; DDAD's L2 penalty of 0.05 on the
    weights is 2.5e-7 beside a mean instead of a sum over pixels, and left out.
    """
    several = settings.accumulate if settings.accumulate > 1 else None
    optimizer = ShapedAdam(
        settings.peak,
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
    settings: DenoisingSettings,
    run: Run | None = None,
    saved: Saved | None = None,
) -> tuple[keras.Model, dict]:
    """Train the network that `build()` gives; return it and the training's state.

    It has the averaged weights of the epoch in which they were best, in float32.

    Args:
        build: returns a new network from (images, timesteps) to noise.
        schedule: of the noise.
        batches: to learn from.
        validation: to stop by.
        settings: how to train.
        run: where to keep logs and states.
        saved: the arrays and state of an interrupted run with the same settings.
    """
    denoiser = build_trainer(lambda: Denoiser(build(), schedule), settings)
    create(denoiser, [part[:1] for part in batches[0][0]])
    compile_denoiser(denoiser, settings, len(batches) * settings.planned)
    averaged = [keras.callbacks.SwapEMAWeights()]
    state = fit(
        denoiser, batches, validation, settings, run, saved=saved, callbacks=averaged
    )
    network = build()
    network.set_weights(denoiser.network.get_weights())
    return network, state
