"""Find the pair (threshold, min_area) that separates good from anomalous images."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .calibration import GoodImages
from .decision import Decision, checked_labels
from .regions import AreaCurve, BoolArray, FloatArray, IntArray

# (method, dtype) -> (minimum, step) of the original's threshold grids.
LEGACY_GRIDS = {
    ("l2", "float64"): (0.005, 0.0005),
    ("l2", "uint8"): (5, 1),
    ("ssim", "float64"): (0.10, 0.002),
    ("ssim", "uint8"): (20, 1),
}
LEGACY_AREAS = range(5, 1005, 5)  # of the original, in pixels


@dataclass(frozen=True, eq=False)
class SearchResult:
    """The best pair on the finetuning images and all pairs that were tried.

    Args:
        decision: the best pair.
        score: its (tpr + tnr) / 2, in [0, 1], higher is better.
        tpr: share of the anomalous images called defective.
        tnr: share of the good images called good.
        margin: how far the weakest of the defects found lies above what is typical
            of good images, in units of the maps; see `find_decision`.
        verdicts: (n,) bool, the verdict of the best pair on each finetuning image.
        min_areas: (k,) ascending areas at which anything changes, and the last area
            tried. Every area in between gives what the one before it gives.
        thresholds: (k,) the threshold of each area.
        tprs: (k,) the tpr of each pair.
        tnrs: (k,) the tnr of each pair.
        scores: (k,) the score of each pair.
    """

    decision: Decision
    score: float
    tpr: float
    tnr: float
    margin: float
    verdicts: BoolArray
    min_areas: IntArray
    thresholds: FloatArray
    tprs: FloatArray
    tnrs: FloatArray
    scores: FloatArray


def find_decision(
    good: GoodImages,
    finetuning: Iterable[AreaCurve],
    labels: npt.ArrayLike,
    *,
    clear_border: bool = False,
) -> SearchResult:
    """Return the best of all pairs that call every good validation image good.

    Every area from 1 pixel to that of the last `good.typical` is tried, with its
    smallest threshold from which upward no validation image is called defective. Ties
    in score go to the larger margin, then to the smaller area. The margin of a pair is
    the distance from the mean critical threshold of the good validation images to the
    lowest of the anomalous images that it finds; 0 if it finds none. The mean of the
    good ones, not their maximum, since that one depends on a single image.

    Args:
        good: the good validation images.
        finetuning: n area curves of images of both kinds, one in memory at a time.
        labels: (n,) 0 = good, 1 = anomalous.
        clear_border: whether the curves were made with cleared borders.

    Returns:
        A `SearchResult`, exact over all areas and thresholds.
    """
    anomalous = checked_labels(labels, np.size(labels))
    max_area = len(good.typical)
    min_areas = np.arange(1, max_area + 1)
    thresholds = good.envelope.critical_thresholds(max_area)
    tally = _tally(finetuning, anomalous, min_areas, thresholds, good.typical)
    # Whole numbers, so that equal scores compare equal.
    points = tally.tps * (~anomalous).sum() + tally.tns * anomalous.sum()
    tied = np.flatnonzero(points == points.max())
    best = int(tied[tally.margins[tied].argmax()])
    return _result(tally, best, clear_border)


def find_decision_legacy(
    good: GoodImages,
    finetuning: Iterable[AreaCurve],
    labels: npt.ArrayLike,
    thresholds_grid: npt.ArrayLike,
    min_areas: Sequence[int] = LEGACY_AREAS,
    *,
    clear_border: bool = True,
) -> SearchResult:
    """Return the best pair of a grid, by the rule of the original toolkit.

    Each area gets the first threshold of the grid at which every validation image is
    called good; if there is none, the last one, which is then not safe for good
    images. Ties in score go to the first, smallest area.

    Args:
        good: the good validation images.
        finetuning: n area curves of images of both kinds.
        labels: (n,) 0 = good, 1 = anomalous.
        thresholds_grid: ascending thresholds, see `legacy_thresholds`.
        min_areas: ascending areas in pixels.
        clear_border: whether the curves were made with cleared borders.

    Returns:
        A `SearchResult`; its margin takes no part in the choice.
    """
    anomalous = checked_labels(labels, np.size(labels))
    grid, areas = np.asarray(thresholds_grid, np.float64), np.asarray(min_areas)
    safe = good.envelope.area_at(grid)[None] < areas[:, None]  # (areas, thresholds)
    thresholds = grid[np.where(safe.any(1), safe.argmax(1), len(grid) - 1)]
    typical = good.typical[np.minimum(areas, len(good.typical)) - 1]
    tally = _tally(finetuning, anomalous, areas, thresholds, typical)
    best = int(np.argmax(tally.tps / anomalous.sum() + tally.tns / (~anomalous).sum()))
    return _result(tally, best, clear_border)


def legacy_thresholds(method: str, dtype: str, maximum: float) -> FloatArray:
    """Return the original's threshold grid of a residual method and map dtype.

    Args:
        method: "ssim" or "l2".
        dtype: "float64" or "uint8".
        maximum: largest value in the validation maps.

    Returns:
        (k,) ascending, k >= 1; the grid's minimum alone if `maximum` is below it.
    """
    if (method, dtype) not in LEGACY_GRIDS:
        known = ", ".join("-".join(pair) for pair in sorted(LEGACY_GRIDS))
        raise ValueError(
            f"`method` and `dtype` must be one of {known}. Received: {method}-{dtype}"
        )
    minimum, step = LEGACY_GRIDS[method, dtype]
    grid = np.arange(minimum, float(maximum) + step, step, dtype=np.float64)
    return grid if len(grid) else np.array([minimum], np.float64)


@dataclass(frozen=True, eq=False)
class _Tally:
    """Counts of k pairs over all finetuning images."""

    min_areas: IntArray
    thresholds: FloatArray
    anomalous: BoolArray  # (n,)
    tps: IntArray
    tns: IntArray
    margins: FloatArray  # see `find_decision`
    verdicts: list[npt.NDArray[np.uint8]]  # n times k bits, packed


def _tally(
    finetuning: Iterable[AreaCurve],
    anomalous: BoolArray,
    min_areas: IntArray,
    thresholds: FloatArray,
    typical: FloatArray,
) -> _Tally:
    """Judge each image with every pair; one curve at a time is in memory."""
    tps, tns = np.zeros((2, len(min_areas)), np.int64)
    margins = np.full(len(min_areas), np.inf)
    verdicts = []
    for curve, is_anomalous in zip(finetuning, anomalous, strict=True):
        called = _verdicts(curve, min_areas, thresholds)
        if is_anomalous:
            tps += called
            critical = curve.critical_thresholds(int(min_areas.max()))[min_areas - 1]
            distances = np.where(called, critical - typical, np.inf)
            margins = np.minimum(margins, distances)
        else:
            tns += ~called
        verdicts.append(np.packbits(called))
    margins[np.isinf(margins)] = 0
    return _Tally(min_areas, thresholds, anomalous, tps, tns, margins, verdicts)


def _verdicts(
    curve: AreaCurve, min_areas: IntArray, thresholds: FloatArray
) -> BoolArray:
    # Many areas share a threshold, so look each one up once.
    starts = np.flatnonzero(np.diff(thresholds, prepend=np.nan) != 0)
    areas = curve.area_at(thresholds[starts])
    return np.repeat(areas, np.diff(starts, append=len(thresholds))) >= min_areas


def _result(tally: _Tally, best: int, clear_border: bool) -> SearchResult:
    tprs = tally.tps / tally.anomalous.sum()
    tnrs = tally.tns / (~tally.anomalous).sum()
    scores = (tprs + tnrs) / 2
    kept = changing(tally.thresholds, tprs, tnrs)
    bits = [int(packed[best // 8]) >> (7 - best % 8) & 1 for packed in tally.verdicts]
    return SearchResult(
        decision=Decision(tally.thresholds[best], tally.min_areas[best], clear_border),
        score=float(scores[best]),
        tpr=float(tprs[best]),
        tnr=float(tnrs[best]),
        margin=float(tally.margins[best]),
        verdicts=np.array(bits, bool),
        min_areas=tally.min_areas[kept],
        thresholds=tally.thresholds[kept],
        tprs=tprs[kept],
        tnrs=tnrs[kept],
        scores=scores[kept],
    )


def changing(*values: FloatArray) -> BoolArray:
    """Return (k,) where any of the values (k,) is another one than before, and last."""
    kept = (np.diff(np.stack(values), prepend=np.nan) != 0).any(0)
    kept[-1] = True
    return kept
