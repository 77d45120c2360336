"""Conformal test martingales: has the distribution of a stream of values changed?"""

import hashlib
import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable

import numpy as np

from .regions import FloatArray

LARGEST_BAG = 10_000  # values, 80 kB
JUMP = 0.01  # share of the capital that changes sides before a bet
SIDES = np.array([-1.0, 0.0, 1.0])  # bets on small p-values, on none, on large ones


class Bag:
    """Earlier values of a stream, among which each new one has its rank.

    Of exchangeable values the p-values are independent and uniform (Vovk, "Testing
    randomness online", Statistical Science 36(4), 2021, arXiv 1906.09256). So they are
    where a full bag then drops any of its values, the new one included, with the same
    probability: given what was in the bag before that, the rank of the new one tells
    nothing of what stays.

    Args:
        values: that the stream is compared with from the start.
        most: values that are kept; all of `values` are.
    """

    def __init__(self, values: Iterable[float] = (), most: int = LARGEST_BAG):
        self.values = sorted(float(x) for x in values)
        self.most = max(most, len(self.values), 1)

    def p_value(self, value: float, tie: float, dropped: float) -> float:
        """Return the share of values above a new one, ties at random, and take it in.

        Args:
            value: the new one.
            tie: uniform on [0, 1), where among equal ones it stands.
            dropped: uniform on [0, 1), which value leaves a full bag.
        """
        above = len(self.values) - bisect_right(self.values, value)
        equal = len(self.values) - above - bisect_left(self.values, value) + 1
        insort(self.values, value)
        p_value = (above + tie * equal) / len(self.values)
        if len(self.values) > self.most:
            del self.values[int(dropped * len(self.values))]
        return p_value


class Jumper:
    """A martingale if the p-values it bets on are independent and uniform.

    The Simple Jumper (Vovk et al., "Retrain or not retrain", 2021, arXiv 2102.10439,
    algorithm 1) starts with C_e = 1/3 and, at each p-value p, with C the sum:

        C_e <- (1 - J) C_e + J C / 3,   C_e <- C_e (1 + e (p - 1/2)),   e in {-1, 0, 1}

    Here one starts before each photo n, with 1 / (n (n + 1)) of the capital: a mixture
    of martingales, hence one, which never falls below 1 / (n + 1) however long nothing
    changes. By Ville's inequality it ever reaches 1 / alpha with a probability of at
    most alpha.

    Attributes:
        shares: (4,) of the capital: C_e by `SIDES`, and what has not been bet yet.
        log: natural logarithm of the capital.
        count: p-values so far.
    """

    def __init__(self) -> None:
        self.shares = np.array([0.0, 0.0, 0.0, 1.0])
        self.log = 0.0
        self.count = 0

    def bet(self, p_value: float) -> float:
        """Return the decimal logarithm of the capital after a bet."""
        self.count += 1
        capitals, waiting = self.shares[:3], self.shares[3]
        capitals = capitals + waiting / (self.count + 1) / 3
        capitals = (1 - JUMP) * capitals + JUMP * capitals.sum() / 3
        capitals *= 1 + SIDES * (p_value - 0.5)
        waiting *= self.count / (self.count + 1)
        total = capitals.sum() + waiting
        self.shares = np.append(capitals, waiting) / total
        self.log += math.log(total)
        return self.log10

    @property
    def log10(self) -> float:
        """Decimal logarithm of the capital."""
        return self.log / math.log(10)


class Chart:
    """The capital of a `Jumper` on the values of a stream, from a `Bag`.

    Args:
        values: see `Bag`.
        two_sided: whether values that are unusually low are as suspicious as high ones
            from the first bet on: then bets are on 2 min(p, 1 - p).
    """

    def __init__(self, values: Iterable[float] = (), two_sided: bool = False):
        self.bag = Bag(values)
        self.jumper = Jumper()
        self.two_sided = two_sided

    def add(self, value: float, key: str) -> float:
        """Return the decimal logarithm of the capital with a value.

        Args:
            value: of the stream.
            key: that no other value of this chart has; it stands for chance, so that
                the same values and keys give the same capital again.
        """
        p_value = self.bag.p_value(value, *chances(key))
        if self.two_sided:
            p_value = 2 * min(p_value, 1 - p_value)
        return self.jumper.bet(p_value)


def chances(key: str) -> tuple[float, float]:
    """Return two numbers, uniform on [0, 1), that follow from a text."""
    digest = hashlib.sha256(key.encode("utf-8", "backslashreplace")).digest()
    one, other = (int.from_bytes(digest[i : i + 8], "big") >> 11 for i in (0, 8))
    return one / 2**53, other / 2**53


def alarm_line(alpha: float, charts: int) -> float:
    """Return the decimal logarithm of the capital at which a chart alarms.

    That is `charts` / `alpha` (Bonferroni): of so many charts, any one ever alarms
    without a change with a probability of at most `alpha`.
    """
    return math.log10(charts / alpha)


def below(values: Iterable[float], threshold: float) -> FloatArray:
    """Return the scores that good images of a stream can be compared with.

    Photos that are judged good by a fixed threshold, and have scores below it, are
    exchangeable with these even where the threshold is one of the scores, as the rules
    "max", "quantile", "conformal" and "bound" of `Rule` choose it: given which one it
    is, those below it are a sample of the distribution below it.
    """
    found = np.asarray(list(values), np.float64)
    return found[found < threshold]
