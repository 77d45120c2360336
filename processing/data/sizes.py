"""The size that images are resized to where the user names none."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from processing.decoding.decode import read_size
from processing.errors import UserError

from .tree import TEST, FoundImage

SEEN = 256  # images, at most, whose headers are read
SQUARE = 1.1  # sides of a smaller ratio are those of a square
LONGEST = 4.0  # of the sides' ratio that the size follows
MIXED = 1.25  # quartiles of the aspects that lie farther apart have nothing in common
COSTLY = 1.5  # times the pixels of the square, or fewer: the multiple is too coarse

Size = tuple[int, int]  # (h, w) in pixels


def training_sizes(images: Iterable[FoundImage]) -> list[Size]:
    """Return the sizes of good training images, of `SEEN` at most, from their headers.

    Those that cannot be read are left out.
    """
    paths = [image.path for image in images if image.good and image.split != TEST]
    sizes = []
    for path in spread(paths, SEEN):
        try:
            sizes.append(read_size(path))
        except UserError:  # `check_readable` reports it
            continue
    return sizes


def spread(paths: Sequence[Path], number: int) -> list[Path]:
    """Return at most `number` of the paths, evenly spread."""
    ends = np.linspace(0, len(paths) - 1, min(number, len(paths)))
    return [paths[i] for i in ends.round().astype(int)]


def aspect_quartiles(sizes: Sequence[Size]) -> tuple[float, float, float]:
    """Return quartiles of height by width: the lower one, the median, the upper one."""
    low, middle, high = np.quantile([h / w for h, w in sizes], (0.25, 0.5, 0.75))
    return float(low), float(middle), float(high)


def has_mixed_aspects(sizes: Sequence[Size]) -> bool:
    """Return whether images of these sizes share no aspect ratio."""
    low, _, high = aspect_quartiles(sizes)
    return high / low > MIXED


def size_for(sizes: Sequence[Size], side: int, multiple: int) -> Size:
    """Return the (h, w) to resize images of these sizes to.

    It has about as many pixels as a square of `side` and the aspect of the images, the
    median, so far as their sides are in a ratio of at most `LONGEST`. Images that are
    nearly square, or some upright and some lying, get the square.

    Args:
        sizes: (h, w) of images.
        side: of the square, in pixels.
        multiple: that both sides are of, those of the square, too.
    """
    side = _rounded(side, multiple)
    if not sizes:
        return side, side
    low, aspect, high = aspect_quartiles(sizes)
    if 1 / SQUARE <= aspect <= SQUARE or low < 1 / SQUARE and high > SQUARE:
        return side, side
    aspect = min(max(aspect, 1 / LONGEST), LONGEST)
    height = _rounded(side * math.sqrt(aspect), multiple)
    width = _rounded(side / math.sqrt(aspect), multiple)
    fits = 1 / COSTLY <= height * width / side**2 <= COSTLY
    return (height, width) if fits else (side, side)


def side_for(sizes: Sequence[Size], small: int, large: int) -> int:
    """Return the side of the square whose pixels images of these sizes are to have.

    It is `large` where half of the images have as many, else `small`: enlarged ones
    show no more than they did.
    """
    if not sizes or np.median([h * w for h, w in sizes]) < large**2:
        return small
    return large


def is_squeezed(size: Size, sizes: Sequence[Size]) -> bool:
    """Return whether images of these sizes get another aspect ratio in `size`."""
    ratio = aspect_quartiles(sizes)[1] * size[1] / size[0]
    return has_mixed_aspects(sizes) or not 1 / SQUARE <= ratio <= SQUARE


def describe_sizes(sizes: Sequence[Size]) -> str:
    """Return "500x1263" (height x width), or the smallest and the largest side each."""
    heights, widths = zip(*sizes, strict=True)
    if len(set(sizes)) == 1:
        return f"{heights[0]}x{widths[0]}"
    return f"{min(heights)}-{max(heights)}x{min(widths)}-{max(widths)}"


def _rounded(length: float, multiple: int) -> int:
    return max(1, round(length / multiple)) * multiple
