"""Pull the good pixels of all images together, and away from the defective ones."""

from typing import Any

import keras
from keras import ops

SAMPLES = 256  # pixels of each kind of an image that are compared, at most
TEMPERATURE = 0.1
SHARE = 0.25  # of a cell of the grid that makes it defective


def info_nce(queries: Any, negatives: Any, good: Any, defective: Any) -> Any:
    """Return the mean InfoNCE loss of a batch (Wu et al. 2023, arXiv 2308.09307).

    A good pixel's positive is its mean cosine with the other good ones of its image;
    its negatives are the cosines with the defective ones. Images without a defective
    or without two good pixels do not count; without any other the loss is 0.

    Args:
        queries: (n, q, d) of length 1.
        negatives: (n, k, d) of length 1.
        good: (n, q), 1 for the queries that are to count, else 0.
        defective: (n, k), 1 for the negatives that are to count, else 0.
    """
    good, defective = (ops.cast(x, queries.dtype) for x in (good, defective))
    count = ops.sum(good, axis=1, keepdims=True)  # (n, 1)
    total = ops.einsum("nqd,nq->nd", queries, good)
    others = ops.einsum("nqd,nd->nq", queries, total) - 1
    positive = others / ops.maximum(count - 1, 1) / TEMPERATURE  # (n, q)
    cosines = ops.einsum("nqd,nkd->nqk", queries, negatives) / TEMPERATURE
    counted = ops.where(defective[:, None] > 0, cosines, -1e9)
    against = ops.logsumexp(counted, axis=2)  # (n, q)
    losses = ops.softplus(against - positive) * good  # -log of the softmax
    image = ops.sum(losses, axis=1) / ops.maximum(count[:, 0], 1)
    both = (count[:, 0] > 1) & (ops.sum(defective, axis=1) > 0)
    both = ops.cast(both, image.dtype)
    return ops.sum(image * both) / ops.maximum(ops.sum(both), 1)


def on_cells(masks: Any, grid: tuple[int, int]) -> tuple[Any, Any]:
    """Return which cells of the grid are good and which defective, float (n, cells).

    Cells that are only touched by a defect are neither. `masks` are (n, h, w).
    """
    masks = ops.cast(masks, "float32")[..., None]
    window = (masks.shape[1] // grid[0], masks.shape[2] // grid[1])
    share = ops.average_pool(masks, window, window)
    share = ops.reshape(share, (-1, grid[0] * grid[1]))
    return ops.cast(share == 0, "float32"), ops.cast(share >= SHARE, "float32")


def draw_pixels(
    pixels: Any, kind: Any, draws: keras.random.SeedGenerator
) -> tuple[Any, Any]:
    """Draw pixels (n, p, d) of a kind (n, p), 1 or 0.

    Returns (n, k, d), k at most `SAMPLES`, and which of them are of the kind, (n, k).
    """
    order = keras.random.uniform(ops.shape(kind), seed=draws)
    count = min(SAMPLES, pixels.shape[1])
    _, index = ops.top_k(ops.where(kind > 0, order, order - 2), count)
    sample = ops.take_along_axis(pixels, index[..., None], axis=1)
    return sample, ops.take_along_axis(kind, index, axis=1)
