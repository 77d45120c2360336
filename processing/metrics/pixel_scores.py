"""Exact pixel scores, with the regions of their ground truth masks."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .ranking import FloatArray, count_ranked


@dataclass(frozen=True)
class Regions:
    """The 8-connected regions of a mask, in the smallest box that holds all of them.

    Attributes:
        corner: (y, x) of the box in the mask.
        labels: (h, w) int32 of the box: number of the region, 0 outside of any.
        shares: (n + 1,) float64: weight of a pixel of each region, 1 / area; 0 for
            label 0.
    """

    corner: tuple[int, int]
    labels: npt.NDArray[np.int32]
    shares: FloatArray

    def __len__(self) -> int:
        return len(self.shares) - 1

    @classmethod
    def of(cls, mask: npt.NDArray[np.bool_]) -> "Regions":
        """Find the regions of an (h, w) mask."""
        x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
        if not width:
            return cls((0, 0), np.zeros((0, 0), np.int32), np.zeros(1))
        box = np.ascontiguousarray(mask[y : y + height, x : x + width])
        _, labels, stats, _ = cv2.connectedComponentsWithStats(
            box.view(np.uint8), connectivity=8
        )
        areas = stats[:, cv2.CC_STAT_AREA].astype(np.float64)
        areas[0] = np.inf
        return cls((y, x), np.asarray(labels, np.int32), 1 / areas)

    def shares_in(self, shape: tuple[int, ...]) -> FloatArray:
        """Return the weight of each pixel of a mask of that shape (h, w)."""
        shares = np.zeros(shape)
        (y, x), (height, width) = self.corner, self.labels.shape
        shares[y : y + height, x : x + width] = self.shares[self.labels]
        return shares


class ScoreList:
    """All scores, for exact metrics; takes and returns what `ScoreHistogram` does."""

    def __init__(self) -> None:
        self.pixels = 0
        self.maps: list[tuple[str, npt.NDArray[Any], Regions]] = []

    def add(self, group: str, scores: npt.NDArray[Any], regions: Regions) -> None:
        """Keep the pixels of one map (h, w), finite, in its own precision."""
        check_finite(scores)
        self.maps.append((group, scores.copy(), regions))
        self.pixels += scores.size

    def counts(self, groups: Collection[str]) -> FloatArray:
        """Return (4, k) as `ScoreHistogram.counts` does, for each distinct score."""
        kept = [
            (x, y.shares_in(x.shape)) for group, x, y in self.maps if group in groups
        ]
        if not kept:
            return np.zeros((4, 0))
        scores, shares = (
            np.concatenate([array.ravel() for array in part])
            for part in zip(*kept, strict=True)
        )
        return count_ranked(
            scores, np.stack([shares == 0, shares > 0, shares, 0 * shares])
        )


def check_finite(scores: npt.NDArray[Any]) -> None:
    """Raise `ValueError` for scores that are no numbers or infinite."""
    broken = scores.size - np.count_nonzero(np.isfinite(scores))
    if broken:
        raise ValueError(
            "scores must be finite. "
            f"Received: {broken} of {scores.size} are NaN or infinite"
        )
