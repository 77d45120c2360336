"""Regions of an anomaly map: area curve, mask and table."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, reduce
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Table = dict[str, npt.NDArray[Any]]

REGION_COLUMNS = ("top", "left", "bottom", "right", "area", "row", "column", "highest")


@dataclass(frozen=True, eq=False)
class AreaCurve:
    """A(t), the area of the largest region of ``map > t``, for every threshold t.

    A is a step function. It is ``areas[i]`` for ``levels[i + 1] <= t < levels[i]``,
    ``areas[-1]`` below the last level and 0 from the first level upward. It never
    increases with t, unless regions at the border were cleared.

    Args:
        levels: (k,) float64, strictly descending pixel values at which A changes;
            the last one is always the lowest pixel value, change or not.
        areas: (k,) int64, A just below each level, in pixels.
    """

    levels: FloatArray
    areas: IntArray

    def area_at(self, thresholds: npt.ArrayLike) -> IntArray:
        """Return A at each threshold, in pixels, in the shape of `thresholds`."""
        ascending = self.levels[::-1]
        above = len(ascending) - np.searchsorted(ascending, thresholds, "right")
        return _from_zero(self.areas)[above]

    def critical_thresholds(self, max_area: int) -> FloatArray:
        """Return the critical threshold of each area a = 1, 2, ..., `max_area`.

        It is the smallest level from which upward every A is below a: an image is
        called good at any threshold not below it, with regions of a pixels or more
        counting. Where no region ever reaches a pixels it is the lowest level.

        Returns:
            (max_area,) float64, never increasing; the entry of area a is at a - 1.
        """
        peaks = np.minimum(np.maximum.accumulate(self.areas), max_area)
        reached = np.repeat(self.levels, np.diff(peaks, prepend=0))
        never = np.full(max_area - len(reached), self.levels[-1])
        return np.concatenate([reached, never])

    def capped(self, area: int) -> "AreaCurve":
        """Return the curve min(A, `area`): as good for all areas up to `area`.

        It has far fewer steps, for the last regions of an image are the largest.
        """
        return _stepwise(self.levels, np.minimum(self.areas, area))


def area_curve(
    anomaly_map: npt.NDArray[Any], *, clear_border: bool = False
) -> AreaCurve:
    """Return the area of the largest 8-connected region at every threshold.

    Pixels join in descending order, each with the regions beside it (union-find), so
    one pass serves all thresholds. The first call in a fresh installation compiles
    for some seconds; later ones, in other processes too, use numba's cache.

    Args:
        anomaly_map: (h, w), finite; exact for uint8, float32 and float64.
        clear_border: leave out regions that touch the image border.

    Returns:
        An `AreaCurve` of at most as many steps as the map has distinct values.
    """
    pixels = _checked(anomaly_map).ravel()
    # NumPy sorts floats fastest with SIMD, small integers with the stable radix sort.
    order = np.argsort(pixels, kind="stable" if pixels.itemsize == 1 else "quicksort")
    values = pixels[order].astype(np.float64)
    steps = _compiled_area_steps()(order, values, *anomaly_map.shape, clear_border)
    return AreaCurve(values[steps[:, 0]], steps[:, 1].copy())


def envelope(curves: Iterable[AreaCurve]) -> AreaCurve:
    """Return the pointwise maximum of area curves.

    Curves are taken one at a time and the result may be fed in again, so memory stays
    that of a single curve: ``running = envelope([running, curve])``.
    """
    curves = iter(curves)
    first = next(curves, None)
    if first is None:
        raise ValueError("`curves` must hold at least one curve. Received: none")
    return reduce(_maximum, curves, first)


def segment(
    anomaly_map: npt.NDArray[Any],
    threshold: float,
    min_area: int,
    clear_border: bool = False,
) -> BoolArray:
    """Return the mask of the regions above `threshold` that are large enough.

    Args:
        anomaly_map: (h, w), finite.
        threshold: pixel score limit; a pixel is anomalous if strictly above it.
        min_area: smallest 8-connected region kept, in pixels.
        clear_border: drop regions that touch the image border.

    Returns:
        (h, w) bool, True in the kept regions.
    """
    # np.float64 keeps float32 maps from rounding the threshold to float32.
    mask = (_checked(anomaly_map) > np.float64(threshold)).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    left, top, width, height, areas = stats.T
    kept = np.asarray(areas >= min_area)
    if clear_border:
        h, w = mask.shape
        kept &= (left > 0) & (top > 0) & (left + width < w) & (top + height < h)
    kept[0] = False  # the background
    return kept[labels]


def regions_of(mask: BoolArray, anomaly_map: npt.NDArray[Any]) -> Table:
    """Return a table of the 8-connected regions of a mask, from top to bottom.

    Args:
        mask: (h, w).
        anomaly_map: (h, w).

    Returns:
        Columns of one entry for each region: top, left, bottom and right of its
        half-open box, in pixels; its area in pixels; row and column of its centroid;
        the highest map value in it.
    """
    _, labels, stats, centres = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=8
    )
    marked = labels[mask].astype(np.int64)
    _, firsts = np.unique(marked, return_index=True)
    order = 1 + np.argsort(firsts)  # OpenCV's is that of blocks of pixels
    left, top, width, height, areas = stats[order].T.astype(np.int64)
    columns, rows = centres[order].T
    highest = np.full(len(stats), -np.inf)
    np.maximum.at(highest, marked, anomaly_map[mask])
    found = top, left, top + height, left + width, areas, rows, columns, highest[order]
    return dict(zip(REGION_COLUMNS, found, strict=True))


def _checked(anomaly_map: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if anomaly_map.ndim != 2 or anomaly_map.size == 0:
        raise ValueError(
            "`anomaly_map` must have shape (h, w) with at least one pixel. "
            f"Received: shape={anomaly_map.shape}"
        )
    broken = anomaly_map.size - np.count_nonzero(np.isfinite(anomaly_map))
    if broken:
        raise ValueError(
            "`anomaly_map` must be finite. "
            f"Received: {broken} of {anomaly_map.size} pixels are NaN or infinite"
        )
    return anomaly_map


def _maximum(one: AreaCurve, other: AreaCurve) -> AreaCurve:
    levels = np.concatenate([one.levels, other.levels])
    order = np.argsort(-levels)
    ones = np.cumsum(order < len(one.levels))  # levels of `one` down to each level
    others = np.arange(1, len(levels) + 1) - ones
    areas = np.maximum(_from_zero(one.areas)[ones], _from_zero(other.areas)[others])
    levels = levels[order]
    distinct = np.diff(levels, append=-np.inf) != 0  # the last of equal levels
    return _stepwise(levels[distinct], areas[distinct])


def _stepwise(levels: FloatArray, areas: IntArray) -> AreaCurve:
    """Return the curve of descending levels, those left out at which it is level."""
    kept = np.diff(areas, prepend=0) != 0
    kept[-1] = True  # the lowest pixel value
    return AreaCurve(levels[kept], areas[kept])


def _from_zero(areas: IntArray) -> IntArray:
    return np.concatenate([[0], areas])


@cache
def _compiled_area_steps() -> Any:
    import numba  # slow to import, and only the search needs it

    return numba.njit(cache=True, nogil=True)(_area_steps)


def _area_steps(  # noqa: C901 - compiled, so it cannot call plain functions
    order: IntArray, values: FloatArray, h: int, w: int, clear_border: bool
) -> IntArray:
    """Return (k, 2): the position in ascending `values` where A changes, and A there.

    `links` holds the padded image: 0 for a pixel not yet in, minus the area at the
    root of a region, else the parent. `counts` holds the number of regions of each
    area; `largest` moves down over it when the largest region is cleared. It moves
    h * w in all at most, as cleared pixels never count again.
    """
    stride = w + 2
    links = np.zeros((h + 2) * stride, np.int32)
    cleared = np.zeros(links.size, np.bool_)
    counts = np.zeros(order.size + 1, np.int32)
    steps = np.empty((order.size, 2), np.int64)
    n_steps, largest, recorded = 0, 0, 0
    for k in range(order.size - 1, -1, -1):
        y, x = order[k] // w, order[k] % w
        pixel = (y + 1) * stride + x + 1
        links[pixel] = -1
        cleared[pixel] = clear_border and (y in (0, h - 1) or x in (0, w - 1))
        root = pixel
        for neighbour in range(9):
            dy, dx = (neighbour // 3 - 1) * stride, neighbour % 3 - 1
            near = other = pixel + dy + dx
            # A pixel at a corner is joined already if one beside it is in.
            if dy != 0 and dx != 0 and (links[pixel + dy] or links[pixel + dx]):
                continue
            while links[other] > 0:
                other = links[other]
            if other == root or links[other] == 0:
                continue
            if other != near:
                links[near] = other  # the next climb from here is short
            if not cleared[other]:
                counts[-links[other]] -= 1
            if links[other] < links[root]:  # the larger region stays the root
                root, other = other, root
            links[root] += links[other]
            links[other] = root
            cleared[root] |= cleared[other]
        if not cleared[root]:
            counts[-links[root]] += 1
            largest = max(largest, -links[root])
        while largest > 0 and counts[largest] == 0:
            largest -= 1
        if k == 0 or (values[k - 1] != values[k] and largest != recorded):
            steps[n_steps] = k, largest
            n_steps, recorded = n_steps + 1, largest
    return steps[:n_steps]
