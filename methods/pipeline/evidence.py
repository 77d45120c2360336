"""The images that a decision is made from, and what they say of any decision."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from methods.detector.results import Promise
from processing.data.image_set import ANOMALOUS, GOOD, ImageSet
from processing.decision.calibration import Rule, images_needed
from processing.decision.decision import Decision
from processing.decision.goals import Goal, critical_table
from processing.decision.promise import (
    LEVEL,
    LEVEL_OF_CHOICE,
    trials_needed,
    upper_bound,
)
from processing.decision.regions import AreaCurve, FloatArray

BINDING = 5  # good images that are named


class Evidence:
    """Critical thresholds of the good and the defective images, by minimum area.

    Args:
        validation: good images that the model did not learn from.
        finetuning: good and defective images of the test set, perhaps none.
        max_area: largest area that is tried, in pixels.

    Attributes:
        validation: (n, max_area), to be filled in.
        good: (n + m, max_area) those of `validation`, and the good ones of `finetuning`
            behind them.
        defective: (k, max_area) of `finetuning`.
        labels: (n + m + k,) 0 = good, 1 = anomalous, of both behind each other.
    """

    def __init__(self, validation: ImageSet, finetuning: ImageSet, max_area: int):
        self.finetuning = finetuning
        order = [np.flatnonzero(finetuning.labels == x) for x in (GOOD, ANOMALOUS)]
        known, good = len(validation), len(validation) + len(order[0])
        self.names = [*validation.names, *finetuning.subset(order[0]).names]
        self._places = known + np.argsort(np.concatenate(order))
        table = critical_table(known + len(finetuning), max_area)
        self._table = table
        self.validation = table[:known]
        self.good = table[:good]
        self.defective = table[good : known + len(finetuning)]
        self.labels = np.repeat([GOOD, ANOMALOUS], [good, len(order[1])])

    def fill(self, curves: Iterable[AreaCurve]) -> Iterator[AreaCurve]:
        """Yield the curves of the finetuning images, and fill in what they say."""
        for place, curve in zip(self._places, curves, strict=True):
            self._table[place] = curve.critical_thresholds(self._table.shape[1])
            yield curve

    def promise(
        self, decision: Decision, goal: Goal | None, rule: Rule | None
    ) -> Promise:
        """Return what a decision keeps on these images, and whether that was asked.

        Args:
            decision: any.
            goal: of the search on these images that it comes from; None for another.
            rule: on good images alone that it comes from, at an area that was given.
        """
        level = LEVEL_OF_CHOICE if goal else LEVEL
        good, defective = len(self.good), len(self.defective)
        alarms = int((self._at(self.good, decision) > decision.threshold).sum())
        found = int((self._at(self.defective, decision) > decision.threshold).sum())
        bound = upper_bound(alarms, good, level)
        miss_bound = upper_bound(defective - found, defective, level)
        promise = Promise(
            good_images=good,
            false_alarms=alarms,
            false_alarm_bound=bound,
            defective_images=defective,
            misses=defective - found,
            miss_bound=miss_bound,
        )
        if rule and rule.name == "conformal" and rule.number:
            needed = images_needed(rule.number)
            return _asked(promise, rule.number, good >= needed, needed)
        if rule and rule.name == "bound" and rule.number:
            needed = trials_needed(rule.number, level)
            return _asked(promise, rule.number, bound <= rule.number, needed)
        if goal and goal.rate:
            alarms_asked = goal.name == "max-false-alarms"
            asked = goal.rate if alarms_asked else round(1 - goal.rate, 12)
            kept = (bound if alarms_asked else miss_bound) <= asked
            return _asked(promise, asked, kept, trials_needed(asked, level))
        return promise

    def alarms(self, decision: Decision) -> list[str]:
        """Return the names of the good images that a decision calls defective."""
        called = self._at(self.good, decision) > decision.threshold
        return [self.names[i] for i in np.flatnonzero(called)]

    def binding(self, decision: Decision) -> dict[str, float]:
        """Return the good images that look worst to a decision, the worst first."""
        scores = self._at(self.good, decision)
        worst = np.argsort(-scores, kind="stable")[:BINDING]
        return {self.names[i]: float(scores[i]) for i in worst}

    def _at(self, table: FloatArray, decision: Decision) -> FloatArray:
        """Return the critical threshold of each image at the area of a decision."""
        return table[:, min(decision.min_area, table.shape[1]) - 1]


def _asked(promise: Promise, asked: float, kept: bool, needed: int) -> Promise:
    return replace(promise, asked=asked, kept=bool(kept), needed=needed)
