"""Homographies between the pixels of images, and images warped by them."""

import cv2
import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]  # (3, 3), pixel (x, y, 1) to pixel, centres at integers


def scaling(x: float, y: float) -> Matrix:
    """Return the matrix that scales an image by factors, its edges mapped to edges."""
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])


def shift(x: float, y: float) -> Matrix:
    """Return the translation by (x, y) pixels."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])


def warped(image: NDArray, matrix: Matrix, *, flags: int = cv2.INTER_LINEAR) -> NDArray:
    """Return an image (h, w) or (h, w, c) warped by `matrix`, edges replicated."""
    size = (image.shape[1], image.shape[0])
    result = cv2.warpPerspective(
        image, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    return result.reshape(image.shape)


def covered(shape: tuple[int, int], matrix: Matrix) -> NDArray[np.bool_]:
    """Return the mask of the frame (h, w) that an image warped by `matrix` covers."""
    if np.array_equal(matrix, np.eye(3)):
        return np.ones(shape, bool)
    ones = np.ones(shape, np.uint8)
    size = (shape[1], shape[0])
    return cv2.warpPerspective(ones, matrix, size, flags=cv2.INTER_NEAREST) > 0
