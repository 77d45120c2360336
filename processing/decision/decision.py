"""The decision rule: mask and verdict of an anomaly map, and a bootstrap interval."""

from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from .regions import BoolArray, segment


@dataclass(frozen=True)
class Decision:
    """An image is defective if a region above the threshold is large enough.

    Args:
        threshold: pixel score limit; a pixel is anomalous if strictly above it.
        min_area: smallest 8-connected region kept, in pixels, at least 1.
        clear_border: leave out regions that touch the image border.
    """

    threshold: float
    min_area: int
    clear_border: bool = False

    def __post_init__(self) -> None:
        if not _is_number(self.threshold) or not isfinite(self.threshold):
            raise ValueError(
                "`threshold` must be a finite number. "
                f"Received: threshold={self.threshold!r}"
            )
        if not _is_integer(self.min_area):
            raise ValueError(
                "`min_area` must be a whole number of pixels. "
                f"Received: min_area={self.min_area!r}"
            )
        if self.min_area < 1:
            raise ValueError(
                f"`min_area` must be >= 1 pixels. Received: min_area={self.min_area}"
            )
        if not isinstance(self.clear_border, (bool, np.bool_)):
            raise ValueError(
                "`clear_border` must be True or False. "
                f"Received: clear_border={self.clear_border!r}"
            )
        # NumPy scalars become Python ones, which JSON can write.
        object.__setattr__(self, "threshold", float(self.threshold))
        object.__setattr__(self, "min_area", int(self.min_area))
        object.__setattr__(self, "clear_border", bool(self.clear_border))

    def mask(self, anomaly_map: npt.NDArray[Any]) -> BoolArray:
        """Return the (h, w) bool mask of the regions that count as defects."""
        return segment(anomaly_map, self.threshold, self.min_area, self.clear_border)

    def verdict(self, anomaly_map: npt.NDArray[Any]) -> bool:
        """Return whether the image of this (h, w) map is defective."""
        return bool(self.mask(anomaly_map).any())


def bootstrap_interval(
    verdicts: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    seed: int,
    rounds: int = 1000,
    level: float = 0.95,
) -> tuple[float, float]:
    """Return the stratified percentile bootstrap interval of (tpr + tnr) / 2.

    Images are resampled within each label. The pair stays as chosen, so the
    optimism of having chosen it on these images is not in the interval.

    Args:
        verdicts: (n,) bool, `SearchResult.verdicts`.
        labels: (n,) 0 = good, 1 = anomalous.
        seed: of the random draws.
        rounds: number of draws.
        level: share of the draws inside the interval, in (0, 1).

    Returns:
        (low, high), both in [0, 1].
    """
    if rounds < 1 or not 0 < level < 1:
        raise ValueError(
            "`rounds` must be >= 1 and `level` in (0, 1). "
            f"Received: rounds={rounds}, level={level}"
        )
    called = np.asarray(verdicts, np.bool_)
    anomalous = checked_labels(labels, len(called))
    rng = np.random.default_rng(seed)
    scores = np.zeros(rounds)
    for right in (called[anomalous], ~called[~anomalous]):
        # The right ones among n draws with replacement are a binomial number.
        scores += rng.binomial(len(right), right.mean(), rounds) / len(right) / 2
    low, high = np.quantile(scores, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def checked_labels(labels: npt.ArrayLike, n: int) -> BoolArray:
    """Return n labels as (n,) bool, True = anomalous, if both kinds are there."""
    labels = np.asarray(labels)
    if labels.shape != (n,) or not np.isin(labels, (0, 1)).all():
        raise ValueError(
            f"`labels` must be 0 (good) or 1 (anomalous) for each of {n} images. "
            f"Received: shape={labels.shape}, values={np.unique(labels)}"
        )
    if n == 0 or labels.min() == labels.max():
        raise ValueError(
            "`labels` must hold both good (0) and anomalous (1) images. "
            f"Received: {n} images, {int(labels.sum())} of them anomalous"
        )
    return labels.astype(np.bool_)


def _is_number(value: object) -> bool:
    numbers = (int, float, np.integer, np.floating)
    return isinstance(value, numbers) and not isinstance(value, bool)


def _is_integer(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
