"""What methods share that compare images with their reconstructions."""

from collections.abc import Callable

import numpy as np

from processing.images import ImageSet
from processing.residuals import smooth

from .base import Method

HIGHEST = 25.5  # standard deviations; the top of a uint8 map
STEADY = 0.5  # share of the mean deviation added to each pixel's own


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
        sums = {kind: np.zeros((2, *self.image_shape[:2])) for kind in self.residuals}
        for images in good.batches(16):
            reconstructions = self.reconstruct(images)
            for kind, residual in self.residuals.items():
                maps = smooth(residual(images, reconstructions), self.sigma)
                sums[kind] += maps.sum(axis=0), np.square(maps).sum(axis=0)
        for kind, (first, second) in sums.items():
            mean = first / len(good)
            variance = np.maximum(second / len(good) - mean**2, 0)
            deviation = np.sqrt(smooth(variance[None], self.sigma)[0])
            deviation += max(STEADY * deviation.mean(), 1e-6)
            self.arrays[f"{kind}_mean"] = mean.astype("float32")
            self.arrays[f"{kind}_deviation"] = deviation.astype("float32")

    def standardised(
        self, images: np.ndarray, reconstructions: np.ndarray
    ) -> np.ndarray:
        """Return the maps (n, h, w) of the calibrated kind `map_kind`."""
        kind = self.map_kind
        maps = smooth(self.residuals[kind](images, reconstructions), self.sigma)
        mean, deviation = (self.arrays[f"{kind}_{x}"] for x in ("mean", "deviation"))
        return (maps - mean) / deviation
