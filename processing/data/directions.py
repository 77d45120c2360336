"""Whether images show one part in different directions."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from processing.decoding.decode import read_pixels, to_uint8, to_unit
from processing.errors import UserError

from .sizes import spread

LOOKED_AT = 6  # images that are decoded
SIDE = 64  # pixels of the square middle that images are compared in
ANGLES = 48  # directions that are tried: 7.5 degrees from one to the next
NEAR = 3  # of them, either way, are no other direction
SHIFTS = 8  # pixels, either way, in which a part may lie
ALIKE = 0.7  # correlation from which on two images show the same
GAIN = 0.1  # of correlation, by which another direction has to be better
SHARE = 1 / 3  # of the pairs; of parts that lie in two directions it is about a half

_offsets = np.arange(SIDE) - (SIDE - 1) / 2
DISC = np.hypot(_offsets[:, None], _offsets) <= SIDE / 2


def differ(paths: Sequence[Path]) -> bool:
    """Return whether a few of these image files show a part in different directions."""
    images = []
    for path in spread(paths, LOOKED_AT):
        try:
            images.append(to_uint8(to_unit(read_pixels(path, 1)[..., 0])))
        except UserError:  # `check_readable` reports it
            continue
    return turned_share(images) >= SHARE


def turned_share(images: Sequence[NDArray[np.uint8]]) -> float:
    """Return the share of the pairs of images that show a part in two directions.

    In a pair one is turned about its middle and shifted. The pair counts if another
    direction brings a correlation of `ALIKE`, and `GAIN` more than their own; what is
    round or looks different in every image does not.

    Args:
        images: grey (h, w).

    Returns:
        In [0, 1]; 0 of fewer than two images.
    """
    spectra = [np.fft.rfft2(_turns(image)) for image in images]
    pairs = [_is_turned(a, b[0]) for a, b in combinations(spectra, 2)]
    return sum(pairs) / max(len(pairs), 1)


def _turns(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the middle of an image in all directions, of mean 0 and length 1.

    (ANGLES, SIDE, SIDE); outside of a disc it is 0.
    """
    height, width = image.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = image[top : top + side, left : left + side]
    small = cv2.resize(middle, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    centre = ((SIDE - 1) / 2,) * 2
    matrices = (
        cv2.getRotationMatrix2D(centre, 360 * i / ANGLES, 1) for i in range(ANGLES)
    )
    images = [cv2.warpAffine(small, m, (SIDE, SIDE)) for m in matrices]
    turned: NDArray[np.float32] = np.stack(images).astype(np.float32)
    turned -= turned[:, DISC].mean(axis=1)[:, None, None]
    turned *= DISC
    lengths = np.sqrt(np.square(turned).sum(axis=(1, 2), keepdims=True))
    return np.asarray(turned / np.maximum(lengths, 1e-6))


def _is_turned(spectra: NDArray, spectrum: NDArray) -> bool:
    """Return whether another direction of an image fits better than its own."""
    correlations = np.fft.irfft2(spectra * spectrum.conj(), (SIDE, SIDE))
    shifts = np.arange(-SHIFTS, SHIFTS + 1)
    best = correlations[:, shifts[:, None], shifts].max(axis=(1, 2))
    best = np.roll(best, NEAR)
    same, other = best[: 2 * NEAR + 1].max(), best[2 * NEAR + 1 :].max()
    return bool(other >= max(ALIKE, same + GAIN))
