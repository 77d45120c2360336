"""The learning-rate curve of a network, and the rate to choose (arXiv 1506.01186)."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from methods.base import Run

from .measured import recall, remember
from .optimizer import ShapedAdam, compile_trainer, geometric
from .progress_bar import tracked
from .settings import FALLBACK, Settings

STEPS = 200  # of a search, at most
FEWEST = 50
SHARE = 0.1  # of the training's steps, at most, unless they are fewer than `FEWEST`
START = 1e-5
END = 1e-2  # some losses still fall beyond it, but no training with Adam is good there
REACH = 0.1  # share of the steps over which losses are averaged
DIVERGED = 6.0  # times the best smoothed loss
DROP = 0.85  # share of the whole fall of the loss that marks the rate
PEAK = 1.5  # times the marked rate: still below that of the lowest loss
HIGHEST = 1e-3  # that is chosen: beyond, losses fall at first, and networks die later

KIND = "learning_rate"  # of what is remembered

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RateCurve:
    """The rates tried, the smoothed loss at each, and the rate chosen from them."""

    rates: np.ndarray
    losses: np.ndarray
    chosen: float


def smooth(losses: Iterable[float], kept: float = 0.95) -> np.ndarray:
    """Return the exponential moving average of `losses`, corrected for its start.

    Args:
        losses: one a step.
        kept: share of the average that is kept at each step.
    """
    average, result = 0.0, []
    for step, loss in enumerate(losses, 1):
        average = kept * average + (1 - kept) * loss
        result.append(average / (1 - kept**step))
    return np.array(result)


def steps_for(planned: int) -> int:
    """Return the steps of the search for a training of so many planned steps."""
    return min(STEPS, max(FEWEST, round(SHARE * planned)))


def choose_rate(rates: np.ndarray, losses: np.ndarray) -> float:
    """Return 1.5 times the first rate that reaches 85 % of the whole fall of the loss.

    It is at most 1e-3, as Adam's authors have it (arXiv 1412.6980). Only finite losses
    up to the lowest one count. Without a fall it is 1e-3, and a warning is logged.
    """
    finite = np.isfinite(losses)
    rates, losses = rates[finite], losses[finite]
    if losses.size:
        rates, losses = (a[: np.argmin(losses) + 1] for a in (rates, losses))
        target = losses.max() - DROP * (losses.max() - losses.min())
        reached = rates[losses < target]
        if reached.size:
            return min(HIGHEST, PEAK * float(reached[0]))
    log.warning(
        "the learning-rate curve shows no fall of the loss; taking %g", FALLBACK
    )
    return FALLBACK


def rate_for(
    trainer: keras.Model,
    batches: keras.utils.PyDataset,
    settings: Settings,
    subject: Mapping[str, Any],
    run: Run | None = None,
    *,
    anew: bool = False,
) -> tuple[float, str]:
    """Return a learning rate, and in words where it comes from.

    It is that of `settings`, the one that was found before for the same subject, or one
    that is searched for now.

    Args:
        trainer: not compiled; its variables stay as they are.
        batches: to learn from.
        settings: how to train.
        subject: what a rate is remembered for, JSON-able.
        run: where to report the curve of a search.
        anew: search even if a rate is remembered.
    """
    if settings.learning_rate is not None:
        return settings.learning_rate, "given"
    steps = steps_for(len(batches) * settings.planned)
    subject = {**subject, "steps": steps, "highest": HIGHEST}
    known = None if anew else recall(KIND, subject)
    if known:
        log.info(
            "learning rate: %.2g, as found on %s for the same network (--search-rate "
            "searches anew)",
            *known,
        )
        return known.value, f"found on {known.date}"
    log.info("learning rate: searched for in %d steps", steps)
    curve = find_learning_rate(trainer, batches, steps)
    if run:
        run.report_learning_rate(curve)
    remember(KIND, subject, curve.chosen)
    return curve.chosen, "searched"


def find_learning_rate(
    trainer: keras.Model, batches: keras.utils.PyDataset, steps: int = STEPS
) -> RateCurve:
    """Train from a rate of 1e-5 to 1e-2 over `steps` batches; choose a rate.

    It ends early where the loss is not finite or beyond six times the best
    one. All variables of `trainer` are restored; it has to be compiled again.
    """
    before = [np.array(variable) for variable in trainer.variables]
    compile_trainer(trainer, ShapedAdam(START, geometric(END / START, steps)))
    kept = 1 - 1 / (REACH * steps)
    losses: list[float] = []
    for step in tracked(range(steps), steps, "learning rate"):
        batch = batches[step % len(batches)]
        losses.append(float(trainer.train_on_batch(batch)))
        smoothed = smooth(losses, kept)
        if not np.isfinite(losses[-1]) or smoothed[-1] > DIVERGED * smoothed.min():
            break
    for variable, value in zip(trainer.variables, before, strict=True):
        variable.assign(value)
    rates = START * (END / START) ** (np.arange(len(losses)) / max(steps - 1, 1))
    smoothed = smooth(losses, kept)
    return RateCurve(rates, smoothed, choose_rate(rates, smoothed))
