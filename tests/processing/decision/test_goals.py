from itertools import product

import numpy as np
import pytest

from processing.decision.goals import Goal, critical_table, find_pair
from processing.decision.promise import LEVEL_OF_CHOICE, allowed, upper_bound
from processing.decision.regions import area_curve
from processing.errors import UsageError


def falling(rng, count, areas, level=0.0, step=0.1):
    """Return critical thresholds (count, areas) that fall with the area."""
    steps = rng.exponential(size=(count, areas)) * step
    return np.round(level + rng.normal(size=(count, 1)) + 2 - steps.cumsum(axis=1), 2)


def counts(pair, good, defective):
    """Return misses and false alarms of a decision."""
    area, threshold = pair.decision.min_area - 1, pair.decision.threshold
    misses = np.count_nonzero(defective[:, area] <= threshold)
    return misses, np.count_nonzero(good[:, area] > threshold)


def lowest(good, defective, cost):
    """Return the lowest cost of all pairs, by trying each."""
    scores = np.concatenate([good, defective])
    tried = [
        cost((defective[:, a] <= t).sum(), (good[:, a] > t).sum())
        for a in range(good.shape[1])
        for t in scores[:, a]
    ]
    return min(tried)


@pytest.mark.parametrize("seed", range(5))
def test_the_pair_is_the_best_of_all(seed):
    rng = np.random.default_rng(seed)
    good, defective = falling(rng, 13, 30), falling(rng, 7, 30, level=1)
    pair = find_pair(good, defective, Goal())
    misses, alarms = counts(pair, good, defective)
    assert pair.score == pytest.approx(1 - (misses / 7 + alarms / 13) / 2)
    best = lowest(good, defective, lambda m, a: (m / 7 + a / 13) / 2)
    assert 1 - pair.score == pytest.approx(best)
    assert (pair.tpr, pair.tnr) == pytest.approx((1 - misses / 7, 1 - alarms / 13))
    assert pair.verdicts.sum() == alarms + 7 - misses
    assert pair.scores.max() == pytest.approx(pair.score)

    goal = Goal("cost", miss=20, false_alarm=3, defect_rate=0.02)
    misses, alarms = counts(find_pair(good, defective, goal), good, defective)

    def cost(misses, alarms):
        return 20 * 0.02 * misses / 7 + 3 * 0.98 * alarms / 13

    best = lowest(good, defective, cost)
    assert cost(misses, alarms) == pytest.approx(best)


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.4])
def test_rates_are_kept_with_confidence_or_nothing_is_allowed(rng, rate):
    good, defective = falling(rng, 40, 20), falling(rng, 30, 20, level=1)
    most = max(0, allowed(rate, 40, LEVEL_OF_CHOICE))
    goal = Goal("max-false-alarms", rate)
    misses, alarms = counts(find_pair(good, defective, goal), good, defective)
    assert alarms <= most
    best = lowest(good, defective, lambda m, a: m if a <= most else np.inf)
    assert misses == best

    most = max(0, allowed(rate, 30, LEVEL_OF_CHOICE))
    goal = Goal("min-recall", 1 - rate)
    misses, alarms = counts(find_pair(good, defective, goal), good, defective)
    assert misses <= most
    best = lowest(good, defective, lambda m, a: a if m <= most else np.inf)
    assert alarms == best


def test_an_odd_good_image_no_longer_decides():
    """Seven defects of ten lie below one good image of a hundred."""
    good = np.array([*np.linspace(0, 1, 99), 8.0])[:, None]
    defective = np.linspace(3, 10, 10)[:, None]
    pair = find_pair(good, defective, Goal())
    assert 1 < pair.decision.threshold < 3
    assert (pair.tpr, pair.tnr) == (1, 0.99)


def test_the_middle_of_equally_good_pairs():
    """Defects are of 100 pixels, at 2; no good image is above 1."""
    good = np.ones((5, 400))
    good[:, 50:] = 0
    defective = np.full((3, 400), 2.0)
    defective[:, 100:] = -1
    pair = find_pair(good, defective, Goal())
    assert pair.decision.min_area == 10  # as many times 1 as 100 is of it
    assert 1 < pair.decision.threshold < 2
    for area, threshold in product((-9, 80), (-0.1, 0.1)):
        a, t = pair.decision.min_area + area, pair.decision.threshold + threshold
        assert (defective[:, a] > t).all()
        assert not (good[:, a] > t).any()


@pytest.mark.parametrize(
    "goal", [Goal(), Goal("max-false-alarms", 0.2), Goal("min-recall", 0.7)], ids=str
)
def test_promises_hold_for_new_images_behind_the_choice(goal):
    """Of 80 areas; the true rates are those of many fresh images."""
    rng = np.random.default_rng(7)
    held = []
    for _ in range(100):
        good, defective, *fresh = (
            falling(rng, count, 80, level, step=0.02)
            for count, level in ((48, 0), (15, 1.5), (1000, 0), (1000, 1.5))
        )
        pair = find_pair(good, defective, goal)
        misses, alarms = counts(pair, good, defective)
        new_misses, new_alarms = np.array(counts(pair, *fresh)) / 1000
        held.append(
            (
                new_alarms <= upper_bound(int(alarms), 48, LEVEL_OF_CHOICE),
                new_misses <= upper_bound(int(misses), 15, LEVEL_OF_CHOICE),
            )
        )
    assert (np.mean(held, axis=0) >= 0.93).all()  # of 100; at 0.95 some 0.87


def test_tables_come_from_area_curves(rng):
    maps = rng.random((3, 9, 9)).astype(np.float32)
    table = critical_table(3, 20)
    for row, one in zip(table, maps, strict=True):
        row[:] = area_curve(one).critical_thresholds(20)
    for one, row in zip(maps, table, strict=True):
        areas = area_curve(one).area_at(row)
        np.testing.assert_array_less(areas, np.arange(1, 21))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("perfect",), "expected a goal of balanced, .* Received: perfect"),
        (("min-recall", 1.0), "expected a rate between 0 and 1. Received: 1.0"),
        (("max-false-alarms",), "expected a rate between 0 and 1. Received: None"),
        (("cost", None, 0.0), r"expected costs above 0. Received: \(0.0, 1.0\)"),
        (("cost", None, 1.0, 1.0, 1.0), "a defect rate between 0 and 1. Received: 1.0"),
    ],
)
def test_goals_that_make_no_sense(arguments, message):
    with pytest.raises(UsageError, match=message):
        Goal(*arguments)
