"""Choose the dtype policy of a training run by timing it on this machine."""

import logging
import math
import os
import platform
import re
import time
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np
from keras import ops

from .backend import BACKENDS
from .measured import recall, remember
from .optimizer import on_gpu

PRECISIONS = ("auto", "float32", "bfloat16")
WORTH_IT = 1.3  # how many times as fast bfloat16 has to be
CPU_FLAGS = {"avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16", "svebf16"}  # Linux
CPU_INFO = Path("/proc/cpuinfo")
LIMIT = "ONEDNN_MAX_CPU_ISA"  # variable that keeps TensorFlow from newer instructions
WITHOUT = {"SSE41", "AVX", "AVX2", "AVX2_VNNI"}  # its values that have no bfloat16
KIND = "bfloat16_gain"  # of what is remembered

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
    """Return whether the processor computes, and is known to use no bfloat16."""
    if on_gpu():
        return False
    if os.environ.get(LIMIT, "").upper() in WITHOUT:
        return True
    known = _cpu_lines("flags|Features")
    return bool(known) and not any(CPU_FLAGS & {*flags.split()} for flags in known)


def _cpu_lines(keys: str) -> list[str]:
    """Return what Linux says of each core under keys such as "flags|Features"."""
    try:
        text = CPU_INFO.read_text("ascii", errors="replace")
    except OSError:  # not Linux
        return []
    return re.findall(rf"^(?:{keys})\s*:(.*)$", text, re.MULTILINE)


def _known_gain() -> tuple[float, str]:
    """Return the gain, and when it was measured: now, or before on this processor."""
    if on_gpu():  # Keras does not say of which model it is
        return _gain(), "here"
    backend = keras.backend.backend()
    flags = [*_cpu_lines("flags|Features"), ""][0].split()
    subject = {
        "processor": [*_cpu_lines("model name"), platform.processor()][0].strip(),
        "bfloat16": sorted(CPU_FLAGS & {*flags}),  # a virtual machine may hide some
        "limit": os.environ.get(LIMIT, ""),
        "backend": f"{backend} {version(BACKENDS[backend])}",
    }
    known = recall(KIND, subject)
    if known:
        return known.value, f"here, as measured on {known.date}"
    gain = _gain()
    remember(KIND, subject, gain)
    return gain, "here"


def choose_policy(precision: str) -> str:
    """Return the Keras dtype policy for `precision`, and log why.

    "auto" takes bfloat16 where a convolution runs at least 1.3 times as fast in it,
    which is timed once for each processor and version of the backend, and not on a
    processor without it.
    Weights, losses and everything after training stay in float32 either way.
    """
    if precision != "auto":
        return "mixed_bfloat16" if precision == "bfloat16" else precision
    if _lacks_bfloat16():
        log.info("precision: float32 (no bfloat16 on this processor)")
        return "float32"
    gain, where = _known_gain()
    policy = "mixed_bfloat16" if gain >= WORTH_IT else "float32"
    message = "precision: %s (bfloat16 runs %.1f times as fast %s)"
    log.info(message, policy, gain, where)
    return policy
