"""Splits of made-up images, whose maps are a pixel of a random height."""

import numpy as np
import pytest

from benchmarks.decisions import Images, Outcome, row, split
from processing.decision.goals import VALIDATION_MAX, Goal
from processing.decision.promise import LEVEL_OF_CHOICE, upper_bound
from processing.decision.regions import area_curve


def images(*heights):
    curves = [area_curve(np.array([[0, height]])) for height in heights]
    table = [curve.critical_thresholds(1) for curve in curves]
    return Images(curves, np.reshape(table, (len(curves), 1)))


@pytest.fixture
def parts(rng):
    """Return images in folds, of validation, good and defective ones."""
    good, defective = rng.normal(3, 1, 70), rng.normal(6, 1, 40)
    return images(), images(*good[:20]), images(*good[20:]), images(*defective)


@pytest.mark.parametrize("goal", [Goal(), Goal(VALIDATION_MAX)])
def test_promises_are_kept_by_images_that_are_alike(parts, goal):
    rng = np.random.default_rng(1)
    outcomes = np.array([split(rng, *parts, goal, 1) for _ in range(200)])
    alarms, misses, alarm_bounds, miss_bounds = outcomes.T
    assert 0 < alarms.mean() < 0.2
    assert 0 < misses.mean() < 0.2
    assert (alarms <= alarm_bounds).mean() >= 0.95
    assert (misses <= miss_bounds).mean() >= 0.95
    assert 0.2 > alarm_bounds.min() >= upper_bound(0, 25, LEVEL_OF_CHOICE)


def test_images_in_folds_decide_and_are_not_tested(parts):
    _, *others = parts
    goal = Goal("max-false-alarms", 0.05)
    high = images(*[9.0] * 30, *[0.0] * 170)
    outcome = split(np.random.default_rng(1), high, *others, goal, 1)
    assert outcome.alarm_bound == pytest.approx(upper_bound(0, 225, LEVEL_OF_CHOICE))
    assert outcome.false_alarms == 0
    assert outcome.misses == 1


def test_a_line_has_means_and_the_share_of_promises_kept():
    outcomes = [Outcome(0.1, 0.2, 0.1, 0.1), Outcome(0.3, 0.4, 0.2, 0.5)]
    cells = [cell.strip() for cell in row(Goal(), outcomes).split("|")[1:-1]]
    assert cells[:4] == ["balanced", "0.200", "0.150", "50%"]
    assert cells[4:7] == ["0.300", "0.300", "50%"]
    assert cells[7] == "0.750 ± 0.071"
