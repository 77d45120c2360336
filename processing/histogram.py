"""Counts of pixels by their score, in memory that does not grow with their number."""

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
# Twice this, and scores without locality no longer find their bin in the L2 cache.
BINS = 1 << 18
SEVERAL = 1 << PAGE_BITS + 1  # in place of the lower bits of the only score of a bin
EXPONENT = 0x7F80  # bits of a page that are all set for NaN and infinity


class ScoreHistogram:
    """Scores in bins of their own bits as float32.

    Scores that share their upper 16 bits are a page, and only pages that occur take
    memory. Each has a power of two of bins, up to 65,536: one for each float32. Pages
    begin with as many as there is room for, or by a plan: many where many scores are
    (see `of`). When `bins` are used up, neighbouring bins are joined in all pages. So
    scores in a narrow range, whatever its offset, few distinct ones, and outliers
    beside either are counted exactly or nearly so. Scores that spread over all
    magnitudes of a Gaussian or Cauchy distribution keep about 2,000 bins for each power
    of two, and several times as many where most of them are. Scores in one bin count
    as tied.

    Args:
        bins: at most, for each group and row of its counts; 2 ** 16 or more.
    """

    def __init__(self, bins: int = BINS) -> None:
        self.bins = bins
        self.starts = np.full(PAGES, -1, np.int32)  # the first bin of each page
        self.shifts = np.zeros(PAGES, np.uint8)  # a page has PAGES >> shift bins
        self.next = np.zeros(2, np.int64)  # the first bin, and the shift, of a new page
        self.only = np.zeros(bins, np.int32)  # 1 + lower bits, 0 without, or SEVERAL
        self.groups: dict[str, FloatArray] = {}  # (3, bins), see `counts`

    @classmethod
    def of(cls, kept: ScoreList) -> "ScoreHistogram":
        """Return a histogram of `kept`, planned for more scores like these."""
        histogram, pixels = cls(), np.zeros((2, PAGES))
        for _, scores, regions in kept.maps:
            pages = _bits(scores) >> PAGE_BITS
            marked = regions.shares_in(scores.shape) > 0
            for kind, chosen in enumerate((pages[~marked], pages[marked])):
                pixels[kind] += np.bincount(chosen, minlength=PAGES)
        shares = pixels / np.maximum(pixels.sum(axis=1, keepdims=True), 1)
        histogram._plan(shares.mean(axis=0))  # good and anomalous ones weigh the same
        for group, scores, regions in kept.maps:
            histogram.add(group, scores, regions)
        return histogram

    def add(self, group: str, scores: npt.NDArray[Any], regions: Regions) -> None:
        """Count the pixels of one map (h, w), finite, into a group."""
        bits, done = _bits(scores), 0
        count, move = _compiled()
        flat, pages = bits.ravel(), (self.starts, self.shifts)
        while done < flat.size:
            counts = self._counts(group)[0]
            done += count(flat[done:], *pages, self.next, self.only, counts)
            if done < flat.size:
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
        counts = sum(known[1:], known[0])[:, : self.next[0]]
        held = counts[:2].any(axis=0)
        pages, sizes, within = self._layout()
        bits = (pages << PAGE_BITS).repeat(sizes)  # of the lowest score of each bin
        bits += within << self.shifts[pages].repeat(sizes)
        negative = bits >= SIGN
        bits[negative] = SIGN - bits[negative]  # in order, and -0.0 ties with 0.0
        several = self.only[: self.next[0]][held] == SEVERAL
        return count_ranked(bits[held], np.stack([*counts[:, held], several]))

    def _counts(self, group: str) -> FloatArray:
        if group not in self.groups:
            self.groups[group] = np.zeros((3, self.bins))
        return self.groups[group]

    def _plan(self, weights: FloatArray) -> None:
        """Give pages of some weight their bins; the weights sum to 1 at most.

        Half of the room goes evenly to all pages and half by weight, rounded down to
        powers of two. A quarter of the bins is for pages to come.
        """
        pages, room = np.flatnonzero(weights), self.bins * 3 // 4
        even = room / 2 / len(pages)
        sizes = 1 << _log2(even + weights[pages] * room / 2)
        while (twice := np.minimum(2 * sizes, PAGES)).sum() <= room:
            if (sizes == twice).all():
                break
            sizes = twice
        self.shifts[pages] = PAGE_BITS - _log2(sizes)
        self.starts[pages] = np.cumsum(sizes) - sizes
        self.next[:] = sizes.sum(), PAGE_BITS - _log2(even)

    def _join_bins(self) -> None:
        """Make room: give every page half its bins, but one at least."""
        pages, sizes, within = self._layout()
        halved = sizes > 1
        fewer = sizes >> halved
        starts = np.cumsum(fewer) - fewer
        joined = starts.repeat(sizes) + (within >> halved.repeat(sizes))
        firsts = np.flatnonzero(np.diff(joined, prepend=-1))
        for group, counts in self.groups.items():
            self.groups[group] = np.zeros((3, self.bins))
            self.groups[group][:, : firsts.size] = np.add.reduceat(
                counts[:, : within.size], firsts, axis=1
            )
        self.only = _joined_scores(self.only, firsts)
        self.starts[pages] = starts
        self.shifts[pages] += halved
        self.next[:] = firsts.size, min(self.next[1] + 1, PAGE_BITS)

    def _layout(self) -> tuple[IntArray, IntArray, IntArray]:
        """Return pages in the order of their bins, their sizes, each bin's place."""
        known = np.flatnonzero(self.starts >= 0).astype(np.int64)
        pages = known[np.argsort(self.starts[known])]
        sizes = np.right_shift(PAGES, self.shifts[pages], dtype=np.int64)
        starts = self.starts[pages].astype(np.int64)
        return pages, sizes, np.arange(self.next[0]) - starts.repeat(sizes)


def _bits(scores: npt.NDArray[Any]) -> npt.NDArray[np.uint32]:
    with np.errstate(over="ignore"):  # too large for float32 is told as infinite
        return np.ascontiguousarray(scores, np.float32).view(np.uint32)


def _joined_scores(only: npt.NDArray[np.int32], firsts: IntArray) -> npt.NDArray:
    """Return the only score in the bins from one of `firsts` to the next."""
    joined = np.zeros_like(only)
    highest = np.maximum.reduceat(only, firsts)
    lowest = np.minimum.reduceat(np.where(only, only, SEVERAL), firsts)
    joined[: firsts.size] = np.where(highest > lowest, SEVERAL, highest)
    return joined


def _log2(bins: npt.ArrayLike) -> Any:
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
    following: IntArray,
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
            start, shift = following
            size = PAGES >> shift
            if start + size > counts.size or page & EXPONENT == EXPONENT:
                return i
            starts[page], shifts[page] = start, shift
            following[0] += size
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
