"""The learning-rate curve of a network, and the rate to choose (arXiv 1506.01186)."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

import keras
import numpy as np

from .optimizer import ShapedAdam, compile_trainer, geometric
from .progress_bar import tracked
from .settings import FALLBACK

STEPS = 200
START = 1e-5
END = 1e-2  # some losses still fall beyond it, but no training with Adam is good there
SMOOTHING = 0.95
DIVERGED = 6.0  # times the best smoothed loss
DROP = 0.85  # share of the whole fall of the loss that marks the rate
PEAK = 1.5  # times the marked rate: still below that of the lowest loss

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RateCurve:
    """The rates tried, the smoothed loss at each, and the rate chosen from them."""

    rates: np.ndarray
    losses: np.ndarray
    chosen: float


def smooth(losses: Iterable[float]) -> np.ndarray:
    """Return the exponential moving average of `losses`, corrected for its start."""
    average, result = 0.0, []
    for step, loss in enumerate(losses, 1):
        average = SMOOTHING * average + (1 - SMOOTHING) * loss
        result.append(average / (1 - SMOOTHING**step))
    return np.array(result)


def choose_rate(rates: np.ndarray, losses: np.ndarray) -> float:
    """Return 1.5 times the first rate that reaches 85 % of the whole fall of the loss.

    Only finite losses up to the lowest one count. Without a fall it returns 1e-3 and
    logs a warning.
    """
    finite = np.isfinite(losses)
    rates, losses = rates[finite], losses[finite]
    if losses.size:
        rates, losses = (a[: np.argmin(losses) + 1] for a in (rates, losses))
        target = losses.max() - DROP * (losses.max() - losses.min())
        reached = rates[losses < target]
        if reached.size:
            return PEAK * float(reached[0])
    log.warning(
        "the learning-rate curve shows no fall of the loss; taking %g", FALLBACK
    )
    return FALLBACK


def find_learning_rate(
    trainer: keras.Model, batches: keras.utils.PyDataset, steps: int | None = None
) -> RateCurve:
    """Train from a rate of 1e-5 to 1e-2 over `steps` (200) batches; choose a rate.

    It ends early where the loss is not finite or beyond six times the best
    one. All variables of `trainer` are restored; it has to be compiled again.
    """
    steps = steps or STEPS
    before = [np.array(variable) for variable in trainer.variables]
    compile_trainer(trainer, ShapedAdam(START, geometric(END / START, steps)))
    losses: list[float] = []
    for step in tracked(range(steps), steps, "learning rate"):
        batch = batches[step % len(batches)]
        losses.append(float(trainer.train_on_batch(batch)))
        smoothed = smooth(losses)
        if not np.isfinite(losses[-1]) or smoothed[-1] > DIVERGED * smoothed.min():
            break
    for variable, value in zip(trainer.variables, before, strict=True):
        variable.assign(value)
    rates = START * (END / START) ** (np.arange(len(losses)) / max(steps - 1, 1))
    smoothed = smooth(losses)
    return RateCurve(rates, smoothed, choose_rate(rates, smoothed))
