"""Metrics of anomaly maps against ground truth masks, in one pass."""

import math
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from processing.decoding.decode import resize, resize_mask

from .image_metrics import MetricValue
from .pixel_scores import Regions, ScoreList
from .ranking import (
    FloatArray,
    aupro,
    auroc,
    average_precision_of_bins,
    decimated,
    f1_max,
    precision_recall_curve,
    pro_curve,
    roc_curve,
)
from .score_histogram import ScoreHistogram

EXACT_PIXELS = 1 << 20  # up to so many, all scores are kept
LIMITS = {"aupro": 0.3, "aupro_05": 0.05}
OVERLAPS = ("iou", "dice")
PIXEL_METRICS = ("pixel_auroc", "pixel_ap", "pixel_f1max", *LIMITS, *OVERLAPS)


@dataclass
class Overlap:
    """Pixels of the decided masks against the true ones."""

    true_positives: int = 0
    false_positives: int = 0
    false_negatives: int = 0

    def add(self, decided: npt.NDArray[np.bool_], mask: npt.NDArray[np.bool_]) -> None:
        """Count one image's masks, (h, w)."""
        both = int(np.count_nonzero(decided & mask))
        self.true_positives += both
        self.false_positives += int(np.count_nonzero(decided)) - both
        self.false_negatives += int(np.count_nonzero(mask)) - both

    def __add__(self, other: "Overlap") -> "Overlap":
        return Overlap(
            self.true_positives + other.true_positives,
            self.false_positives + other.false_positives,
            self.false_negatives + other.false_negatives,
        )

    @property
    def iou(self) -> float:
        """Intersection over union."""
        wrong = self.false_positives + self.false_negatives
        return self.true_positives / (self.true_positives + wrong)

    @property
    def dice(self) -> float:
        """Twice the intersection over the sum of both; the F1 score."""
        wrong = self.false_positives + self.false_negatives
        return 2 * self.true_positives / (2 * self.true_positives + wrong)


class PixelMetrics:
    """Pixel AUROC, AP, F1max, AUPRO, IoU and Dice of any number of maps.

    Maps are counted as they come and not kept. Up to `EXACT_PIXELS` pixels, or always
    if `exact`, the metrics are exact. From then on scores are counted in bins of their
    own bits (see `ScoreHistogram`): memory is about 3 MB for each group, however many
    maps there are.

    Each map belongs to a group, such as its image's class. The metrics of some groups
    are those that the maps of these groups alone would give: for "good" and "scratch"
    the anomalous pixels are those of scratches, and the good ones all pixels of good
    images and the pixels around the scratches.

    Args:
        exact: keep all scores, 4 bytes a pixel, and about 60 while they are sorted.
    """

    def __init__(self, *, exact: bool = False) -> None:
        self.kept = math.inf if exact else EXACT_PIXELS
        self._scores: ScoreList | ScoreHistogram = ScoreList()
        self._regions: Counter[str] = Counter()
        self._overlaps: dict[str, Overlap] = {}

    @property
    def groups(self) -> Collection[str]:
        """The groups that have been counted."""
        return self._regions.keys()

    def update(
        self,
        anomaly_map: npt.NDArray[Any],
        mask: npt.NDArray[np.bool_],
        decided: npt.NDArray[np.bool_] | None = None,
        group: str = "",
    ) -> None:
        """Count one image.

        Args:
            anomaly_map: (h, w), finite, higher = more anomalous; counted as float32
                unless all scores are kept.
            mask: (H, W) ground truth at its own size, to which the map is resized
                bilinearly and `decided` by nearest neighbour. 8-connected pixels are
                one region of PRO.
            decided: (h, w) what was called defective; None leaves IoU and Dice out.
            group: see the class.
        """
        height, width = mask.shape
        regions = Regions.of(mask)
        self._scores.add(group, resize(anomaly_map, height, width), regions)
        self._regions[group] += len(regions)
        if isinstance(self._scores, ScoreList) and self._scores.pixels > self.kept:
            self._scores = ScoreHistogram(self._scores)
        if decided is not None:
            overlap = self._overlaps.setdefault(group, Overlap())
            overlap.add(resize_mask(decided, height, width), mask)

    def metrics(self, groups: Collection[str] | None = None) -> dict[str, MetricValue]:
        """Return `PIXEL_METRICS` of some groups, all by default.

        One that is not defined is a text instead: "because ...". IoU and Dice are
        there if `decided` was given.
        """
        good, anomalous, overlap, several = self._counts(groups)
        missing = _missing(good, anomalous)
        decided = self._decided(groups)
        if missing:
            return dict.fromkeys(
                PIXEL_METRICS if decided else PIXEL_METRICS[:5], missing
            )
        metrics: dict[str, MetricValue] = {
            "pixel_auroc": float(auroc(good, anomalous)),
            "pixel_ap": average_precision_of_bins(good, anomalous, several),
            "pixel_f1max": float(f1_max(good, anomalous)),
        }
        metrics |= {name: aupro(good, overlap, limit) for name, limit in LIMITS.items()}
        if decided:
            metrics |= {name: getattr(decided, name) for name in OVERLAPS}
        return metrics

    def curves(self) -> dict[str, FloatArray]:
        """Return pixel_roc, pixel_pr and pro of all groups, (k, 2) with few points."""
        good, anomalous, overlap, _ = self._counts(None)
        if _missing(good, anomalous):
            return {}
        points = {
            "pixel_roc": roc_curve(good, anomalous),
            "pixel_pr": precision_recall_curve(good, anomalous),
            "pro": pro_curve(good, overlap),
        }
        return {name: decimated(curve) for name, curve in points.items()}

    def _counts(self, groups: Collection[str] | None) -> FloatArray:
        """Return (4, k): good and anomalous pixels, what is added to the mean overlap.

        The last row is nonzero where a column stands for several scores.
        """
        chosen = self._regions.keys() if groups is None else groups
        counts = self._scores.counts(chosen)
        counts[2] /= max(sum(self._regions[group] for group in chosen), 1)
        return counts

    def _decided(self, groups: Collection[str] | None) -> Overlap | None:
        chosen = self._overlaps.keys() if groups is None else groups
        parts = [self._overlaps[group] for group in chosen if group in self._overlaps]
        return sum(parts, Overlap()) if parts else None


def _missing(good: FloatArray, anomalous: FloatArray) -> str | None:
    """Return why nothing is defined, if one kind of pixel is missing."""
    for name, pixels in (("anomalous", anomalous), ("good", good)):
        if not pixels.sum():
            return f"because no pixel is {name}"
    return None
