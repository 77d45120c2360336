"""The kinds of noise that images are diffused with, drawn outside of any network.

Everything comes from a generator with a seed of its own, so that backends agree, and
so that an image's noise does not depend on those beside it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from processing.errors import UsageError

from .simplex import simplex_noise

KINDS = ("gaussian", "simplex")


@dataclass(frozen=True)
class Noise:
    """Noise of one kind.

    Attributes:
        kind: "gaussian" or "simplex".
        frequency, octaves, persistence, unit: of simplex noise; see `simplex_noise`.
    """

    kind: str = "gaussian"
    frequency: float = 64.0
    octaves: int = 6
    persistence: float = 0.8
    unit: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(
                f"unknown noise {self.kind!r}: expected one of {', '.join(KINDS)}"
            )

    def __call__(
        self, draws: np.random.Generator, shape: tuple[int, int, int, int]
    ) -> NDArray[np.float32]:
        """Return noise (n, h, w, c), independent from image to image."""
        if self.kind == "gaussian":
            return draws.standard_normal(shape, np.float32)
        return simplex_noise(
            draws,
            shape,
            frequency=self.frequency,
            octaves=self.octaves,
            persistence=self.persistence,
            unit=self.unit,
        )
