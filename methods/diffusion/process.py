"""The formulas of the diffusion and of its reversal, one function each.

All work on NumPy arrays and on tensors. `signal_rate` is sqrt(alpha-bar), `noise_rate`
sqrt(1 - alpha-bar), `kept` alpha-bar itself and `kept_next` that of the less noisy
timestep which a reverse step leads to. Images are in [-1, 1].
"""

from typing import Any

import numpy as np


def noised(images: Any, noise: Any, signal_rate: Any, noise_rate: Any) -> Any:
    """Return noisy images (Ho et al. 2020, eq. 4)."""
    return signal_rate * images + noise_rate * noise


def denoised(noisy: Any, noise: Any, signal_rate: Any, noise_rate: Any) -> Any:
    """Return the images that `noise` was added to: `noised`, solved for them."""
    return (noisy - noise_rate * noise) / signal_rate


def conditioned(
    noise: Any,
    noisy: Any,
    target: Any,
    signal_rate: Any,
    noise_rate: Any,
    weight: Any,
) -> Any:
    """Return noise that leads towards `target` (DDAD, Mousakhan et al. 2023, eq. 6).

    The difference between the noised target and the noisy images is subtracted, times
    weight * noise_rate; weight 0 changes nothing.
    """
    noisy_target = noised(target, noise, signal_rate, noise_rate)
    return noise - weight * noise_rate * (noisy_target - noisy)


def ddim_deviation(kept: Any, kept_next: Any, eta: float) -> Any:
    """Return sigma, the deviation of fresh noise (Song et al. 2021, eq. 16)."""
    return eta * np.sqrt(posterior_variance(kept, kept_next))


def ddim_shares(kept_next: Any, sigma: Any) -> tuple[Any, Any]:
    """Return what the next noisy image has of the clean one and of the noise (eq. 12).

    The rest is sigma times fresh noise.
    """
    return np.sqrt(kept_next), np.sqrt(1 - kept_next - sigma**2)


def posterior_variance(kept: Any, kept_next: Any) -> Any:
    """Return the variance of a step back, given the clean image (Ho, eq. 7)."""
    return (1 - kept / kept_next) * (1 - kept_next) / (1 - kept)


def posterior_shares(kept: Any, kept_next: Any) -> tuple[Any, Any]:
    """Return what the mean of a step back has of the clean and the noisy image (eq. 7).

    alpha = kept / kept_next, so that it holds for skipped steps too.
    """
    alpha = kept / kept_next
    clean = np.sqrt(kept_next) * (1 - alpha) / (1 - kept)
    return clean, np.sqrt(alpha) * (1 - kept_next) / (1 - kept)
