"""Calibration on held-out good images: thresholds and p-values."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from processing.errors import UsageError

from .promise import allowed
from .regions import AreaCurve, FloatArray, envelope

# Smallest defect without examples: 0.05 % of the image, 33 pixels of 256 x 256.
AREA_SHARE = 0.0005
RULES = ("max", "quantile", "ksigma", "conformal", "bound")


def smallest_defect(image_shape: tuple[int, ...]) -> int:
    """Return the default minimum area, in pixels, without defective images."""
    return max(1, round(AREA_SHARE * image_shape[0] * image_shape[1]))


@dataclass(frozen=True, eq=False)
class GoodImages:
    """Statistics of the good validation images that a decision needs.

    Args:
        envelope: pointwise maximum of their area curves.
        typical: (k,) their mean critical threshold at each area 1, 2, ..., k.
        scores: (n,) the critical threshold of each image at `min_area`: with regions
            of so many pixels counting, it is good from this threshold upward.
        min_area: the smallest region that counts in `scores`, in pixels.
    """

    envelope: AreaCurve
    typical: FloatArray
    scores: FloatArray
    min_area: int

    @classmethod
    def of(
        cls,
        curves: Iterable[AreaCurve],
        max_area: int,
        min_area: int = 1,
        table: FloatArray | None = None,
    ) -> "GoodImages":
        """Collect from the images' area curves, one in memory at a time.

        Args:
            curves: at least one.
            max_area: largest area to know the critical thresholds of, in pixels.
            min_area: at most `max_area`.
            table: (n or more, k), k at most `max_area`, to be filled with their
                critical thresholds.
        """
        highest: AreaCurve | None = None
        total, scores = np.zeros(max_area), []
        for row, curve in enumerate(curves):
            highest = envelope([highest, curve] if highest else [curve])
            critical = curve.critical_thresholds(max_area)
            total += critical
            if table is not None:
                table[row] = critical[: table.shape[1]]
            scores.append(critical[min_area - 1])
        if highest is None:
            raise ValueError("`curves` must hold at least one curve. Received: none")
        return cls(highest, total / len(scores), np.array(scores), min_area)


@dataclass(frozen=True)
class Rule:
    """Threshold rule on the scores of held-out good images.

    Args:
        name: "max", their highest score; "quantile", the smallest score that a share
            `number` of the images does not exceed; "ksigma", mean + `number` standard
            deviations; "conformal", the smallest score that keeps the rate of false
            alarms at or below `number` for images exchangeable with these (Vovk et
            al. 2005; Bates et al. 2023, arXiv 2104.08279); "bound", that which does so
            with 95 % confidence.
        number: of the rule; "max" has none.
    """

    name: str = "max"
    number: float | None = None

    def __post_init__(self) -> None:
        number = math.nan if self.number is None else self.number
        if self.name == "ksigma" and not math.isfinite(number):
            raise UsageError(f"ksigma takes a number of deviations. Received: {number}")
        if self.name in ("quantile", "conformal", "bound") and not 0 < number < 1:
            raise UsageError(
                f"{self.name} takes a number between 0 and 1. Received: {number}"
            )

    def __str__(self) -> str:
        return {
            "max": "their highest score",
            "quantile": f"the {self.number} quantile of their scores",
            "ksigma": f"mean + {self.number} standard deviations of their scores",
            "conformal": f"conformal at a false-alarm rate of {self.number}",
            "bound": f"at most {self.number} false alarms, with 95 % confidence",
        }[self.name]

    def threshold(self, scores: npt.ArrayLike) -> float:
        """Return the threshold above which a score is defective, from (n,) good ones.

        With fewer images than `images_needed` no score keeps a conformal rate; then
        it is the highest.
        """
        scores = np.sort(np.asarray(scores, np.float64))
        n, number = len(scores), self.number or 0.0
        if self.name == "ksigma":
            deviation = scores.std(ddof=1) if n > 1 else 0.0
            return float(scores.mean() + number * deviation)
        ranks = {"max": n, "quantile": number * n, "conformal": (n + 1) * (1 - number)}
        if self.name == "bound":
            ranks["bound"] = n - max(0, allowed(number, n))
        rank = math.ceil(ranks[self.name] - 1e-9)  # 2.0000000001 by rounding is 2
        return float(scores[min(max(rank, 1), n) - 1])

    def shortfall(self, n: int) -> str | None:
        """Return why `n` images are too few for a conformal rate, if they are."""
        if self.name != "conformal" or n >= images_needed(self.number or 0.0):
            return None
        return (
            f"a false-alarm rate of {self.number} takes at least "
            f"{images_needed(self.number or 0.0)} good validation images, there are "
            f"{n}: the threshold is their highest score, which keeps {1 / (n + 1):.3f}"
        )


def images_needed(false_alarm: float) -> int:
    """Return how many good images a conformal threshold for that rate takes."""
    return math.ceil(1 / false_alarm - 1e-9) - 1


def p_values(scores: npt.ArrayLike, good_scores: npt.ArrayLike) -> FloatArray:
    """Return the conformal p-values of scores, (m,).

    They are (1 + number of `good_scores` at or above it) / (n + 1): for
    images exchangeable with the n good ones it is at most p with probability p.

    Args:
        scores: (m,) of new images.
        good_scores: (n,) of held-out good images.
    """
    ascending = np.sort(np.asarray(good_scores, np.float64))
    above = len(ascending) - np.searchsorted(ascending, scores, "left")
    return (1 + above) / (len(ascending) + 1)
