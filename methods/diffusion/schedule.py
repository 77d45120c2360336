"""How much of an image is left at each timestep of the diffusion."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

STEPS = 1000  # T
HIGHEST_BETA = 0.999


def linear_betas(steps: int = STEPS) -> Array:
    """Return variances (steps,) of the added noise, from 1e-4 to 0.02 (DDPM, sec. 4).

    Other numbers of steps than 1000 scale them, so that as little of the image is left.
    """
    scale = 1000 / steps
    last = min(0.02 * scale, HIGHEST_BETA)
    return np.linspace(1e-4 * scale, last, steps, dtype=np.float64)


def cosine_betas(steps: int = STEPS) -> Array:
    """Return variances (steps,) after Nichol and Dhariwal 2021, eq. 17, s = 0.008."""
    time = np.arange(steps + 1) / steps
    kept = np.cos((time + 0.008) / 1.008 * math.pi / 2) ** 2
    return np.minimum(1 - kept[1:] / kept[:-1], HIGHEST_BETA)


SCHEDULES: dict[str, Callable[[int], Array]] = {
    "linear": linear_betas,
    "cosine": cosine_betas,
}


class Schedule:
    """The share of the image's variance that is kept at each timestep.

    Args:
        name: key of `SCHEDULES`.
        steps: T, the timesteps are 0 to T - 1. Timestep -1 is the clean image.
    """

    def __init__(self, name: str = "linear", steps: int = STEPS) -> None:
        self.steps = steps
        betas = SCHEDULES[name](steps)
        self._kept = np.concatenate([[1.0], np.cumprod(1 - betas)])

    def kept(self, timesteps: ArrayLike) -> Array:
        """Return alpha-bar at `timesteps`, -1 to T - 1, in float64."""
        return self._kept[np.asarray(timesteps) + 1]

    def signal_rate(self, timesteps: ArrayLike) -> Array:
        """Return sqrt(alpha-bar): the factor on the image."""
        return np.sqrt(self.kept(timesteps))

    def noise_rate(self, timesteps: ArrayLike) -> Array:
        """Return sqrt(1 - alpha-bar): the factor on the noise."""
        return np.sqrt(1 - self.kept(timesteps))


def reverse_timesteps(start: int, steps: int) -> NDArray[np.int64]:
    """Return the timesteps (steps + 1,) from start - 1 down to -1, evenly spaced.

    The image is noised to the first of them, which the network is given first, too; the
    last, -1, is the clean image. DDAD's original began one step further down than it
    had noised to.

    Args:
        start: how many of the T steps of noise the image has; at least `steps`.
        steps: calls of the network.
    """
    if not 1 <= steps <= start:
        raise ValueError(
            f"`steps` must be 1 to `start`. Received: steps={steps}, start={start}"
        )
    return np.rint(np.linspace(start, 0, steps + 1)).astype(int) - 1
