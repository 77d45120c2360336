"""Metrics of image scores and verdicts against the labels."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .ranking import (
    FloatArray,
    auroc,
    average_precision,
    count_ranked,
    decimated,
    f1_max,
    precision_recall_curve,
    roc_curve,
)

MetricValue = float | str  # the value, or why there is none: "because ..."
RANKED = {"image_auroc": auroc, "image_ap": average_precision, "image_f1max": f1_max}
ROUNDS = 1000  # of the bootstrap
DRAWS = 1 << 18  # of images, at a time


def image_metrics(
    labels: npt.ArrayLike, scores: npt.ArrayLike
) -> dict[str, MetricValue]:
    """Return image_auroc, image_ap and image_f1max, or why they are not defined.

    Args:
        labels: (n,) 0 good, 1 anomalous.
        scores: (n,) finite, higher = more anomalous.
    """
    missing = missing_label(labels)
    if missing:
        return dict.fromkeys(RANKED, missing)
    good, anomalous = _counts(labels, scores)
    return {name: float(metric(good, anomalous)) for name, metric in RANKED.items()}


def image_curves(labels: npt.ArrayLike, scores: npt.ArrayLike) -> dict[str, FloatArray]:
    """Return image_roc (FPR, TPR) and image_pr (recall, precision), (k, 2), if any."""
    if missing_label(labels):
        return {}
    good, anomalous = _counts(labels, scores)
    return {
        "image_roc": decimated(roc_curve(good, anomalous)),
        "image_pr": decimated(precision_recall_curve(good, anomalous)),
    }


def missing_label(labels: npt.ArrayLike) -> str | None:
    """Return "because ..." if either kind of image is missing."""
    labels = np.asarray(labels, bool)
    if not labels.size:
        return "because no image has a label"
    if labels.all():
        return "because there are no good images"
    return None if labels.any() else "because there are no defective images"


def _counts(labels: npt.ArrayLike, scores: npt.ArrayLike) -> FloatArray:
    labels, scores = np.asarray(labels, bool), np.asarray(scores)
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite. Received: NaN or infinity among them")
    return count_ranked(scores, np.stack([~labels, labels]))


@dataclass(frozen=True)
class Confusion:
    """Confusion matrix of verdicts and labels; anomalous is the positive class."""

    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int

    @classmethod
    def count(cls, labels: npt.ArrayLike, verdicts: npt.ArrayLike) -> "Confusion":
        """Count (n,) labels 0 / 1 against (n,) verdicts, True = defective."""
        labels, verdicts = np.asarray(labels, bool), np.asarray(verdicts, bool)
        return cls(
            int((labels & verdicts).sum()),
            int((~labels & verdicts).sum()),
            int((~labels & ~verdicts).sum()),
            int((labels & ~verdicts).sum()),
        )

    @property
    def tpr(self) -> float | None:
        """True positive rate; None without anomalous images."""
        positives = self.true_positives + self.false_negatives
        return self.true_positives / positives if positives else None

    @property
    def tnr(self) -> float | None:
        """True negative rate; None without good images."""
        negatives = self.true_negatives + self.false_positives
        return self.true_negatives / negatives if negatives else None

    @property
    def balanced(self) -> float | None:
        """Balanced accuracy (TPR + TNR) / 2; None where either is."""
        if self.tpr is None or self.tnr is None:
            return None
        return (self.tpr + self.tnr) / 2


def bootstrap_intervals(
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    verdicts: npt.ArrayLike,
    *,
    seed: int,
    rounds: int = ROUNDS,
    level: float = 0.95,
) -> dict[str, list[float]]:
    """Return percentile bootstrap intervals of all image-level metrics (Efron 1979).

    Stratified: images are resampled within each label. What every
    draw gives alike, such as an AUROC of 1, gets an interval of that one value, which
    does not mean that it is certain.

    Args:
        labels: (n,) 0 good, 1 anomalous.
        scores: (n,) finite, higher = more anomalous.
        verdicts: (n,) True = called defective.
        seed: of the draws.
        rounds: number of draws.
        level: share of the draws inside an interval, in (0, 1).

    Returns:
        [low, high] of TPR, TNR, score (their mean), image_auroc, image_ap and
        image_f1max, of those that are defined.
    """
    draws = _draws(labels, scores, verdicts, np.random.default_rng(seed), rounds)
    parts = list(draws)
    tails = [(1 - level) / 2, (1 + level) / 2]
    return {
        name: np.quantile(
            np.concatenate([part[name] for part in parts]), tails
        ).tolist()
        for name in parts[0]
    }


def _draws(
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    verdicts: npt.ArrayLike,
    rng: np.random.Generator,
    rounds: int,
) -> Iterator[dict[str, FloatArray]]:
    """Yield the metrics of draws, some rounds at a time so that memory stays small."""
    labels, right = np.asarray(labels, bool), np.asarray(verdicts, bool)
    right = right == labels
    distinct, ranks = np.unique(-np.asarray(scores), return_inverse=True)
    for start in range(0, rounds, step := max(1, DRAWS // max(labels.size, 1))):
        n = min(step, rounds - start)
        metrics, counts = {}, []
        for name, kind in (("TNR", ~labels), ("TPR", labels)):
            images = np.flatnonzero(kind)
            if not images.size:
                continue
            drawn = images[rng.integers(0, images.size, (n, images.size))]
            metrics[name] = right[drawn].mean(axis=1)
            cells = ranks[drawn] + distinct.size * np.arange(n)[:, None]
            flat = np.bincount(cells.ravel(), minlength=n * distinct.size)
            counts.append(flat.reshape(n, -1).astype(np.float64))
        if len(counts) == 2:
            metrics["score"] = (metrics["TPR"] + metrics["TNR"]) / 2
            metrics |= {name: metric(*counts) for name, metric in RANKED.items()}
        yield metrics
