"""Figures of merit of scores, maps and verdicts against the truth."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BITS = 20  # of a float32 score that the streaming AUROC tells apart


def auroc(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float | None:
    """Return the area under the ROC curve, ties counted half; None with one label.

    Args:
        labels: (n,) 0 good, 1 anomalous.
        scores: (n,) higher = more anomalous.
    """
    labels, scores = np.asarray(labels, bool), np.asarray(scores)
    if not labels.any() or labels.all():
        return None
    _, ranks = np.unique(scores, return_inverse=True)
    good = np.bincount(ranks[~labels], minlength=ranks.max() + 1)
    bad = np.bincount(ranks[labels], minlength=ranks.max() + 1)
    return _area(good, bad)


def _area(good: np.ndarray, bad: np.ndarray) -> float:
    """Return the probability that a bad one's bin is higher, plus half a tie."""
    below = np.cumsum(good) - good
    pairs = float(good.sum()) * float(bad.sum())
    return float((bad * (below + good / 2)).sum() / pairs)


class PixelAuroc:
    """Pixel AUROC of any number of maps, in memory that does not grow with them.

    Counts pixels in bins of the 20 highest bits of their float32 score, which keeps
    three significant digits whatever the range; scores in one bin count as tied.
    """

    def __init__(self) -> None:
        self.counts = np.zeros((2, 1 << BITS), np.int64)

    def update(self, masks: npt.NDArray[np.bool_], maps: npt.NDArray) -> None:
        """Count a batch of ground truth masks and maps, both (n, h, w)."""
        bins = _ordered_bits(maps) >> (32 - BITS)
        for kind, chosen in enumerate((bins[~masks], bins[masks])):
            self.counts[kind] += np.bincount(chosen, minlength=1 << BITS)

    def result(self) -> float | None:
        """Return the AUROC, or None if all pixels were of one kind."""
        good, bad = self.counts
        return _area(good, bad) if good.any() and bad.any() else None


def _ordered_bits(values: npt.NDArray) -> npt.NDArray[np.uint32]:
    """Return integers that sort as the float32 `values` do."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    negative = bits >> 31 == 1
    return np.where(negative, ~bits, bits | np.uint32(1 << 31))


@dataclass(frozen=True)
class Confusion:
    """How often verdicts and labels met; anomalous is the positive class."""

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
        """Share of the anomalous images found; None without any."""
        positives = self.true_positives + self.false_negatives
        return self.true_positives / positives if positives else None

    @property
    def tnr(self) -> float | None:
        """Share of the good images passed; None without any."""
        negatives = self.true_negatives + self.false_positives
        return self.true_negatives / negatives if negatives else None

    @property
    def balanced(self) -> float | None:
        """(TPR + TNR) / 2; None where either is."""
        if self.tpr is None or self.tnr is None:
            return None
        return (self.tpr + self.tnr) / 2
