"""What a decision is to reach, and the pair (threshold, min_area) that does best.

With regions of `a` pixels or more counting, an image is called defective at every
threshold below its critical threshold of area a. So each area has one score an image,
and a threshold in a gap between two images' scores has the same counts anywhere in it.
"""

import math
from dataclasses import dataclass
from tempfile import TemporaryFile

import numpy as np

from processing.errors import UsageError

from .decision import Decision
from .promise import LEVEL_OF_CHOICE, allowed
from .regions import FloatArray, IntArray
from .search import SearchResult, changing

BALANCED = "balanced"
VALIDATION_MAX = "validation-max"
GOALS = (BALANCED, VALIDATION_MAX, "max-false-alarms", "min-recall", "cost")
AREAS = 512  # that are looked at together
PLACE = 1 / 3  # of a threshold in a gap: few defects are seen, and others are weaker
STEPS = 8  # to the middle of equally good pairs
TIE = 1e-6  # what breaks a tie counts


@dataclass(frozen=True)
class Goal:
    """What to reach.

    Args:
        name: "balanced", the highest mean of recall and share of good images called
            good; "validation-max", the same at thresholds at which no validation image
            is called defective; "max-false-alarms", the highest recall at a rate of
            false alarms of at most `rate`, with 95 % confidence; "min-recall", the
            fewest false alarms at a recall of at least `rate`, with 95 % confidence;
            "cost", the lowest cost an image.
        rate: in (0, 1), of the goals that have one.
        miss: cost of a missed defect.
        false_alarm: cost of a false alarm.
        defect_rate: share of defective images that the cost is for, in (0, 1).
    """

    name: str = BALANCED
    rate: float | None = None
    miss: float = 1.0
    false_alarm: float = 1.0
    defect_rate: float = 0.5

    def __post_init__(self) -> None:
        if self.name not in GOALS:
            raise UsageError(
                f"expected a goal of {', '.join(GOALS)}. Received: {self.name}"
            )
        rated = self.name in ("max-false-alarms", "min-recall")
        for name, value in (
            ("rate", self.rate if rated else 0.5),
            ("defect rate", self.defect_rate),
        ):
            if value is None or not 0 < value < 1:
                raise UsageError(
                    f"{self.name}: expected a {name} between 0 and 1. Received: {value}"
                )
        costs = self.miss, self.false_alarm
        if not all(0 < cost < math.inf for cost in costs):
            raise UsageError(f"expected costs above 0. Received: {costs}")

    def __str__(self) -> str:
        rate = f"{self.rate:g}" if self.rate else ""
        return {
            "max-false-alarms": f"at most {rate} false alarms",
            "min-recall": f"recall of at least {rate}",
            "cost": f"lowest cost, a miss {self.miss:g}, a false alarm "
            f"{self.false_alarm:g}, {self.defect_rate:g} of the images defective",
        }.get(self.name, self.name)

    @property
    def weights(self) -> tuple[float, float]:
        """What the rates of misses and of false alarms count."""
        if self.name == "max-false-alarms":
            return 1.0, TIE  # within what `limits` allow
        if self.name == "min-recall":
            return TIE, 1.0
        if self.name != "cost":
            return 0.5, 0.5
        missed = self.miss * self.defect_rate
        alarms = self.false_alarm * (1 - self.defect_rate)
        return missed / (missed + alarms), alarms / (missed + alarms)

    def limits(self, good: int, defective: int) -> tuple[int, int]:
        """Return the most misses and false alarms that are allowed on so many images.

        A rate that no number keeps, for there are too few images, allows none.
        """
        misses, alarms = defective, good
        if self.name == "max-false-alarms":
            alarms = max(0, allowed(self.rate or 0, good, LEVEL_OF_CHOICE))
        if self.name == "min-recall":
            misses = max(0, allowed(1 - (self.rate or 0), defective, LEVEL_OF_CHOICE))
        return misses, alarms


def critical_table(count: int, max_area: int) -> FloatArray:
    """Return (count, max_area) zeros in a file, so that they take no memory."""
    with TemporaryFile() as file:
        return np.memmap(file, np.float64, "w+", shape=(max(count, 1), max_area))


def find_pair(good: FloatArray, defective: FloatArray, goal: Goal) -> SearchResult:
    """Return the pair that does best for a goal, of all thresholds and all areas.

    Of all pairs that do equally well it is one far from images that would change that:
    its threshold is a third into the widest gap, measured against the distance from
    the mean of the good images, and its area in the middle, of logarithms, of those
    that give the same counts.

    Args:
        good: (n, a) critical thresholds of good images, see `critical_table`.
        defective: (m, a) of defective ones, n and m at least 1.
        goal: any but "validation-max".

    Returns:
        A `SearchResult`, `verdicts` of the defective images behind the good ones.
    """
    areas = good.shape[1]
    blocks = [
        _best_of_areas(good[:, block], defective[:, block], goal)
        for block in (slice(i, i + AREAS) for i in range(0, areas, AREAS))
    ]
    cost, width, threshold = (
        np.concatenate(part) for part in zip(*blocks, strict=True)
    )
    tied = np.flatnonzero(cost <= cost.min() + 1e-12)
    index = int(tied[width[tied].argmax()])
    index, chosen = _centre(good, defective, index, float(threshold[index]))
    tps = _count(defective, threshold)
    tns = len(good) - _count(good, threshold)
    tprs, tnrs = tps / len(defective), tns / len(good)
    called = np.concatenate([good[:, index], defective[:, index]]) > chosen
    tpr, tnr = called[len(good) :].mean(), 1 - called[: len(good)].mean()
    found = defective[called[len(good) :], index]
    kept = changing(threshold, tprs, tnrs)
    return SearchResult(
        decision=Decision(chosen, index + 1),
        score=float((tpr + tnr) / 2),
        tpr=float(tpr),
        tnr=float(tnr),
        margin=float(found.min() - good[:, index].mean()) if len(found) else 0.0,
        verdicts=called,
        min_areas=(np.arange(areas) + 1)[kept],
        thresholds=threshold[kept],
        tprs=tprs[kept],
        tnrs=tnrs[kept],
        scores=(tprs + tnrs)[kept] / 2,
    )


def _best_of_areas(
    good: FloatArray, defective: FloatArray, goal: Goal
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return cost, width of the gap and threshold in it (a,), of each area."""
    scores = np.concatenate([good, defective])
    order = np.argsort(scores, axis=0)
    scores = np.take_along_axis(scores, order, 0)
    misses = np.cumsum(order >= len(good), axis=0)  # at the threshold of each row
    alarms = len(good) - np.cumsum(order < len(good), axis=0)
    highest = scores[-1:]
    above = np.concatenate([scores[1:], highest])
    weights, limits = goal.weights, goal.limits(len(good), len(defective))
    cost = weights[0] * misses / len(defective) + weights[1] * alarms / len(good)
    for counts, limit in zip((misses, alarms), limits, strict=True):
        cost += 2.0 * np.maximum(counts - limit, 0)  # more than all others together
    between = scores < above
    between[-1] = True
    cost = np.where(between, cost, np.inf)
    lowest = cost.min(axis=0)
    distance = above - good.mean(axis=0)
    share = np.where(distance > 0, above - scores, 0) / np.where(
        distance > 0, distance, 1
    )
    widths = np.where(cost <= lowest + 1e-12, share, -1.0)
    best = widths.argmax(axis=0)[None]
    threshold = np.take_along_axis(scores + PLACE * (above - scores), best, 0)[0]
    return lowest, np.take_along_axis(widths, best, 0)[0], threshold


def _centre(
    good: FloatArray, defective: FloatArray, index: int, threshold: float
) -> tuple[int, float]:
    """Return index of the area and threshold amid equally good pairs."""
    for _ in range(STEPS):
        first, last = _same_counts(good, defective, index, threshold)
        middle = round(math.sqrt((first + 1) * (last + 1))) - 1
        scores = np.sort(np.concatenate([good[:, middle], defective[:, middle]]))
        place = int(np.searchsorted(scores, threshold, "right"))
        if middle == index or not 0 < place < len(scores):
            break
        below, above = scores[place - 1 : place + 1]
        index, threshold = middle, float(below + PLACE * (above - below))
    return index, threshold


def _same_counts(
    good: FloatArray, defective: FloatArray, index: int, threshold: float
) -> tuple[int, int]:
    """Return the first and last of the areas around one with its counts."""
    alarms, found = _count(good, threshold), _count(defective, threshold)
    other = (alarms != alarms[index]) | (found != found[index])
    below, above = np.flatnonzero(other[:index]), np.flatnonzero(other[index:])
    first = int(below[-1]) + 1 if len(below) else 0
    last = index + int(above[0]) - 1 if len(above) else len(other) - 1
    return first, last


def _count(scores: FloatArray, thresholds: FloatArray | float) -> IntArray:
    """Return how many of the images (n, a) are above the thresholds at each area."""
    return np.count_nonzero(scores > thresholds, axis=0)
