import numpy as np
import pytest
from scipy.stats import binomtest

from processing.decision.calibration import (
    GoodImages,
    Rule,
    images_needed,
    p_values,
    smallest_defect,
)
from processing.decision.decision import Decision
from processing.decision.regions import area_curve, envelope
from processing.errors import UsageError


@pytest.mark.parametrize("clear_border", [False, True])
def test_good_images_equal_their_curves(rng, clear_border):
    curves = [area_curve(m, clear_border=clear_border) for m in rng.random((5, 9, 8))]
    good = GoodImages.of(iter(curves), max_area=72, min_area=3)
    critical = np.stack([curve.critical_thresholds(72) for curve in curves])
    highest = envelope(curves)
    np.testing.assert_array_equal(good.envelope.levels, highest.levels)
    np.testing.assert_array_equal(good.envelope.areas, highest.areas)
    np.testing.assert_allclose(good.typical, critical.mean(axis=0), rtol=1e-12)
    np.testing.assert_array_equal(good.scores, critical[:, 2])


def test_no_images_raise():
    with pytest.raises(ValueError, match="at least one curve"):
        GoodImages.of([], max_area=4)


def test_the_highest_score_is_the_tightest_safe_threshold(rng):
    maps = rng.random((5, 64, 64))
    min_area = smallest_defect((64, 64, 3))
    assert min_area == 2  # 0.05 % of 4096 pixels
    good = GoodImages.of(map(area_curve, maps), max_area=10, min_area=min_area)
    threshold = Rule("max").threshold(good.scores)
    assert not any(Decision(threshold, min_area).verdict(m) for m in maps)
    tighter = Decision(np.nextafter(threshold, 0), min_area)
    assert any(tighter.verdict(m) for m in maps)


def test_a_tiny_image_asks_for_one_pixel():
    assert smallest_defect((1, 2)) == 1


def test_rules_by_hand():
    scores = [3.0, 1.0, 2.0, 4.0]
    assert Rule("max").threshold(scores) == 4
    assert Rule("quantile", 0.5).threshold(scores) == 2
    assert Rule("quantile", 0.51).threshold(scores) == 3
    deviation = np.sqrt(5 / 3)
    assert Rule("ksigma", 3.0).threshold(scores) == pytest.approx(2.5 + 3 * deviation)
    assert Rule("ksigma", 3.0).threshold([7.0]) == 7
    # rank ceil(5 * 0.8) = 4, ceil(5 * 0.4) = 2; 5 * 0.95 asks for a fifth image.
    assert Rule("conformal", 0.2).threshold(scores) == 4
    assert Rule("conformal", 0.6).threshold(scores) == 2
    assert Rule("conformal", 0.05).threshold(scores) == 4


@pytest.mark.parametrize(("n", "rate"), [(20, 0.1), (100, 0.1), (300, 0.05)])
def test_a_bound_allows_the_most_alarms_that_keep_the_rate(n, rate, rng):
    """SciPy's Clopper-Pearson interval is the second source."""
    scores = rng.permutation(n)
    alarms = int((scores > Rule("bound", rate).threshold(scores)).sum())
    bounds = [
        binomtest(k, n, alternative="less").proportion_ci(0.95).high
        for k in (alarms, alarms + 1)
    ]
    assert bounds[1] > rate
    assert bounds[0] <= rate or alarms == 0


def test_quantile_passes_the_share_it_names(rng):
    scores = rng.random(1000)
    for share in (0.5, 0.9, 0.99, 0.999):
        threshold = Rule("quantile", share).threshold(scores)
        assert (scores <= threshold).mean() == pytest.approx(share, abs=1e-9)


@pytest.mark.parametrize(
    ("rate", "needed"), [(0.01, 99), (0.05, 19), (0.1, 9), (0.5, 1), (1 / 3, 2)]
)
def test_images_needed_for_a_rate(rate, needed):
    assert images_needed(rate) == needed
    assert Rule("conformal", rate).shortfall(needed) is None
    assert f"at least {needed} good" in Rule("conformal", rate).shortfall(needed - 1)
    assert Rule("max").shortfall(1) is None


@pytest.mark.parametrize(
    "n", [19, 200, *[pytest.param(n, marks=pytest.mark.nightly) for n in (30, 99)]]
)
@pytest.mark.parametrize("rate", [0.05, 0.1, 0.25])
@pytest.mark.parametrize("tied", [False, True])
def test_conformal_false_alarms_stay_below_the_rate(n, rate, tied):
    """20,000 draws of n good scores and a new one, from a heavy-tailed distribution."""
    draws = np.random.default_rng(n).standard_cauchy((20_000, n + 1))
    draws = np.round(draws) if tied else draws
    rule, alarms, small = Rule("conformal", rate), 0, 0
    for row in draws:
        alarm = row[-1] > rule.threshold(row[:-1])
        small += (p_values(row[-1:], row[:-1]) <= rate).item()
        alarms += alarm
    noise = 3 * np.sqrt(rate * (1 - rate) / len(draws))
    assert small / len(draws) <= rate + noise
    assert alarms / len(draws) <= rate + noise
    if not tied:  # and no more cautious than the number of images makes it
        assert alarms / len(draws) >= rate - 1 / (n + 1) - noise


def test_p_values_by_hand():
    np.testing.assert_allclose(
        p_values([0.0, 2.0, 2.5, 9.0], [1, 2, 2, 3]), [1, 4 / 5, 2 / 5, 1 / 5]
    )


def test_an_image_above_a_conformal_threshold_has_a_small_p_value(rng):
    good, scores = rng.normal(size=60), rng.normal(size=500)
    for rate in (0.02, 0.1, 0.3):
        above = scores > Rule("conformal", rate).threshold(good)
        np.testing.assert_array_equal(above, p_values(scores, good) <= rate)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("quantile", None),
        ("quantile", 1.0),
        ("conformal", 0.0),
        ("conformal", 1.5),
        ("ksigma", None),
        ("ksigma", float("inf")),
    ],
)
def test_numbers_that_make_no_sense(name, number):
    with pytest.raises(UsageError, match=f"{name} takes a number"):
        Rule(name, number)


def test_words_for_a_person():
    assert str(Rule()) == "their highest score"
    assert str(Rule("conformal", 0.01)) == "conformal at a false-alarm rate of 0.01"
