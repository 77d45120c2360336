from itertools import product

import numpy as np
import pytest
from scipy import stats

from processing.decision.drift import (
    JUMP,
    Bag,
    Chart,
    Jumper,
    alarm_line,
    below,
    chances,
)


def stream(seed, *parts):
    """Return normal values, of a mean each `(count, mean)`."""
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(mean, 1, count) for count, mean in parts])


def logs(values, seed=0, *options):
    chart = Chart(*options)
    return [chart.add(x, f"{seed} {i}") for i, x in enumerate(values)]


def test_p_values_are_ranks_with_ties_at_random():
    values, bag = [3.0, 1.0, 2.0, 2.0, 5.0, 2.0], Bag()
    for n, value in enumerate(values):
        seen = np.array(values[: n + 1])
        tie = (n + 1) / 7
        expected = ((seen > value).sum() + tie * (seen == value).sum()) / len(seen)
        assert bag.p_value(value, tie, 0) == pytest.approx(expected)
    assert bag.values == sorted(values)


@pytest.mark.parametrize("digits", [0, 8])
def test_p_values_of_a_small_bag_are_uniform_and_independent(digits):
    rng = np.random.default_rng(5)
    bag, p_values = Bag(most=3), []
    for value in rng.normal(size=6000).round(digits):
        p_values.append(bag.p_value(value, *rng.random(2)))
    assert len(bag.values) == 3
    assert stats.kstest(p_values, "uniform").pvalue > 0.01
    for lag in (1, 2):
        assert stats.spearmanr(p_values[lag:], p_values[:-lag]).pvalue > 0.01
    pairs, _, _ = np.histogram2d(p_values[1::2], p_values[::2], 4, [[0, 1]] * 2)
    assert stats.chisquare(pairs.ravel()).pvalue > 0.01


def test_the_oldest_value_leaving_would_not_do():
    """What `Bag` does not do: such p-values depend on each other."""
    values = np.random.default_rng(5).normal(size=20000)
    p_values = [(values[i - 3 : i] > values[i]).mean() for i in range(3, len(values))]
    assert stats.spearmanr(p_values[1:], p_values[:-1]).pvalue < 1e-6


def test_the_capital_is_the_sum_over_all_starts_and_ways_to_jump():
    p_values = [0.1, 0.9, 0.2, 0.05]
    jumper = Jumper()
    found = [jumper.bet(p) for p in p_values]
    for n in range(1, len(p_values) + 1):
        total = 1 / (n + 1)
        for start in range(1, n + 1):
            bets = p_values[start - 1 : n]
            for sides in product((-1, 0, 1), repeat=len(bets)):
                chance = np.prod(
                    [JUMP / 3 + (1 - JUMP) * (a == b)
                     for a, b in zip(sides, sides[1:], strict=False)]
                ) / 3  # fmt: skip
                factors = [1 + e * (p - 0.5) for e, p in zip(sides, bets, strict=True)]
                total += chance * np.prod(factors) / (start * (start + 1))
        assert 10 ** found[n - 1] == pytest.approx(total)


def test_one_bet_is_fair():
    rng = np.random.default_rng(2)
    jumper = Jumper()
    for p in rng.random(20):
        jumper.bet(p)
    state = jumper.shares, jumper.log, jumper.count
    capitals = []
    for p in (np.arange(100) + 0.5) / 100:
        jumper.shares, jumper.log, jumper.count = state
        capitals.append(10 ** jumper.bet(p))
    assert np.mean(capitals) == pytest.approx(np.exp(state[1]))


def test_false_alarms_are_no_more_than_villes_bound():
    rng, alpha, trials = np.random.default_rng(3), 0.25, 1000
    highest = np.zeros(trials)
    for trial, p_values in enumerate(rng.random((trials, 100))):
        jumper = Jumper()
        highest[trial] = max(jumper.bet(p) for p in p_values)
    bound = stats.binom.ppf(0.999, trials, alpha)
    assert 0 < (highest >= alarm_line(alpha, 1)).sum() <= bound


def test_the_capital_does_not_fall_without_end():
    values = stream(0, (3000, 0))
    found = np.array(logs(values))
    assert (found >= -np.log10(np.arange(3000) + 2)).all()
    assert found[-1] < 0


@pytest.mark.parametrize("two_sided", [False, True])
@pytest.mark.parametrize("mean", [-1.5, 1.5])
def test_a_change_is_found(mean, two_sided):
    line = alarm_line(0.01, 4)
    found = logs(stream(4, (1000, 0), (100, mean)), 0, (), two_sided)
    assert max(found[:1000]) < line < max(found[1000:])


def test_values_of_before_the_stream_make_a_change_at_its_start_known():
    values = stream(6, (60, 2))
    assert max(logs(values)) < 1
    assert max(logs(values, 0, stream(7, (300, 0)))) > alarm_line(0.01, 4)


def test_a_full_bag_forgets_with_the_time():
    bag = Bag(range(100), most=10)
    assert bag.most == 100
    rng = np.random.default_rng(8)
    for value in range(1000, 1500):
        bag.p_value(value, *rng.random(2))
    assert len(bag.values) == 100
    assert 0 < len([x for x in bag.values if x >= 1400]) < 100


def test_chance_follows_from_the_key():
    assert logs(stream(9, (50, 0)), 1) == logs(stream(9, (50, 0)), 1)
    assert logs(stream(9, (50, 0)), 1) != logs(stream(9, (50, 0)), 2)
    found = np.array([chances(f"{i} \udc80") for i in range(4000)])
    assert found.min() >= 0
    assert found.max() < 1
    assert stats.kstest(found[:, 0], "uniform").pvalue > 0.01
    assert stats.kstest(found[:, 1], "uniform").pvalue > 0.01
    assert abs(np.corrcoef(found.T)[0, 1]) < 0.05


def test_scores_below_a_threshold_that_is_one_of_them():
    """Ranks of what is judged good are uniform among them, and not with it."""
    rng = np.random.default_rng(10)
    ranks = {True: [], False: []}
    for _ in range(4000):
        scores = rng.normal(size=5)
        new = rng.normal()
        if new < scores.max():
            for strict, found in ranks.items():
                kept = below(scores, scores.max()) if strict else scores
                found.append(Bag(kept).p_value(new, *rng.random(2)))
    assert stats.kstest(ranks[True], "uniform").pvalue > 0.01
    assert stats.kstest(ranks[False], "uniform").pvalue < 1e-6
