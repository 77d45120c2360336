"""Residual maps: where images differ from their reconstructions."""

import cv2
import numpy as np

WINDOW = 11  # pixels of the SSIM window, Gaussian of standard deviation 1.5
SIGMA = 1.5
C1 = 0.01**2  # (K1 * data_range)^2, data_range 1
C2 = 0.03**2
LEGACY_SCALE = 4  # the original took a data range of 2: both constants times 4
GREY = np.array([0.2989, 0.5870, 0.1140], np.float32)


def _ssim_map(image: np.ndarray, reference: np.ndarray, scale: float) -> np.ndarray:
    """Return the SSIM of two (h, w, c) float64 images, (h, w, c)."""
    window = cv2.getGaussianKernel(WINDOW, SIGMA)

    def blur(x: np.ndarray) -> np.ndarray:
        x = cv2.sepFilter2D(x, -1, window, window, borderType=cv2.BORDER_REFLECT)
        return x.reshape(image.shape)

    mean_x, mean_y = blur(image), blur(reference)
    squares, product = mean_x**2 + mean_y**2, mean_x * mean_y
    variances = blur(image**2 + reference**2) - squares
    covariance = blur(image * reference) - product
    c1, c2 = C1 * scale, C2 * scale
    luminance = (2 * product + c1) / (squares + c1)
    return luminance * (2 * covariance + c2) / (variances + c2)


def ssim_residual(
    images: np.ndarray, reconstructions: np.ndarray, *, scale: float = 1.0
) -> np.ndarray:
    """Return 1 - SSIM at each pixel (Wang et al. 2004, eq. 13), mean over channels.

    Args:
        images: (n, h, w, c) in [0, 1].
        reconstructions: the same shape and range.
        scale: factor on both constants of SSIM; 4 is the original's data range of 2.

    Returns:
        float32 (n, h, w) in [0, 2]; 0 = identical. Borders are reflected, as in
        scikit-image's `structural_similarity(gaussian_weights=True)`.
    """
    pairs = zip(images.astype("float64"), reconstructions, strict=True)
    maps = [
        1 - _ssim_map(x, y.astype("float64"), scale).mean(axis=-1) for x, y in pairs
    ]
    return np.stack(maps).astype("float32")


def l2_residual(images: np.ndarray, reconstructions: np.ndarray) -> np.ndarray:
    """Return the squared difference at each pixel, mean over channels.

    Takes two batches (n, h, w, c) in [0, 1]; returns float32 (n, h, w) in [0, 1].
    """
    errors = images.astype("float32") - reconstructions.astype("float32")
    return np.square(errors).mean(axis=-1)


def l1_residual(images: np.ndarray, reconstructions: np.ndarray) -> np.ndarray:
    """Return the absolute difference at each pixel, mean over channels.

    Takes two batches (n, h, w, c) in [0, 1]; returns float32 (n, h, w) in [0, 1].
    """
    errors = images.astype("float32") - reconstructions.astype("float32")
    return np.abs(errors).mean(axis=-1)


RESIDUALS = {"ssim": ssim_residual, "l2": l2_residual}
HIGHEST = {"ssim": 2.0, "l2": 1.0}  # the largest value each can take


def legacy_residual(
    images: np.ndarray, reconstructions: np.ndarray, kind: str
) -> np.ndarray:
    """Return the original's map: grey first, SSIM constants times 4, at most 1."""
    if images.shape[-1] == 3:
        images = (images @ GREY)[..., None]
        reconstructions = (reconstructions @ GREY)[..., None]
    if kind == "l2":
        return l2_residual(images, reconstructions)
    return np.minimum(ssim_residual(images, reconstructions, scale=LEGACY_SCALE), 1)


def smooth(maps: np.ndarray, sigma: float) -> np.ndarray:
    """Blur each map (n, h, w) with a Gaussian of `sigma` pixels; 0 leaves it alone."""
    if sigma == 0:
        return maps
    return np.stack(
        [
            cv2.GaussianBlur(m, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
            for m in maps.astype("float32")
        ]
    )


def quantise(maps: np.ndarray, highest: float) -> np.ndarray:
    """Return maps as uint8: [0, highest] to 0 ... 255, rounded, the rest clipped."""
    return np.clip(np.rint(maps * (255 / highest)), 0, 255).astype("uint8")
