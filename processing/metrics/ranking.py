"""Metrics of a ranking, from the counts at each distinct score.

All take `good` and `anomalous`, (..., k): how many things of either kind have each of k
scores, the highest score first. There has to be at least one of each kind.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

POINTS = 1000  # of a curve, at most


def count_ranked(scores: npt.NDArray[Any], weights: npt.NDArray[Any]) -> FloatArray:
    """Sum weights over equal scores, the highest score first.

    Args:
        scores: (n,) with n >= 1, finite.
        weights: (..., n), such as 1 where a thing is of a kind and 0 elsewhere.

    Returns:
        (..., k) float64 for k distinct scores.
    """
    order = np.argsort(scores)[::-1]
    descending = scores[order]
    changed = descending[1:] != descending[:-1]
    starts = np.concatenate([[0], np.flatnonzero(changed) + 1])
    return np.add.reduceat(weights[..., order], starts, axis=-1, dtype=np.float64)


def auroc(good: FloatArray, anomalous: FloatArray) -> FloatArray:
    """Return the area under the ROC curve, (...): a tie counts half."""
    above = np.cumsum(anomalous, axis=-1) - anomalous / 2
    pairs = good.sum(axis=-1) * anomalous.sum(axis=-1)
    return (good * above).sum(axis=-1) / pairs


def average_precision(good: FloatArray, anomalous: FloatArray) -> FloatArray:
    """Return the sum of precision times step in recall over all scores, (...).

    This is scikit-learn's `average_precision_score`: nothing is interpolated.
    """
    tps = np.cumsum(anomalous, axis=-1)
    predicted = np.cumsum(good + anomalous, axis=-1)
    precision = tps / np.maximum(predicted, 1)  # 0 / 0 above the first score drawn
    return (anomalous * precision).sum(axis=-1) / tps[..., -1]


def average_precision_of_bins(
    good: FloatArray, anomalous: FloatArray, several: FloatArray
) -> float:
    """Return the average precision of scores that are known by their bins alone.

    Where a bin holds several scores it is the mean over all orders of what is in it.
    To count them as tied would be too low by half a bin's step in precision.

    Args:
        good: (k,) good ones in each bin, the highest bin first.
        anomalous: (k,) anomalous ones.
        several: (k,) nonzero where not all in a bin have one score.
    """
    from scipy.special import digamma  # slow to import, and decisions need no metrics

    tps, predicted = np.cumsum(anomalous), np.cumsum(good + anomalous)
    precision = tps / predicted
    mixed = (several > 0) & (anomalous > 0) & (good > 0)
    a, n = anomalous[mixed], (good + anomalous)[mixed]
    tps_before, predicted_before = tps[mixed] - a, predicted[mixed] - n
    # At place i of n, an anomalous one has (i - 1) * share others before it.
    share = (a - 1) / (n - 1)
    places = digamma(predicted_before + n + 1) - digamma(predicted_before + 1)
    total = n * share + (tps_before + 1 - share * (predicted_before + 1)) * places
    precision[mixed] = total / n
    return float((anomalous * precision).sum() / tps[-1])


def f1_max(good: FloatArray, anomalous: FloatArray) -> FloatArray:
    """Return the highest F1 score over all thresholds, (...)."""
    tps = np.cumsum(anomalous, axis=-1)
    predicted = np.cumsum(good + anomalous, axis=-1)
    return (2 * tps / (predicted + tps[..., -1:])).max(axis=-1)


def aupro(good: FloatArray, overlap: FloatArray, limit: float) -> float:
    """Return the area under the PRO curve up to an FPR limit, divided by the limit.

    The mean overlap of the regions over the false positive rate of all good pixels
    (Bergmann et al. 2021, IJCV 129, sec. 6.1), joined by straight lines from (0, 0) on
    and cut exactly at the limit.

    Args:
        good: (k,) good pixels at each score, the highest first.
        overlap: (k,) what each score adds to the mean overlap; sums to 1.
        limit: largest FPR, in (0, 1].
    """
    fpr, pro = pro_curve(good, overlap).T
    inside = int(np.searchsorted(fpr, limit, "right"))
    if fpr[inside - 1] < limit:
        share = (limit - fpr[inside - 1]) / (fpr[inside] - fpr[inside - 1])
        last = pro[inside - 1] + share * (pro[inside] - pro[inside - 1])
        fpr, pro = np.append(fpr[:inside], limit), np.append(pro[:inside], last)
    else:
        fpr, pro = fpr[:inside], pro[:inside]
    return float(np.trapezoid(pro, fpr) / limit)


def roc_curve(good: FloatArray, anomalous: FloatArray) -> FloatArray:
    """Return the points (FPR, TPR), (k + 1, 2), from (0, 0) on."""
    return pro_curve(good, anomalous / anomalous.sum())


def pro_curve(good: FloatArray, overlap: FloatArray) -> FloatArray:
    """Return the points (FPR, mean region overlap), (k + 1, 2), from (0, 0) on."""
    fpr, pro = np.cumsum(good), np.minimum(np.cumsum(overlap), 1)  # 1 + 1e-16 is 1
    points = np.column_stack([fpr / fpr[-1], pro])
    return np.concatenate([np.zeros((1, 2)), points])


def precision_recall_curve(good: FloatArray, anomalous: FloatArray) -> FloatArray:
    """Return the points (recall, precision), (k + 1, 2), from (0, 1) on."""
    tps, predicted = np.cumsum(anomalous), np.cumsum(good + anomalous)
    points = np.column_stack([tps / tps[-1], tps / predicted])
    return np.concatenate([[[0.0, 1.0]], points])


def decimated(points: FloatArray) -> FloatArray:
    """Return at most `POINTS` of (k, 2) points, evenly along the curve, with both ends.

    Of points that are left out the next one that is kept is at most 1 / `POINTS` of the
    curve's length away.
    """
    if len(points) <= POINTS:
        return points
    steps = np.abs(np.diff(points, axis=0)).sum(axis=1)
    length = np.concatenate([[0], np.cumsum(steps)])
    kept = np.searchsorted(length, np.linspace(0, length[-1], POINTS))
    kept[-1] = len(points) - 1
    return points[np.unique(kept)]
