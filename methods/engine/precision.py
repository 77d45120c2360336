"""Choose the dtype policy of a training run by timing it on this machine."""

import logging
import math
import time

import numpy as np
from keras import ops

from .optimizer import on_gpu

PRECISIONS = ("auto", "float32", "bfloat16")
WORTH_IT = 1.3  # how many times as fast bfloat16 has to be

log = logging.getLogger(__name__)


def _gain(rounds: int = 10) -> float:
    """Return how many times as fast a typical convolution is in bfloat16.

    Both take turns and the best time of each counts, so that other work on the machine
    does not decide.
    """
    best = dict.fromkeys(("float32", "bfloat16"), math.inf)
    side = 512 if on_gpu() else 64  # what a GPU does in less time than a call takes
    pixels = np.ones((8, side, side, 32), "f4")
    weights = np.ones((5, 5, 32, 64), "f4")
    for _ in range(rounds):
        for dtype in best:
            images, kernel = ops.cast(pixels, dtype), ops.cast(weights, dtype)
            start = time.perf_counter()
            ops.convert_to_numpy(ops.cast(ops.conv(images, kernel)[0, 0], "float32"))
            best[dtype] = min(best[dtype], time.perf_counter() - start)
    return best["float32"] / best["bfloat16"]


def choose_policy(precision: str) -> str:
    """Return the Keras dtype policy for `precision`, and log why.

    "auto" takes bfloat16 where a convolution runs at least 1.3 times as fast in it.
    Weights, losses and everything after training stay in float32 either way.
    """
    if precision != "auto":
        return "mixed_bfloat16" if precision == "bfloat16" else precision
    gain = _gain()
    policy = "mixed_bfloat16" if gain >= WORTH_IT else "float32"
    log.info("precision: %s (bfloat16 runs %.1f times as fast here)", policy, gain)
    return policy
