"""Counts of pixels by their score, in memory that does not grow with their number."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .ranking import FloatArray, count_ranked

PAGE_BITS = 16  # a page is the scores that share their upper 16 bits
PAGES = 1 << PAGE_BITS
# Twice this, and scores without locality no longer find their bin in the L2 cache.
BINS = 1 << 18
EXPONENT = 0x7F80  # bits of a page that are all set for NaN and infinity
GOOD, ANOMALOUS, OVERLAP = range(3)  # rows of the counts


@dataclass(frozen=True)
class Regions:
    """The 8-connected regions of a mask, in the smallest box that holds all of them.

    Attributes:
        corner: (y, x) of the box in the mask.
        labels: (h, w) int32 of the box: number of the region, 0 outside of any.
        shares: (n + 1,) float64: what a pixel of each region is of it, 1 / area; 0
            for label 0.
    """

    corner: tuple[int, int]
    labels: npt.NDArray[np.int32]
    shares: FloatArray

    def __len__(self) -> int:
        return len(self.shares) - 1

    @classmethod
    def of(cls, mask: npt.NDArray[np.bool_]) -> "Regions":
        """Find the regions of an (h, w) mask."""
        x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
        if not width:
            return cls((0, 0), np.zeros((0, 0), np.int32), np.zeros(1))
        box = np.ascontiguousarray(mask[y : y + height, x : x + width])
        _, labels, stats, _ = cv2.connectedComponentsWithStats(
            box.view(np.uint8), connectivity=8
        )
        areas = stats[:, cv2.CC_STAT_AREA].astype(np.float64)
        areas[0] = np.inf
        return cls((y, x), np.asarray(labels, np.int32), 1 / areas)

    def shares_in(self, shape: tuple[int, ...]) -> FloatArray:
        """Return what each pixel of a mask of that shape (h, w) is of its region."""
        shares = np.zeros(shape)
        (y, x), (height, width) = self.corner, self.labels.shape
        shares[y : y + height, x : x + width] = self.shares[self.labels]
        return shares


class ScoreHistogram:
    """Scores in bins of their own bits as float32.

    Scores that share their upper 16 bits are a page. Only pages that occur take
    memory, and all have the same number of bins: 65,536, one for each float32, until
    `bins` are used up; then neighbouring bins are joined in all pages. So scores in a
    narrow range, whatever its offset, few distinct ones, and outliers beside either
    are counted exactly or nearly so. Scores that spread over all magnitudes of a
    Gaussian or Cauchy distribution keep 4,096 bins for each power of two. Scores in
    one bin count as tied.

    Args:
        bins: at most, for each group and row of its counts; 2 ** 16 or more.
    """

    def __init__(self, bins: int = BINS) -> None:
        self.bins = bins
        self.shift = 0
        self.pages = np.full(PAGES, -1, np.int32)  # the first bin of each page
        self.used = np.zeros(1, np.int64)  # pages in use
        self.groups: dict[str, FloatArray] = {}  # (3, bins): GOOD, ANOMALOUS, OVERLAP

    def add(self, group: str, scores: npt.NDArray[Any], regions: Regions) -> None:
        """Count the pixels of one map (h, w), finite, into a group."""
        with np.errstate(over="ignore"):  # infinity is told below
            scores = np.ascontiguousarray(scores, np.float32)
        bits = scores.view(np.uint32)
        count, move = _compiled()
        flat, done = bits.ravel(), 0
        while done < flat.size:
            counts = self._counts(group)[GOOD]
            done += count(flat[done:], self.pages, self.used, counts, self.shift)
            if done < flat.size:
                check_finite(scores)
                self._join_bins()
        corner, shares = np.array(regions.corner), regions.shares
        counts = self._counts(group)
        move(bits, corner, regions.labels, shares, self.pages, counts, self.shift)

    def counts(self, groups: Collection[str]) -> FloatArray:
        """Return (3, k): the good pixels, the anomalous ones, and the latter's shares.

        Summed over `groups`, of each bin that holds a pixel, the highest first.
        """
        known = [self.groups[group] for group in groups if group in self.groups]
        if not known:
            return np.zeros((3, 0))
        total = sum(known[1:], known[0])
        size = 1 << (PAGE_BITS - self.shift)
        pages = np.flatnonzero(self.pages >= 0)
        columns = self.pages[pages][:, None] + np.arange(size)
        lowest = pages[:, None] * size + np.arange(size)  # as if all pages were there
        negative = lowest >= PAGES // 2 * size
        lowest[negative] = PAGES // 2 * size - lowest[negative]  # -0.0 ties with 0.0
        counts = total[:, columns.ravel()]
        held = counts[:2].any(axis=0)
        return count_ranked(lowest.ravel()[held], counts[:, held])

    def _counts(self, group: str) -> FloatArray:
        if group not in self.groups:
            self.groups[group] = np.zeros((3, self.bins))
        return self.groups[group]

    def _join_bins(self) -> None:
        """Make room for as many pages again: each gets half the bins."""
        self.shift += 1
        self.pages[self.pages >= 0] //= 2
        for group, counts in self.groups.items():
            joined = np.zeros((3, self.bins))
            joined[:, : self.bins // 2] = counts[:, ::2] + counts[:, 1::2]
            self.groups[group] = joined


class ScoreList:
    """All scores, for exact figures; takes and returns what `ScoreHistogram` does."""

    def __init__(self) -> None:
        self.pixels = 0
        self.maps: list[tuple[str, npt.NDArray[Any], Regions]] = []

    def add(self, group: str, scores: npt.NDArray[Any], regions: Regions) -> None:
        """Keep the pixels of one map (h, w), finite, in its own precision."""
        check_finite(scores)
        self.maps.append((group, scores.copy(), regions))
        self.pixels += scores.size

    def counts(self, groups: Collection[str]) -> FloatArray:
        """Return (3, k) as `ScoreHistogram.counts` does, for each distinct score."""
        kept = [
            (x, y.shares_in(x.shape)) for group, x, y in self.maps if group in groups
        ]
        if not kept:
            return np.zeros((3, 0))
        scores, shares = (
            np.concatenate([array.ravel() for array in part])
            for part in zip(*kept, strict=True)
        )
        return count_ranked(scores, np.stack([shares == 0, shares > 0, shares]))


def check_finite(scores: npt.NDArray[Any]) -> None:
    """Raise `ValueError` for scores that are no numbers or infinite."""
    broken = scores.size - np.count_nonzero(np.isfinite(scores))
    if broken:
        raise ValueError(
            "scores must be finite. "
            f"Received: {broken} of {scores.size} are NaN or infinite"
        )


@cache
def _compiled() -> tuple[Any, Any]:
    import numba  # slow to import, and only labelled maps need it

    compiler = numba.njit(cache=True, nogil=True)
    return compiler(_count), compiler(_move)


def _count(
    bits: npt.NDArray[np.uint32],
    pages: npt.NDArray[np.int32],
    used: npt.NDArray[np.int64],
    counts: FloatArray,
    shift: int,
) -> int:
    """Count scores until one has no page and there is no room; return how many.

    What is no number never gets a page.
    """
    size = PAGES >> shift
    for i in range(bits.size):
        page = bits[i] >> PAGE_BITS
        start = pages[page]
        if start < 0:
            full = (used[0] + 1) * size > counts.size
            if full or page & EXPONENT == EXPONENT:
                return i
            start = used[0] * size
            pages[page] = start
            used[0] += 1
        counts[start + ((bits[i] & PAGES - 1) >> shift)] += 1
    return bits.size


def _move(
    bits: npt.NDArray[np.uint32],
    corner: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int32],
    shares: FloatArray,
    pages: npt.NDArray[np.int32],
    counts: FloatArray,
    shift: int,
) -> None:
    """Move the pixels that have a label from good to anomalous."""
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            label = labels[y, x]
            if label:
                score = bits[corner[0] + y, corner[1] + x]
                column = pages[score >> PAGE_BITS] + ((score & PAGES - 1) >> shift)
                counts[0, column] -= 1
                counts[1, column] += 1
                counts[2, column] += shares[label]
