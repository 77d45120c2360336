"""AnoDDPM: partial diffusion with simplex noise."""

from dataclasses import dataclass

import numpy as np

from .diffusion_method import Diffusion, Images
from .noise import Noise
from .sampler import Plan, ddpm_plan


@dataclass(kw_only=True, eq=False)
class AnoDDPM(Diffusion):
    """Reconstructions from a few hundred steps of simplex noise (Wyatt et al. 2022).

    Structured noise hides defects of all sizes, and the UNet puts back what good parts
    have there. Raw maps are squared differences between image and reconstruction, both
    in [-1, 1]; the original segments them at 0.5.

    Args:
        name: "AnoDDPM".
        image_shape: (h, w, c).
        preset: key of `PRESETS`.
        schedule: "linear" or "cosine".
        noise_kind: "simplex" or "gaussian".
        frequency: wavelength of the first octave of simplex noise, in pixels at a side
            of 256; it scales with the images.
        octaves: of simplex noise.
        persistence: amplitude of each octave in those of the one before.
        unit_noise: scale simplex noise to variance 1.
        start: lambda, how many of 1000 steps of noise a reconstruction begins with.
        steps: reverse steps of a reconstruction; `start` leaves out none.
        repeats: reconstructions that are averaged.
        batch_size: images a training step.
        accumulate: training steps whose gradients are averaged.
        epochs: cap on the epochs, or None.
        learning_rate: peak rate. The original's 1e-4 is for 300,000 steps;
            a training run here has four thousand.
        precision: "auto", "float32" or "bfloat16", for training alone.
        sigma: pixels, the blur of the maps; None is 4 at a side of 256.
        seed: of everything random.
    """

    clip = 1.0
    horizon = 800
    bounded = True

    name: str = "AnoDDPM"
    start: int = 200
    steps: int = 20
    learning_rate: float = 1e-3
    noise_kind: str = "simplex"
    frequency: float = 64.0
    octaves: int = 6
    persistence: float = 0.8
    unit_noise: bool = False
    repeats: int = 3

    @property
    def noise(self) -> Noise:
        frequency = self.frequency * min(self.image_shape[:2]) / 256
        return Noise(
            self.noise_kind, frequency, self.octaves, self.persistence, self.unit_noise
        )

    def plan(self) -> Plan:
        return ddpm_plan(self.process, self.timesteps)

    def raw_maps(self, images: Images, reconstructions: Images) -> np.ndarray:
        return np.square(2 * (images - reconstructions)).mean(axis=-1)
