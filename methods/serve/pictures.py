"""The pictures of a judged photo, as the station keeps and shows them."""

import cv2
import numpy as np
from numpy.typing import NDArray

from methods.detector.judge import Verdict
from processing.decoding.decode import resize, resize_mask, to_uint8, to_unit
from processing.report.gallery import LARGEST, QUALITY, ColourScale, resized, scaled
from processing.report.overlays import overlay

TYPES = {"image": "jpg", "overlay": "jpg", "map": "jpg", "mask": "png"}
MEDIA = {"jpg": "image/jpeg", "png": "image/png"}


def pictures_of(
    pixels: NDArray[np.integer], verdict: Verdict, scale: ColourScale
) -> dict[str, bytes]:
    """Return the files of `TYPES`, all of one size, in the proportions of the photo.

    The mask has 255 where a defect is, else 0; it alone keeps its pixels as they are.

    Args:
        pixels: of the photo, uint8 or uint16, grey (H, W, 1) or RGB (H, W, 3).
        verdict: on it.
        scale: of its map.
    """
    height, width, channels = pixels.shape
    size = scaled((height, width), min(LARGEST, max(height, width)))
    image = to_uint8(to_unit(resize(pixels, *size)))
    image = np.repeat(image, 3, axis=2) if channels == 1 else image
    mask = resize_mask(verdict.mask, *size)
    shown = {
        "image": image[..., ::-1],
        "overlay": overlay(image, mask)[..., ::-1],
        "map": resized(scale.paint(verdict.decided_map), size),
    }
    files = {key: cv2.imencode(".jpg", x, QUALITY)[1] for key, x in shown.items()}
    files["mask"] = cv2.imencode(".png", np.where(mask, 255, 0).astype("uint8"))[1]
    return {kind: data.tobytes() for kind, data in files.items()}
