"""What a rate that was seen on few images says of all images: one-sided bounds."""

import math

LEVEL = 0.95
# Of a pair that was chosen on the same images among very many: in simulations of such
# choices the true rates are then below their bounds in about 95 % of cases.
LEVEL_OF_CHOICE = 0.99


def upper_bound(events: int, trials: int, level: float = LEVEL) -> float:
    """Return the upper bound of a rate, of so many events in so many trials.

    That of Clopper and Pearson (1934), one-sided: whatever the true rate, it is above
    the bound in at most 1 - `level` of all samples. It holds as well for the share of
    images beyond the (`events` + 1)-th highest of `trials` scores (Wilks 1941).

    Args:
        events: of `trials`, at least 0.
        trials: without any the bound is 1.
        level: of confidence, in (0, 1).
    """
    if not 0 <= events <= trials:
        raise ValueError(f"`events` must be in [0, {trials}]. Received: {events}")
    if events == trials:
        return 1.0
    from scipy.special import betaincinv  # slow to import

    return float(betaincinv(events + 1, trials - events, level))


def allowed(rate: float, trials: int, level: float = LEVEL) -> int:
    """Return the most events in so many trials whose bound is at most `rate`.

    -1 if there are too few trials for any.
    """
    low, high = -1, trials
    while high - low > 1:  # the bound rises with the events
        middle = (low + high) // 2
        if upper_bound(middle, trials, level) <= rate:
            low = middle
        else:
            high = middle
    return low


def trials_needed(rate: float, level: float = LEVEL) -> int:
    """Return how many trials without an event bound a rate, in (0, 1), by `rate`."""
    return math.ceil(math.log(1 - level) / math.log(1 - rate) - 1e-9)
