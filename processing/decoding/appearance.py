"""How a photo looks as a whole, whatever it shows."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

QUANTITIES = ("brightness", "contrast", "sharpness")


def appearance(pixels: NDArray[Any]) -> dict[str, float]:
    """Return `QUANTITIES` of a photo in grey, of which 0 is black and 1 white.

    They are the mean, the standard deviation, and the variance of the Laplacian, which
    falls as a picture is blurred (Pech-Pacheco et al., "Diatom autofocusing in
    brightfield microscopy", ICPR 2000).

    Args:
        pixels: uint8, uint16 or float32 in [0, 1], grey (H, W, 1) or RGB (H, W, 3).
    """
    grey = pixels[..., 0] if pixels.shape[2] == 1 else _grey(pixels)
    white = 1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
    mean, deviation = cv2.meanStdDev(grey)
    _, curvature = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_32F))
    values = mean / white, deviation / white, (curvature / white) ** 2
    return {key: float(x[0, 0]) for key, x in zip(QUANTITIES, values, strict=True)}


def _grey(pixels: NDArray[Any]) -> NDArray[Any]:
    return cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)
