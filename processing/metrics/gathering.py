"""Whether false regions gather in a part of the images, by more than chance."""

import numpy as np
import numpy.typing as npt

FEWEST, IMAGES = 5, 3  # false regions in the part, and images that they lie on
LEVEL = 1e-3  # chance of any such gathering where all places are alike
DEPTHS = (1 / 16, 1 / 8, 3 / 16, 1 / 4)  # of bands along a border, in sides of the map

Box = tuple[int, int, int, int]  # top, left, bottom, right: half-open, in pixels
BoolArray = npt.NDArray[np.bool_]


def chance(
    inside: BoolArray, images: npt.NDArray[np.int64], share: float, tried: int
) -> float:
    """Return how likely false regions gather so in one of the parts that are tried.

    It is that of a binomial test, times `tried` (Bonferroni). 1 if they do not gather:
    fewer than `FEWEST` or than half of them are inside, or on fewer than `IMAGES`.

    Args:
        inside: (n,) whether the centre of a region is in the part.
        images: (n,) index of the image that it lies on.
        share: of the image's area that is in the part.
        tried: how many parts are.
    """
    from scipy.special import bdtrc  # slow to import

    count = int(inside.sum())
    few = count < FEWEST or 2 * count < len(inside)
    if few or len(np.unique(images[inside])) < IMAGES:
        return 1.0
    return min(1.0, tried * float(bdtrc(count - 1, len(inside), share)))


def bands(height: int, width: int) -> list[Box]:
    """Return the bands along the borders of a map that are tried."""
    found: list[Box] = []
    for depth in DEPTHS:
        rows, columns = max(1, round(depth * height)), max(1, round(depth * width))
        found += [
            (0, 0, rows, width),
            (height - rows, 0, height, width),
            (0, 0, height, columns),
            (0, width - columns, height, width),
        ]
    return found


def gathering_band(
    centres: npt.NDArray[np.float64],
    images: npt.NDArray[np.int64],
    true: BoolArray,
    tried: int,
) -> Box | None:
    """Return the band in which false regions gather least by chance, if in any.

    One in which a true defect lies is none.

    Args:
        centres: (n, 2) row and column of each false region, in pixels of the map.
        images: (n,) index of the image that it lies on.
        true: (h, w) where any image has a true defect.
        tried: how many parts are, all bands and others.
    """
    chances = {}
    for top, left, bottom, right in bands(*true.shape):
        band = np.zeros(true.shape, bool)
        band[top:bottom, left:right] = True
        if not (band & true).any():
            rows, columns = np.rint(centres).astype(int).T
            known = chance(band[rows, columns], images, float(band.mean()), tried)
            chances[top, left, bottom, right] = known
    best = min(chances, key=chances.__getitem__, default=None)
    return best if best and chances[best] < LEVEL else None
