"""Per-pixel mean and deviation of good images' maps, for z-scores of maps."""

import numpy as np

from .residuals import smooth

HIGHEST = 25.5  # standard deviations; the top of a uint8 map
STEADY = 0.5  # share of the mean deviation added to each pixel's own


class PixelStatistics:
    """Per-pixel mean and standard deviation of maps, accumulated batch by batch.

    In z-scores, what a network never reconstructs, such as sharp edges, does not
    count as anomalous.

    Args:
        sides: (h, w) of the maps.
    """

    def __init__(self, sides: tuple[int, int]) -> None:
        self.sums = np.zeros((2, *sides))
        self.count = 0

    def add(self, maps: np.ndarray) -> None:
        """Add the maps (n, h, w) of good images."""
        self.sums += maps.sum(axis=0), np.square(maps).sum(axis=0)
        self.count += len(maps)

    def result(self, sigma: float) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and deviation, float32 (h, w) each.

        The deviation is blurred by `sigma` pixels, and half of its mean is added to
        it, so that none is close to zero.
        """
        mean, squares = self.sums / self.count
        variance = np.maximum(squares - mean**2, 0)
        deviation = np.sqrt(smooth(variance[None], sigma)[0])
        deviation += max(STEADY * deviation.mean(), 1e-6)
        return mean.astype("float32"), deviation.astype("float32")
