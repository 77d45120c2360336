"""Histogram of pixel scores, in memory that does not grow with their number."""

from collections.abc import Collection
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from .pixel_scores import Regions, ScoreList, check_finite
from .ranking import FloatArray, count_ranked

IntArray = npt.NDArray[np.int64]

PAGE_BITS = 16  # a page is the scores that share their upper 16 bits
PAGES = 1 << PAGE_BITS
LOWER = PAGES - 1  # the bits of a score within its page
SIGN = 1 << 31
BINS = 1 << 17  # of a group; more than PAGES, so that there is room for all
NEW_SHIFT = 8
NEW = PAGES >> NEW_SHIFT  # bins of a page that comes later
SEVERAL = 1 << PAGE_BITS + 1  # in place of the lower bits of the only score of a bin
EXPONENT = 0x7F80  # bits of a page that are all set for NaN and infinity


class ScoreHistogram:
    """Scores in bins of their own bits as float32.

    Scores that share their upper 16 bits are a page, and only pages that occur take
    memory. Each has a power of two of bins, up to 65,536: one for each float32. Half
    of the bins go evenly to all pages and half to where many good or anomalous pixels
    are. When `BINS` are used up, bins are joined by the same rule. So scores in a
    narrow range, whatever its offset, few distinct ones, and outliers beside either
    are counted exactly or nearly so. Scores that spread over all magnitudes of a
    Gaussian or Cauchy distribution keep about 1,000 bins for each power of two, and
    several times as many where most of them are.

    Args:
        kept: the first scores, from which the bins are planned.
    """

    def __init__(self, kept: ScoreList) -> None:
        self.starts = np.full(PAGES, -1, np.int32)  # the first bin of each page
        self.shifts = np.zeros(PAGES, np.uint8)  # a page has PAGES >> shift bins
        self.used = np.zeros(1, np.int64)  # bins
        self.only: npt.NDArray[np.int32] = np.zeros(
            BINS, np.int32
        )  # 1 + lower bits, 0 without, or SEVERAL
        self.groups: dict[str, FloatArray] = {}  # (3, BINS), see `counts`
        pixels = np.zeros((2, PAGES))
        for _, scores, regions in kept.maps:
            bits = _bits(scores)
            check_finite(bits.view(np.float32))
            pages = bits >> PAGE_BITS
            marked = regions.shares_in(scores.shape) > 0
            for kind, chosen in enumerate((pages[~marked], pages[marked])):
                pixels[kind] += np.bincount(chosen, minlength=PAGES)
        occupied = np.flatnonzero(pixels.any(axis=0))
        self._give(occupied, _planned(pixels[:, occupied]))
        for group, scores, regions in kept.maps:
            self.add(group, scores, regions)

    def add(self, group: str, scores: npt.NDArray[Any], regions: Regions) -> None:
        """Count the pixels of one map (h, w), finite, into a group."""
        bits, start = _bits(scores), 0
        count, move = _compiled()
        flat, pages = bits.ravel(), (self.starts, self.shifts)
        while start < flat.size:
            counts = self._counts(group)[0]
            start += count(flat[start:], *pages, self.used, self.only, counts)
            if start < flat.size:
                check_finite(bits.view(np.float32))
                self._join_bins()
        counts, corner = self._counts(group), np.array(regions.corner)
        move(bits, *pages, corner, regions.labels, regions.shares, counts)

    def counts(self, groups: Collection[str]) -> FloatArray:
        """Return (4, k), of each bin that holds a pixel, the highest first.

        The good pixels, the anomalous ones, and the latter's shares, summed over
        `groups`; then whether the bin holds several scores.
        """
        known = [self.groups[group] for group in groups if group in self.groups]
        if not known:
            return np.zeros((4, 0))
        counts = sum(known[1:], known[0])[:, : self.used[0]]
        held = counts[:2].any(axis=0)
        pages, sizes, within = self._layout()
        bits = (pages << PAGE_BITS).repeat(sizes)  # of the lowest score of each bin
        bits += within << self.shifts[pages].repeat(sizes)
        negative = bits >= SIGN
        bits[negative] = SIGN - bits[negative]  # in order, and -0.0 ties with 0.0
        several = self.only[: self.used[0]][held] == SEVERAL
        return count_ranked(bits[held], np.stack([*counts[:, held], several]))

    def _counts(self, group: str) -> FloatArray:
        if group not in self.groups:
            self.groups[group] = np.zeros((3, BINS))
        return self.groups[group]

    def _give(self, pages: IntArray, sizes: IntArray) -> None:
        """Give pages their bins, one page behind the other."""
        self.starts[pages] = np.cumsum(sizes) - sizes
        self.shifts[pages] = PAGE_BITS - _log2(sizes)
        self.used[0] = sizes.sum()

    def _join_bins(self) -> None:
        """Make room: plan anew, by what is counted, no page getting more bins."""
        pages, sizes, within = self._layout()
        starts = self.starts[pages]
        counted = sum(counts[:2, : within.size] for counts in self.groups.values())
        pixels = np.add.reduceat(np.asarray(counted), starts, axis=1)
        fewer = np.minimum(sizes, _planned(pixels))
        self._give(pages, fewer)
        joined = within >> (_log2(sizes) - _log2(fewer)).repeat(sizes)
        joined += self.starts[pages].repeat(sizes)
        firsts = np.flatnonzero(np.diff(joined, prepend=-1))
        self.only = _joined_scores(self.only[: within.size], firsts)
        for group, counts in self.groups.items():
            self.groups[group] = np.zeros((3, BINS))
            self.groups[group][:, : firsts.size] = np.add.reduceat(
                counts[:, : within.size], firsts, axis=1
            )

    def _layout(self) -> tuple[IntArray, IntArray, IntArray]:
        """Return pages in the order of their bins, their sizes, each bin's place."""
        known = np.flatnonzero(self.starts >= 0).astype(np.int64)
        pages = known[np.argsort(self.starts[known])]
        sizes = np.right_shift(PAGES, self.shifts[pages], dtype=np.int64)
        starts = self.starts[pages].astype(np.int64)
        return pages, sizes, np.arange(self.used[0]) - starts.repeat(sizes)


def _bits(scores: npt.NDArray[Any]) -> npt.NDArray[np.uint32]:
    with np.errstate(over="ignore"):  # too large for float32 is reported as infinite
        return np.ascontiguousarray(scores, np.float32).view(np.uint32)


def _planned(pixels: FloatArray) -> IntArray:
    """Return how many bins each of k pages should have, a power of two.

    Half of the room goes evenly to all pages and half by their pixels, rounded down.
    A quarter of the bins is for pages to come.

    Args:
        pixels: (2, k) good and anomalous ones; both kinds weigh the same.
    """
    room = BINS * 3 // 4
    shares = (pixels / np.maximum(pixels.sum(axis=1, keepdims=True), 1)).sum(axis=0)
    shares = shares / max(shares.sum(), 1) + 1 / max(shares.size, 1)
    sizes = 1 << _log2(shares * room / 2)
    while (twice := np.minimum(2 * sizes, PAGES)).sum() <= room:
        if (sizes == twice).all():
            break
        sizes = twice
    return sizes


def _joined_scores(only: npt.NDArray[np.int32], firsts: IntArray) -> npt.NDArray:
    """Return the only score in the bins from one of `firsts` to the next."""
    joined = np.zeros(BINS, np.int32)
    highest = np.maximum.reduceat(only, firsts)
    lowest = np.minimum.reduceat(np.where(only, only, SEVERAL), firsts)
    joined[: firsts.size] = np.where(highest > lowest, SEVERAL, highest)
    return joined


def _log2(bins: npt.ArrayLike) -> IntArray:
    """Return logarithms of numbers of bins of a page, rounded down to what fits."""
    return np.log2(np.clip(bins, 1, PAGES)).astype(np.int64)


@cache
def _compiled() -> tuple[Any, Any]:
    import numba  # slow to import, and only labelled maps need it

    compiler = numba.njit(cache=True, nogil=True)
    return compiler(_count), compiler(_move)


def _count(
    bits: npt.NDArray[np.uint32],
    starts: npt.NDArray[np.int32],
    shifts: npt.NDArray[np.uint8],
    used: IntArray,
    only: npt.NDArray[np.int32],
    counts: FloatArray,
) -> int:
    """Count scores until one has no page and there is no room; return how many.

    What is no number never gets a page.
    """
    for i in range(bits.size):
        page = bits[i] >> PAGE_BITS
        start = starts[page]
        if start < 0:
            start = used[0]
            if start + NEW > counts.size or page & EXPONENT == EXPONENT:
                return i
            starts[page], shifts[page] = start, NEW_SHIFT
            used[0] += NEW
        lower = bits[i] & LOWER
        column = start + (lower >> shifts[page])
        counts[column] += 1
        if only[column] != SEVERAL and only[column] != lower + 1:
            only[column] = SEVERAL if only[column] else lower + 1
    return bits.size


def _move(
    bits: npt.NDArray[np.uint32],
    starts: npt.NDArray[np.int32],
    shifts: npt.NDArray[np.uint8],
    corner: IntArray,
    labels: npt.NDArray[np.int32],
    shares: FloatArray,
    counts: FloatArray,
) -> None:
    """Move the pixels that have a label from good to anomalous."""
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            label = labels[y, x]
            if label:
                score = bits[corner[0] + y, corner[1] + x]
                page = score >> PAGE_BITS
                column = starts[page] + ((score & LOWER) >> shifts[page])
                counts[0, column] -= 1
                counts[1, column] += 1
                counts[2, column] += shares[label]
