"""The size that images are resized to where the user names none."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from processing.decoding.decode import read_size
from processing.errors import UserError

SEEN = 256  # images, at most, whose headers are read
SQUARE = 1.1  # sides of a smaller ratio are those of a square
LONGEST = 4.0  # of the sides' ratio that the size follows
MIXED = 1.25  # quartiles of the aspects that lie farther apart have nothing in common
COSTLY = 1.5  # times the pixels of the square, or fewer: the multiple is too coarse

Size = tuple[int, int]  # (h, w) in pixels


def stored_sizes(paths: Sequence[Path]) -> list[Size]:
    """Return the sizes of `SEEN` of the images, evenly spread, from their headers.

    Those that cannot be read are left out.
    """
    chosen = np.linspace(0, len(paths) - 1, min(SEEN, len(paths))).round().astype(int)
    sizes = []
    for index in chosen:
        try:
            sizes.append(read_size(paths[index]))
        except UserError:  # `check_readable` reports it
            continue
    return sizes


def has_mixed_aspects(sizes: Sequence[Size]) -> bool:
    """Return whether images of these sizes share no aspect ratio."""
    low, high = np.quantile([h / w for h, w in sizes], (0.25, 0.75))
    return bool(high / low > MIXED)


def size_for(sizes: Sequence[Size], side: int, multiple: int) -> Size:
    """Return the (h, w) to resize images of these sizes to.

    It has about as many pixels as a square of `side` and the aspect of the images, the
    median, so far as their sides are in a ratio of at most `LONGEST`. Images that are
    nearly square, or of no common aspect, get the square.

    Args:
        sizes: (h, w) of images.
        side: of the square, in pixels.
        multiple: that both sides are of, those of the square, too.
    """
    side = _rounded(side, multiple)
    if not sizes or has_mixed_aspects(sizes):
        return side, side
    aspect = float(np.median([h / w for h, w in sizes]))
    aspect = min(max(aspect, 1 / LONGEST), LONGEST)
    if 1 / SQUARE <= aspect <= SQUARE:
        return side, side
    height = _rounded(side * math.sqrt(aspect), multiple)
    width = _rounded(side / math.sqrt(aspect), multiple)
    fits = 1 / COSTLY <= height * width / side**2 <= COSTLY
    return (height, width) if fits else (side, side)


def is_squeezed(size: Size, sizes: Sequence[Size]) -> bool:
    """Return whether images of these sizes get another aspect ratio in `size`."""
    aspect = float(np.median([h / w for h, w in sizes])) / (size[0] / size[1])
    return has_mixed_aspects(sizes) or not 1 / SQUARE <= aspect <= SQUARE


def describe_sizes(sizes: Sequence[Size]) -> str:
    """Return "500x1263" (height x width), or the smallest and the largest side each."""
    heights, widths = zip(*sizes, strict=True)
    if len(set(sizes)) == 1:
        return f"{heights[0]}x{widths[0]}"
    return f"{min(heights)}-{max(heights)}x{min(widths)}-{max(widths)}"


def _rounded(length: float, multiple: int) -> int:
    return max(1, round(length / multiple)) * multiple
