"""Choose the dtype policy of a training run by timing it on this machine."""

import logging
import math
import re
import time
from pathlib import Path

import numpy as np
from keras import ops

from .optimizer import on_gpu

PRECISIONS = ("auto", "float32", "bfloat16")
WORTH_IT = 1.3  # how many times as fast bfloat16 has to be
CPU_FLAGS = {"avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16", "svebf16"}  # Linux
CPU_INFO = Path("/proc/cpuinfo")

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


def _lacks_bfloat16() -> bool:
    """Return whether the processor computes, and is known to have no bfloat16."""
    if on_gpu():
        return False
    try:
        text = CPU_INFO.read_text("ascii", errors="replace")
    except OSError:  # not Linux
        return False
    known = re.findall(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    return bool(known) and not any(CPU_FLAGS & {*flags.split()} for flags in known)


def choose_policy(precision: str) -> str:
    """Return the Keras dtype policy for `precision`, and log why.

    "auto" takes bfloat16 where a convolution runs at least 1.3 times as fast in it,
    which is not timed on a processor without it.
    Weights, losses and everything after training stay in float32 either way.
    """
    if precision != "auto":
        return "mixed_bfloat16" if precision == "bfloat16" else precision
    if _lacks_bfloat16():
        log.info("precision: float32 (this processor has no bfloat16)")
        return "float32"
    gain = _gain()
    policy = "mixed_bfloat16" if gain >= WORTH_IT else "float32"
    log.info("precision: %s (bfloat16 runs %.1f times as fast here)", policy, gain)
    return policy
