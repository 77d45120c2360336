"""Choose the arithmetic of a training by timing it on this machine."""

import logging
import time

import numpy as np
from keras import ops

PRECISIONS = ("auto", "float32", "bfloat16")
WORTH_IT = 1.3  # how many times as fast bfloat16 has to be

log = logging.getLogger(__name__)


def _seconds(dtype: str, rounds: int = 3) -> float:
    """Return the best time of a typical convolution in `dtype`."""
    images = ops.cast(np.ones((8, 64, 64, 32), "float32"), dtype)
    kernel = ops.cast(np.ones((5, 5, 32, 64), "float32"), dtype)
    times = []
    for _ in range(rounds + 1):  # the first one warms up
        start = time.perf_counter()
        ops.convert_to_numpy(ops.cast(ops.conv(images, kernel)[0, 0, 0], "float32"))
        times.append(time.perf_counter() - start)
    return min(times[1:])


def choose_policy(precision: str) -> str:
    """Return the Keras dtype policy for `precision`, and log why.

    "auto" takes bfloat16 where a convolution runs at least 1.3 times as fast in it.
    Weights, losses and everything after training stay in float32 either way.
    """
    if precision != "auto":
        return "mixed_bfloat16" if precision == "bfloat16" else precision
    gain = _seconds("float32") / _seconds("bfloat16")
    policy = "mixed_bfloat16" if gain >= WORTH_IT else "float32"
    log.info("precision: %s (bfloat16 runs %.1f times as fast here)", policy, gain)
    return policy
