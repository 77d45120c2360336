"""Run reverse steps as one compiled loop."""

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from methods.engine.optimizer import compile_trainer

from .process import (
    conditioned,
    ddim_deviation,
    ddim_shares,
    denoised,
    posterior_shares,
    posterior_variance,
)
from .schedule import Schedule

Plan = NDArray[np.float32]  # (steps, 8): a row a step, as `Sampler.step` takes it


def ddim_plan(
    schedule: Schedule, timesteps: NDArray[np.int64], eta: float, weight: float = 0.0
) -> Plan:
    """Return the plan of DDIM steps along `timesteps` (steps + 1,).

    Args:
        schedule: of the training.
        timesteps: falling, as `reverse_timesteps` gives them.
        eta: 0 is deterministic, 1 has the noise of DDPM.
        weight: of the conditioning on a target (DDAD's w).
    """
    kept, kept_next = schedule.kept(timesteps[:-1]), schedule.kept(timesteps[1:])
    sigma = ddim_deviation(kept, kept_next, eta)
    clean, noise = ddim_shares(kept_next, sigma)
    weights = np.full_like(kept, weight)
    return _plan(timesteps, kept, weights, (clean, 0 * kept, noise, sigma))


def ddpm_plan(schedule: Schedule, timesteps: NDArray[np.int64]) -> Plan:
    """Return the plan of DDPM steps along `timesteps` (steps + 1,).

    The variance is that of the posterior; AnoDDPM's original takes its upper bound, to
    which it is equal when no step is skipped but for the last few.
    """
    kept, kept_next = schedule.kept(timesteps[:-1]), schedule.kept(timesteps[1:])
    clean, noisy = posterior_shares(kept, kept_next)
    sigma = np.sqrt(posterior_variance(kept, kept_next))
    return _plan(timesteps, kept, 0 * kept, (clean, noisy, 0 * kept, sigma))


def _plan(timesteps: Any, kept: Any, weights: Any, shares: tuple) -> Plan:
    rates = np.sqrt(kept), np.sqrt(1 - kept)
    return np.stack([timesteps[:-1], *rates, weights, *shares], 1).astype("float32")


class Sampler(keras.Model):
    """Noisy images to clean ones, step by step.

    Args:
        network: from (images, timesteps) to noise.
        clip: keep the clean images that it guesses within [-1, 1], as DDPM does.
    """

    def __init__(self, network: keras.Model, clip: bool) -> None:
        super().__init__(dtype="float32")
        self.network = network
        self.clip = clip
        compile_trainer(self, "sgd")  # an optimizer has to be named; none is used

    def call(self, inputs: tuple) -> Any:
        """Return clean images (n, h, w, c).

        Args:
            inputs: noisy images (n, h, w, c), the targets they are led to, of the same
                shape, fresh noise (steps, h, w, c), and the plan (steps, 8).
        """
        noisy, target, fresh, plan = inputs
        return ops.fori_loop(
            0,
            ops.shape(plan)[0],
            lambda i, x: self.step(x, target, fresh[i], plan[i]),
            noisy,
        )

    def step(self, noisy: Any, target: Any, fresh: Any, row: Any) -> Any:
        """Return less noisy images (n, h, w, c) by one row of a plan."""
        timestep, signal_rate, noise_rate, weight, *shares = ops.unstack(row, 8)
        timesteps = ops.zeros_like(noisy[:, 0, 0, 0]) + timestep
        noise = self.network((noisy, timesteps), training=False)
        noise = conditioned(noise, noisy, target, signal_rate, noise_rate, weight)
        clean = denoised(noisy, noise, signal_rate, noise_rate)
        if self.clip:
            clean = ops.clip(clean, -1, 1)
        parts = zip(shares, (clean, noisy, noise, fresh), strict=True)
        return sum(share * part for share, part in parts)
