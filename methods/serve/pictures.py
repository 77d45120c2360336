"""The pictures of a judged photo, drawn when somebody asks for them.

Until then what they need is one small file: map and mask, as the decision saw them.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from methods.detector.judge import Verdict
from processing.decoding.decode import resize, resize_mask, to_uint8, to_unit
from processing.report.gallery import (
    LARGEST,
    QUALITY,
    ColourScale,
    coloured,
    resized,
    scaled,
)
from processing.report.overlays import overlay

TYPES = {"image": "jpg", "overlay": "jpg", "map": "jpg", "mask": "png"}
MEDIA = {"jpg": "image/jpeg", "png": "image/png"}
JUDGED = "judged.png"
FAST = [cv2.IMWRITE_PNG_COMPRESSION, 1]


def judged_png(verdict: Verdict, scale: ColourScale) -> bytes:
    """Return the file `JUDGED`: the steps of the map over the mask, (2h, w) uint8."""
    steps = scale.steps(verdict.decided_map)
    both = np.concatenate([steps, 255 * verdict.mask.astype(np.uint8)])
    return cv2.imencode(".png", both, FAST)[1].tobytes()


def drawn(kind: str, pixels: NDArray[np.integer], judged: NDArray[np.uint8]) -> bytes:
    """Return the file of a picture, at most `LARGEST` and as large as all others are.

    The mask has 255 where a defect is, else 0; it alone keeps its pixels as they are.

    Args:
        kind: of `TYPES`.
        pixels: of the photo, uint8 or uint16, RGB (H, W, 3).
        judged: of `judged_png`, (2h, w).
    """
    height, width, _ = pixels.shape
    size = scaled((height, width), min(LARGEST, max(height, width)))
    steps, marked = np.split(judged, 2)
    if kind == "map":
        return _jpeg(resized(coloured(steps), size))
    mask = resize_mask(marked > 0, *size)
    if kind == "mask":
        return cv2.imencode(".png", 255 * mask.astype(np.uint8))[1].tobytes()
    image = to_uint8(to_unit(resize(pixels, *size)))
    return _jpeg((image if kind == "image" else overlay(image, mask))[..., ::-1])


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".jpg", pixels, QUALITY)[1].tobytes()
