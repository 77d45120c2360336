"""What the settings of methods and of the preparation can be.

Importing Keras would take seconds: names are typed here, and tests compare them with
the code.
"""

import inspect
import math
import typing
from collections.abc import Callable, Mapping
from typing import Any

from methods.backbones import BACKBONES
from methods.diffusion.presets import PRESETS as UNETS
from methods.engine.runtimes import FIT_RUNTIMES
from methods.engine.runtimes import KERAS as KERAS
from methods.padim.presets import PRESETS as GAUSSIANS

from .json_record import checked, shown

COLORS = ("grayscale", "rgb")
REGISTRATIONS = ("orb", "ecc")
LOSSES = ("ssim", "mssim", "l2")
CLUSTERINGS = ("kmeans", "hdbscan", "gmm", "agglomerative")
SCHEDULES = ("linear", "cosine")
NOISES = ("simplex", "gaussian")
CORRUPTIONS = ("defects", "blocks", "both")
PRECISIONS = ("auto", "float32", "bfloat16")
PRESETS = (*UNETS, *GAUSSIANS)
CHOICES = {
    "register": REGISTRATIONS,
    "loss": LOSSES,
    "cluster": CLUSTERINGS,
    "schedule": SCHEDULES,
    "noise_kind": NOISES,
    "precision": PRECISIONS,
    "corrupt_with": CORRUPTIONS,
    "preset": PRESETS,
    "fit_runtime": FIT_RUNTIMES,
    "channels": (1, 3),
}
RUNTIMES = (KERAS, "onnx", "openvino")  # what judges
LARGEST_SIDE = 16_384  # pixels of an image
# The lowest and the highest value of each setting that is a number. The highest are far
# beyond what helps: a mistake or a made file ends in one line, not in a full memory.
RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("size", "crop", "tile", "stride"), (1, LARGEST_SIDE)),
    **dict.fromkeys(("image_shape",), (1, LARGEST_SIDE)),
    "seed": (0, 2**32 - 1),
    "validation": (0.01, 0.9),
    "steps": (0, 10_000),
    "sigma": (0, 1000),
    "top": (0, 1),
    "latent": (1, 2**14),
    "corrupt": (0, 1),
    "width": (1, 512),
    "features": (1, 4096),
    "coreset": (1e-6, 1),
    "patches": (1, 10**8),
    "variance": (1e-6, 1),
    "known_defects": (0, 100),
    "shots": (1, 10_000),
    "rotations": (1, 360),
    "start": (1, 1000),
    "accumulate": (1, 10_000),
    **dict.fromkeys(("w", "eta", "w_adapt", "adapt_keep", "pixel_weight"), (0, 10**6)),
    "adapt": (0, 10_000),
    "adapt_rate": (0, 10),
    "frequency": (1e-3, 10**6),
    "octaves": (1, 32),
    "persistence": (0, 100),
    "repeats": (1, 1000),
    "batch_size": (1, 10_000),
    "epochs": (1, 10**6),
    "learning_rate": (1e-9, 10),
}


def check_settings(
    kind: Callable[..., Any], values: Mapping[str, Any], place: str
) -> None:
    """Raise a `ValueError` unless `kind` takes the values of a record as arguments.

    Args:
        kind: a class of ours, whose constructor has annotations.
        values: by argument, JSON-able.
        place: key in the file, for errors.
    """
    hints = typing.get_type_hints(kind.__init__)
    for name, value in values.items():
        if name not in inspect.signature(kind).parameters:
            raise ValueError(f"{place} holds {shown(name)}, which is unknown")
        value = list(value) if isinstance(value, tuple) else value  # of a new run
        value = checked(hints[name], value, f"{place}.{name}")
        if value is not None:
            _check_value(name, value, f"{place}.{name}")


def _check_value(name: str, value: Any, place: str) -> None:
    lowest, highest = RANGES.get(name, (-math.inf, math.inf))
    numbers = value if isinstance(value, tuple) else (value,)
    if name in RANGES and not all(lowest <= number <= highest for number in numbers):
        expected = f"{lowest} to {highest}"
    elif name == "backbone" and not {*value.split(",")} <= {*BACKBONES}:
        expected = f"one of {', '.join(BACKBONES)}, or several"
    elif name in CHOICES and value not in CHOICES[name]:
        expected = f"one of {', '.join(map(str, CHOICES[name]))}"
    elif name == "span" and not value[0] < value[1]:
        expected = "the lower number first"
    else:
        return
    raise ValueError(f"{place}: expected {expected}. Received: {shown(value)}")
