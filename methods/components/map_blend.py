"""How much of a learned map makes another one better."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from keras import ops

from processing.metrics.ranking import auroc, count_ranked

SHARES = (0.0, 0.25, 0.5, 0.75)  # of the learned map
GAIN = 0.005  # that some tens of validation images can distinguish from chance


def choose_fusion(
    maps: np.ndarray, masks: np.ndarray
) -> tuple[np.ndarray, dict[str, float]]:
    """Return the factors of the blend that separates defects best.

    Both maps are first brought to a mean of 1 on the good images. The learned map comes
    in only if that gains something.

    Args:
        maps: (2, n, h, w), the first as it is without training, the second learned.
        masks: (n, h, w), True on a defect; some images have none.

    Returns:
        float32 (2,), and the mean of image and pixel AUROC by share tried.
    """
    good = ~masks.any(axis=(1, 2))
    scales = 1 / maps[:, good].mean(axis=(1, 2, 3))
    metrics, factors = {}, {}
    for share in SHARES:
        factors[share] = (scales * (1 - share, share)).astype(np.float32)
        metrics[share] = separation(np.tensordot(factors[share], maps, 1), masks)
    return factors[best_share(metrics)], {
        str(share): metric for share, metric in metrics.items()
    }


def best_share(metrics: Mapping[float, float]) -> float:
    """Return the smallest of `SHARES` whose metric no other one exceeds by much.

    Real defects are not the synthetic ones of the metrics: what has learned these is
    given no more than they clearly ask for.
    """
    highest = max(metrics.values())
    return next(share for share in SHARES if highest - metrics[share] < GAIN)


def separation(maps: np.ndarray, masks: np.ndarray) -> float:
    """Return the mean of image and pixel AUROC of maps and masks, both (n, h, w)."""
    defective = masks.any(axis=(1, 2))
    image = rank(defective, maps.max(axis=(1, 2)))
    return (image + rank(masks.ravel(), maps.ravel())) / 2


def rank(labels: npt.ArrayLike, scores: np.ndarray) -> float:
    """Return the AUROC of scores (n,) with labels (n,), True = anomalous."""
    labels = np.asarray(labels, bool)
    return float(auroc(*count_ranked(scores, np.stack([~labels, labels]))))


def fused(factors: np.ndarray, distances: Any, learned: Any) -> Any:
    """Return the weighted sum of two symbolic maps (n, h, w).

    `factors` are (2,), or (2, 2) for two such sums, (2, n, h, w).
    """
    if factors.ndim == 2:
        return ops.stack([fused(row, distances, learned) for row in factors], axis=1)
    return float(factors[0]) * distances + float(factors[1]) * learned
