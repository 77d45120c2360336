"""Reconstruction losses: pure functions of two image batches.

All take images of shape (n, h, w, c) in [0, 1], compute in float32, and return one
value an image, shape (n,). 0 means identical.
"""

from collections.abc import Callable

import numpy as np
from keras import ops

WINDOW = 11  # pixels, Gaussian of standard deviation SIGMA (Wang et al. 2004)
SIGMA = 1.5
C1 = 0.01**2  # (K1 * data_range)^2
C2 = 0.03**2
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang et al. 2003
SMALLEST_TERM = 1e-6  # keeps the powers of MS-SSIM differentiable


def gaussian_window() -> np.ndarray:
    """Return the normalised 1-D Gaussian window of SSIM, shape (11,)."""
    offsets = np.arange(WINDOW) - WINDOW // 2
    window = np.exp(-(offsets**2) / (2 * SIGMA**2))
    return (window / window.sum()).astype("float32")


def smallest_side(loss: str) -> int:
    """Return the smallest image side, in pixels, that `loss` can work on."""
    if loss == "mssim":
        return WINDOW * 2 ** (len(SCALE_WEIGHTS) - 1)
    return WINDOW if loss == "ssim" else 1


def check_sides(loss: str, image_shape: tuple[int, int, int]) -> None:
    """Raise ValueError if a side of `image_shape` is too small for `loss`."""
    smallest = smallest_side(loss)
    if min(image_shape[:2]) < smallest:
        raise ValueError(
            f"Loss {loss} needs image sides of at least {smallest} pixels. "
            f"Received: {image_shape[0]}x{image_shape[1]}"
        )


def _blur(images):
    """Filter with the Gaussian window, valid: (n, h - 10, w - 10, c)."""
    window = gaussian_window()
    channels = images.shape[-1]
    columns = np.tile(window[:, None, None, None], (1, 1, channels, 1))
    rows = np.tile(window[None, :, None, None], (1, 1, channels, 1))
    return ops.depthwise_conv(ops.depthwise_conv(images, columns), rows)


def _ssim_terms(images, reconstructions):
    """Return the luminance and the contrast-structure maps, (n, h-10, w-10, c)."""
    x = ops.cast(images, "float32")
    y = ops.cast(reconstructions, "float32")
    # One filter pass for all four moments.
    moments = _blur(ops.concatenate([x, y, x * x + y * y, x * y], axis=-1))
    mean_x, mean_y, mean_squares, mean_xy = ops.split(moments, 4, axis=-1)
    squares = mean_x * mean_x + mean_y * mean_y
    product = mean_x * mean_y
    luminance = (2 * product + C1) / (squares + C1)
    contrast = (2 * (mean_xy - product) + C2) / (mean_squares - squares + C2)
    return luminance, contrast


def ssim_map(images, reconstructions):
    """Return SSIM at each pixel but those next to the border, (n, h-10, w-10, c)."""
    luminance, contrast = _ssim_terms(images, reconstructions)
    return luminance * contrast


def ssim(images, reconstructions):
    """Return 1 - mean SSIM (Wang et al. 2004, eq. 13), shape (n,), in [0, 2].

    Equal to scikit-image's with `gaussian_weights=True, data_range=1,
    use_sample_covariance=False`, its 5-pixel border left out.
    """
    return 1 - ops.mean(ssim_map(images, reconstructions), axis=(1, 2, 3))


def mssim(images, reconstructions):
    """Return 1 - MS-SSIM over five scales (Wang et al. 2003, eq. 7), shape (n,).

    Terms below 1e-6 count as 1e-6, so that value and gradient are finite for every
    input. Raises ValueError for sides under 176 pixels.
    """
    check_sides("mssim", tuple(images.shape[1:]))
    terms = []
    for scale in range(len(SCALE_WEIGHTS)):
        if scale > 0:
            images = ops.average_pool(images, 2, 2)
            reconstructions = ops.average_pool(reconstructions, 2, 2)
        luminance, contrast = _ssim_terms(images, reconstructions)
        last = scale == len(SCALE_WEIGHTS) - 1
        term = luminance * contrast if last else contrast
        terms.append(ops.mean(term, axis=(1, 2)))  # (n, c)
    logs = ops.log(ops.maximum(ops.stack(terms, axis=-1), SMALLEST_TERM))
    weights = ops.convert_to_tensor(np.float32(SCALE_WEIGHTS))
    return 1 - ops.mean(ops.exp(ops.sum(logs * weights, axis=-1)), axis=-1)


def l2(images, reconstructions):
    """Return the mean squared error over pixels and channels, shape (n,)."""
    errors = ops.cast(images, "float32") - ops.cast(reconstructions, "float32")
    return ops.mean(ops.square(errors), axis=(1, 2, 3))


LOSSES: dict[str, Callable] = {"ssim": ssim, "mssim": mssim, "l2": l2}
