"""Move patches, blend them in, and mask what has changed."""

import math
from functools import reduce
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .outlines import Array, Mask, Rng, random_place

FAINT = 6 / 255  # a smaller change is undone, and is not in the mask


def merge(
    image: Array, altered: NDArray[Any], share: NDArray[Any]
) -> tuple[Array, Mask]:
    """Lay `altered` over the image, with an opacity (h, w), where that can be seen.

    Args:
        image: (h, w, c) in [0, 1].
        altered: (h, w, c), or a colour (c,).
        share: (h, w) in [0, 1], or bool.

    Returns:
        The changed image, and the mask of where it is changed; specks are closed.
    """
    mask = np.zeros(share.shape, np.bool_)
    x, y, width, height = cv2.boundingRect((share > 0).astype(np.uint8))
    if width == 0:
        return image, mask
    reach = max(3, min(mask.shape) // 50 | 1)
    box = np.s_[
        max(0, y - reach) : y + height + reach, max(0, x - reach) : x + width + reach
    ]
    before = image[box]
    above = np.broadcast_to(np.asarray(altered, np.float32), image.shape)[box]
    after = np.clip(before + (above - before) * share[box][..., None], 0, 1)
    noticed = (difference(after, before) > FAINT).astype(np.uint8)
    near = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    closed = cv2.morphologyEx(noticed, cv2.MORPH_CLOSE, near)
    mask[box] = (closed > 0) & (share[box] > 0)
    merged = image.copy()
    merged[mask] = after[mask[box]]
    return merged, mask


def difference(image: Array, other: Array) -> Array:
    """Return the largest difference over the channels, (h, w).

    NumPy's `max` over so short an axis takes twenty times as long.
    """
    return reduce(np.maximum, np.moveaxis(np.abs(image - other), -1, 0))


def moved(
    source: Array,
    rng: Rng,
    foreground: Mask,
    centre: tuple[int, int],
    scale: float = 1.0,
    turn: float = 0.0,
) -> Array:
    """Return the source, moved so that some place of the part comes to `centre`.

    It is mirrored at random, scaled and turned (radians), and reflected at its border.
    """
    x, y = random_place(rng, foreground)
    cos, sin = scale * math.cos(turn), scale * math.sin(turn)
    mirror = rng.choice((-1, 1))
    linear = np.array([[mirror * cos, -sin], [mirror * sin, cos]])
    matrix = np.column_stack([linear, np.array(centre) - linear @ (x, y)])
    size = source.shape[1::-1]
    canvas = cv2.warpAffine(source, matrix, size, borderMode=cv2.BORDER_REFLECT_101)
    return np.reshape(canvas, source.shape)  # OpenCV leaves a single channel out


def recoloured(pixels: Array, rng: Rng) -> Array:
    """Return pixels of up to a tenth more or less contrast and brightness."""
    contrast, brightness = rng.uniform(0.9, 1.1, 2).tolist()
    hue = np.float32(rng.uniform(0.97, 1.03, pixels.shape[-1]))
    return ((pixels - 0.5) * contrast + 0.5) * (brightness * hue)


def cloned(image: Array, patch: Array, inside: Mask, mode: int) -> Array:
    """Return the image with the patch's gradients inside (Pérez et al. 2003).

    OpenCV has the patch's gradients begin three pixels from the edge, so that a mask
    of less than seven pixels changes nothing.

    Args:
        image: (h, w, c) in [0, 1].
        patch: the same shape.
        inside: (h, w).
        mode: cv2.NORMAL_CLONE, or cv2.MIXED_CLONE for the stronger of both gradients.
    """
    mask = np.zeros(inside.shape, np.uint8)
    mask[1:-1, 1:-1] = inside[1:-1, 1:-1]  # the border's values are kept
    x, y, width, height = cv2.boundingRect(mask)
    if min(width, height) < 7:
        return image
    box = np.s_[y - 1 : y + height + 1, x - 1 : x + width + 1]
    channels = [0, 0, 0] if image.shape[-1] == 1 else [0, 1, 2]
    below, above = (
        np.rint(255 * np.clip(part[box], 0, 1)).astype(np.uint8)[..., channels]
        for part in (image, patch)
    )
    middle = (1 + width // 2, 1 + height // 2)
    blended = cv2.seamlessClone(above, below, 255 * mask[box], middle, mode)
    result = image.copy()
    within = mask[box] > 0
    result[box][within] = blended[within][:, : image.shape[-1]] / np.float32(255)
    return result
