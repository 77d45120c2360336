"""Choose few features that lie close to all others (Sener and Savarese 2018)."""

from collections.abc import Iterator

import numpy as np

CANDIDATES = 2048  # that are looked at together


def greedy_coreset(features: np.ndarray, count: int, first: int) -> Iterator[int]:
    """Yield the indices of a k-center coreset: each the farthest from those before.

    The distance of a feature to the chosen ones only falls, so an old one bounds it.
    The features with the highest bounds are brought up to date together, in one matrix
    product, and chosen from while none of the others can be farther. The choice is
    that of a loop over all features for each index, at a fraction of its time.

    Args:
        features: (n, d) float32.
        count: how many to choose, at most n.
        first: index to start with.
    """
    norms = np.einsum("nd,nd->n", features, features)
    chosen = np.empty(count, np.int64)
    chosen[0], kept = first, 1
    bounds = _squares(features, norms, features[[first]])[:, 0]
    bounds[first] = -1  # never again
    current = np.ones(len(features), np.int64)  # chosen ones that `bounds` knows
    yield first
    while kept < count:
        near, limit = _highest(bounds)
        _refresh(features, norms, near, bounds, current, chosen[:kept])
        points, local, known = features[near], bounds[near], norms[near]
        while kept < count and local.max() >= limit:
            pick = int(local.argmax())
            chosen[kept] = near[pick]
            yield int(near[pick])
            squares = known + known[pick] - 2 * (points @ points[pick])
            np.minimum(local, squares, out=local)
            local[pick] = -1
            kept += 1
        bounds[near], current[near] = local, kept


def _highest(bounds: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the indices of the highest bounds, and the highest of the others."""
    if len(bounds) <= CANDIDATES:
        return np.arange(len(bounds)), -np.inf
    order = np.argpartition(bounds, len(bounds) - CANDIDATES - 1)
    split = len(bounds) - CANDIDATES
    return order[split:], float(bounds[order[split - 1]])


def _refresh(
    features: np.ndarray,
    norms: np.ndarray,
    near: np.ndarray,
    bounds: np.ndarray,
    current: np.ndarray,
    chosen: np.ndarray,
) -> None:
    """Lower the bounds of `near` to the distances from all that are chosen."""
    order = near[np.argsort(current[near])]
    for part in np.array_split(order, 8):  # of similar age, to compute little twice
        if not len(part) or current[part[0]] == len(chosen):
            continue
        newer = features[chosen[current[part[0]] :]]
        squares = _squares(features[part], norms[part], newer)
        bounds[part] = np.minimum(bounds[part], squares.min(axis=1))


def _squares(points: np.ndarray, norms: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return squared distances (n, m) of (n, d) and (m, d)."""
    other_norms = np.einsum("md,md->m", others, others)
    return norms[:, None] + other_norms - 2 * (points @ others.T)
