"""What methods share that compare images with their reconstructions."""

from collections.abc import Callable

import numpy as np

from processing.images import ImageSet
from processing.residuals import smooth
from processing.standard import HIGHEST, PixelStatistics

from .base import Method


class ReconstructionMethod(Method):
    """A method whose maps are residuals between image and reconstruction.

    They are blurred and measured in standard deviations of the good images' residuals
    at the same pixel. What a network never gets right, such as sharp edges, so does
    not count as anomalous.

    Subclasses have a `sigma`, the blur in pixels, and name their `residuals`: by kind
    of map, functions from images and reconstructions (n, h, w, c) to maps (n, h, w).
    """

    residuals: dict[str, Callable]
    sigma: float

    @property
    def highest(self) -> float:
        return HIGHEST if self.map_kind in self.residuals else 1.0

    def calibrate(self, good: ImageSet) -> None:
        """Learn mean and deviation of every pixel's residual on good images."""
        found = {kind: PixelStatistics(self.image_shape[:2]) for kind in self.residuals}
        for images in good.batches(16):
            reconstructions = self.reconstruct(images)
            for kind, residual in self.residuals.items():
                maps = smooth(residual(images, reconstructions), self.sigma)
                found[kind].add(maps)
        for kind, statistics in found.items():
            mean, deviation = statistics.result(self.sigma)
            self.arrays |= {f"{kind}_mean": mean, f"{kind}_deviation": deviation}

    def standardised(
        self, images: np.ndarray, reconstructions: np.ndarray
    ) -> np.ndarray:
        """Return the maps (n, h, w) of the calibrated kind `map_kind`."""
        kind = self.map_kind
        maps = smooth(self.residuals[kind](images, reconstructions), self.sigma)
        mean, deviation = (self.arrays[f"{kind}_{x}"] for x in ("mean", "deviation"))
        return (maps - mean) / deviation
