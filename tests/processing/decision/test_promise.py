import numpy as np
import pytest
from scipy.stats import binom, binomtest

from processing.decision.promise import allowed, trials_needed, upper_bound


@pytest.mark.parametrize(
    ("events", "trials"), [(0, 1), (0, 299), (3, 20), (20, 20), (7, 1000)]
)
def test_the_bound_is_that_of_scipy(events, trials):
    """Its two-sided interval of 90 % has both one-sided bounds of 95 %."""
    interval = binomtest(events, trials).proportion_ci(0.9, "exact")
    assert upper_bound(events, trials) == pytest.approx(interval.high, rel=1e-9)


def test_without_events_it_has_a_closed_form():
    assert upper_bound(0, 23) == pytest.approx(1 - 0.05 ** (1 / 23))
    assert upper_bound(0, 0) == 1
    with pytest.raises(ValueError, match=r"in \[0, 5\]. Received: 6"):
        upper_bound(6, 5)


def test_trials_that_a_rate_takes():
    assert [trials_needed(rate) for rate in (0.5, 0.05, 0.01)] == [5, 59, 299]
    for rate in (0.013, 0.2):
        needed = trials_needed(rate)
        assert upper_bound(0, needed) <= rate < upper_bound(0, needed - 1)


@pytest.mark.parametrize(("rate", "trials"), [(0.05, 58), (0.05, 59), (0.1, 200)])
def test_the_most_events_allowed(rate, trials):
    most = allowed(rate, trials)
    assert binom.cdf(most, trials, rate) <= 0.05 < binom.cdf(most + 1, trials, rate)


def test_a_threshold_at_an_order_statistic_keeps_its_bound(rng):
    """In at least 95 % of samples; more, for a number of events is whole."""
    scores = np.sort(rng.random((4000, 100)), axis=1)
    most = allowed(0.1, 100)
    beyond = 1 - scores[:, -1 - most]  # the true rate above that score
    assert 0.95 <= (beyond <= 0.1).mean() < 0.99
