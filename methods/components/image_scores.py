"""The score of an image, of its anomaly map."""

import math
from typing import Any

from keras import ops

TOP = 0.01  # of a map, as in Dinomaly


def image_scores(maps: Any, top: float) -> Any:
    """Return the mean (n,) of the highest values of symbolic maps (n, ..., h, w).

    Fewer of a map's values depend on one pixel than its maximum does (Guo et al. 2025,
    Dinomaly, arXiv 2405.14325).

    Args:
        maps: of the images.
        top: the share of the values that count, at least one; 0 for the highest alone.
    """
    if not top:
        return ops.max(maps, axis=(-2, -1))
    *stack, height, width = maps.shape[1:]
    values = ops.reshape(maps, (-1, *stack, height * width))
    highest, _ = ops.top_k(values, math.ceil(top * height * width))
    return ops.mean(highest, axis=-1)
