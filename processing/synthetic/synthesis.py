"""Draw defects on a batch of good images."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from processing.decoding.decode import to_float, to_uint8
from processing.preprocessing.foreground import SEPARATE
from processing.preprocessing.foreground import foreground as find_foreground

from .kinds import CORRUPTIONS, KINDS
from .outlines import Array, Mask, Outline, Rng, draw_outline
from .pasting import difference, merge

NOTICEABLE = 12 / 255  # every defect changes some pixels by more
SIDE = 128  # pixels, at which parts are looked for in larger images
TRIES = 8  # draws of a kind that does not show, before a stain takes its place


def part_of(image: Array) -> Mask:
    """Return the mask (h, w) of the part; all True where none stands out clearly."""
    height, width = image.shape[:2]
    scale = min(1, SIDE / max(height, width))
    h, w = (max(1, round(side * scale)) for side in (height, width))
    small = cv2.resize(image, (w, h), interpolation=cv2.INTER_AREA)
    mask, separation = find_foreground(to_uint8(small.reshape(h, w, -1)))
    if separation < SEPARATE:
        return np.ones((height, width), dtype=bool)
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1)  # leaves no stairs
    return cv2.resize(soft, (width, height)) > 0.5


def synthesise(
    images: NDArray[Any],
    seed: int | Sequence[int],
    *,
    start: int = 0,
    sources: NDArray[Any] | None = None,
    kinds: Iterable[str] = tuple(KINDS),
    foreground: Callable[[Array], Mask] = part_of,
) -> tuple[Array, Mask, list[str]]:
    """Return the images with a defect each, where it is, and of which kind.

    Image i depends on its own pixels, `sources`, `seed` and `start + i` alone, so the
    size of the batch changes nothing. Outside of its mask it is left as it was.

    Args:
        images: good ones, (n, h, w, c), h, w >= 32, c 1 or 3; uint8, or
            float32 in [0, 1].
        seed: one or more integers >= 0, such as (seed, epoch).
        start: the number of the first image, such as step * batch size.
        sources: good images (m, h, w, c) to take patches from. By default each image
            is its own source.
        kinds: keys of `CORRUPTIONS` to draw from.
        foreground: returns the pixels of an image, (h, w) bool, that defects lie on.

    Returns:
        Images, float32 (n, h, w, c) in [0, 1]; masks, bool (n, h, w), none empty;
        kinds, of length n, "stain" where the one drawn does not show on the image.
    """
    names = list(kinds)
    _check(images, names)
    entropy = np.atleast_1d(seed).tolist()
    changed = np.empty(images.shape, np.float32)
    masks = np.empty(images.shape[:3], np.bool_)
    drawn = []
    for i, pixels in enumerate(images):
        rng = np.random.default_rng([*entropy, start + i])
        source = pixels if sources is None else sources[rng.integers(len(sources))]
        name = names[rng.integers(len(names))]
        image = to_float(pixels)
        place = foreground(image)
        if not place.any():
            raise ValueError(f"`foreground` must not be empty. Received: image {i}")
        changed[i], masks[i], name = _draw(name, image, to_float(source), rng, place)
        drawn.append(name)
    return changed, masks, drawn


def _draw(
    name: str, image: Array, source: Array, rng: Rng, foreground: Mask
) -> tuple[Array, Mask, str]:
    """Draw a defect that shows, and return its kind."""
    for _ in range(TRIES):
        changed, mask = CORRUPTIONS[name](image, source, rng, foreground)
        if _shows(image, changed):
            return changed, mask, name
    side = min(foreground.shape) / 16
    share, (x, y) = draw_outline(rng, foreground, Outline((side, side), rough=0.3))
    return *merge(image, np.where(image[y, x] < 0.5, 0.9, 0.1), share), "stain"


def _shows(image: Array, changed: Array) -> bool:
    least = max(4, image.shape[0] * image.shape[1] // 5000)
    return np.count_nonzero(difference(changed, image) > NOTICEABLE) >= least


def _check(images: NDArray[Any], names: list[str]) -> None:
    if not names or not set(names) <= set(CORRUPTIONS):
        known = sorted(CORRUPTIONS)
        raise ValueError(f"`kinds` must be some of {known}. Received: {names}")
    if images.ndim != 4 or min(images.shape[1:3]) < 32 or images.shape[3] not in (1, 3):
        raise ValueError(
            "`images` must have shape (n, h, w, c) with h, w >= 32 and c 1 or 3. "
            f"Received: shape={images.shape}"
        )
