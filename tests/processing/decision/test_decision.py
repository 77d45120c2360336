import json
from dataclasses import asdict
from itertools import product

import numpy as np
import pytest

from processing.decision.decision import Decision, bootstrap_interval
from processing.decision.regions import area_curve


@pytest.fixture
def two_squares():
    """A 3x3 square of 0.8 inside and a 4x2 one of 0.6 at the border."""
    anomaly_map = np.full((12, 12), 0.1)
    anomaly_map[2:5, 2:5] = 0.8
    anomaly_map[8:12, 7:9] = 0.6
    return anomaly_map


@pytest.mark.parametrize(
    ("decision", "area"),
    [
        (Decision(0.5, 1), 17),
        (Decision(0.5, 9), 9),
        (Decision(0.5, 10), 0),
        (Decision(0.6, 1), 9),
        (Decision(0.8, 1), 0),
        (Decision(0.0, 144), 144),
        (Decision(0.5, 1, clear_border=True), 9),
        (Decision(0.0, 1, clear_border=True), 0),
    ],
)
def test_mask_and_verdict(two_squares, decision, area):
    mask = decision.mask(two_squares)
    assert mask.dtype == bool
    assert mask.shape == (12, 12)
    assert mask.sum() == area
    assert decision.verdict(two_squares) is (area > 0)


def test_regions_touching_at_a_corner_are_one():
    assert Decision(0.5, 5).verdict(np.eye(5))
    assert not Decision(0.5, 6).verdict(np.eye(5))


@pytest.mark.parametrize("clear_border", [False, True])
def test_verdict_agrees_with_the_curve(rng, clear_border):
    anomaly_map = np.round(rng.random((9, 9)), 1).astype(np.float32)
    curve = area_curve(anomaly_map, clear_border=clear_border)
    for threshold, min_area in product(np.unique(anomaly_map), (1, 2, 4, 9, 30)):
        decision = Decision(threshold, min_area, clear_border)
        assert decision.verdict(anomaly_map) == (curve.area_at(threshold) >= min_area)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.5, 0), "`min_area` must be >= 1 pixels. Received: min_area=0"),
        ((0.5, 2.5), "`min_area` must be a whole number of pixels"),
        ((0.5, True), "`min_area` must be a whole number of pixels"),
        ((np.nan, 1), "`threshold` must be a finite number. Received: threshold=nan"),
        ((np.inf, 1), "`threshold` must be a finite number"),
        (("0.5", 1), "`threshold` must be a finite number"),
        ((0.5, 1, "no"), "`clear_border` must be True or False"),
    ],
)
def test_wrong_arguments_raise(arguments, message):
    with pytest.raises(ValueError, match=message):
        Decision(*arguments)


def test_numpy_scalars_become_what_json_can_write():
    decision = Decision(np.float32(0.1), np.int64(7), np.True_)
    loaded = Decision(**json.loads(json.dumps(asdict(decision))))
    assert loaded == decision
    assert loaded.threshold == np.float64(np.float32(0.1))


def test_bootstrap_interval_holds_the_score_and_is_seeded():
    labels = np.repeat([0, 1], 20)
    verdicts = labels.copy()
    verdicts[[0, 1, 20, 21, 22, 23]] ^= 1  # tnr 0.9, tpr 0.8
    low, high = bootstrap_interval(verdicts, labels, seed=3)
    assert 0.7 < low < 0.85 < high < 0.97
    assert bootstrap_interval(verdicts, labels, seed=3) == (low, high)
    assert bootstrap_interval(verdicts, labels, seed=4, rounds=50) != (low, high)
    narrow = bootstrap_interval(verdicts, labels, seed=3, level=0.5)
    assert low < narrow[0] < narrow[1] < high


def test_bootstrap_interval_equals_drawing_the_images():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [6, 9])
    verdicts = np.array([0, 0, 0, 0, 1, 1] + [1, 1, 1, 1, 1, 1, 0, 0, 0])
    scores = []
    for _ in range(4000):
        good, bad = rng.choice(6, 6), 6 + rng.choice(9, 9)
        scores.append((verdicts[bad].mean() + 1 - verdicts[good].mean()) / 2)
    drawn = np.quantile(scores, [0.025, 0.975])
    interval = bootstrap_interval(verdicts, labels, seed=0, rounds=4000)
    np.testing.assert_allclose(
        interval, drawn, atol=0.06
    )  # scores come in steps of 1/36


def test_bootstrap_interval_of_a_perfect_pair_is_a_point():
    assert bootstrap_interval([0, 1, 1], [0, 1, 1], seed=0) == (1.0, 1.0)


@pytest.mark.parametrize("options", [{"rounds": 0}, {"level": 1.0}, {"level": 0}])
def test_bootstrap_interval_with_wrong_options_raises(options):
    with pytest.raises(ValueError, match="`rounds` must be >= 1 and `level`"):
        bootstrap_interval([0, 1], [0, 1], seed=0, **options)
