"""Registration of images to a reference image."""

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from processing.geometry import Matrix, covered, scaling, shift, warped

Grey = NDArray[np.uint8]  # (h, w)

REGISTRATIONS = ("orb", "ecc")
SIDE = 512  # pixels; longer images are shrunk to be registered
OVERLAP = 0.5  # share of the reference that the image has to cover
MIN_CORRELATION = 0.7  # below it an image does not show the same
SAME_CORRELATION = 0.97  # from it on no other start is tried
GAIN = 0.01  # of correlation, for which a less simple homography is taken
FEATURES, KEPT = 5000, 0.9  # ORB features, and the share of the best matches
REACH = 3.0  # pixels, within which a match agrees with a homography
AGREEING = 10  # matches that have to
ANGLES, THUMBNAIL = 24, 64  # rotations tried to start ECC from, on images of this side


def register(image: Grey, reference: Grey, method: str) -> Matrix | None:
    """Estimate the homography from the pixels of `image` to those of `reference`.

    "orb" matches features (brute force, Hamming distance, cross-check, the best
    `KEPT`) and fits a similarity and a homography with RANSAC; it needs parts with
    marks of their own, at any angle. "ecc" maximises the correlation (Evangelidis and
    Psarakis 2008) over affine maps, from the identity and from the rotation that fits
    best; it needs parts of one look.

    Args:
        image: grey (h, w), uint8.
        reference: grey, of the same shape.
        method: one of `REGISTRATIONS`.

    Returns:
        A homography (3, 3) that covers half of the reference and reaches a correlation
        of `MIN_CORRELATION`, and no less than the identity does. Failing that, the
        identity from `SAME_CORRELATION` on, else None.
    """
    image, _ = shrunk(image, SIDE)
    reference, small = shrunk(reference, SIDE)
    estimate = _match_features if method == "orb" else _maximise_correlation
    homography, score = estimate(image, reference)
    unmoved = correlation(image, reference, np.eye(3))
    if homography is None or score < max(MIN_CORRELATION, unmoved - GAIN):
        return np.eye(3) if unmoved >= SAME_CORRELATION else None
    return np.linalg.inv(small) @ homography @ small


def shrunk(image: Grey, side: int) -> tuple[Grey, Matrix]:
    """Return an image of at most `side` pixels a side, and the matrix to it."""
    height, width = image.shape
    scale = min(1.0, side / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return small, scaling(size[0] / width, size[1] / height)


def correlation(image: NDArray, reference: NDArray, matrix: Matrix) -> float:
    """Return the correlation of a warped image with the reference, in [-1, 1].

    -1 if it covers less than `OVERLAP` of it.
    """
    inside = covered((reference.shape[0], reference.shape[1]), matrix)
    if inside.mean() < OVERLAP:
        return -1.0
    a, b = warped(image, matrix)[inside], reference[inside]
    a, b = a - a.mean(dtype=float), b - b.mean(dtype=float)
    return float(a @ b / max(np.sqrt((a @ a) * (b @ b)), 1e-9))


def _match_features(image: Grey, reference: Grey) -> tuple[Matrix | None, float]:
    """Return the better homography from matched ORB features, its correlation."""
    orb = cv2.ORB.create(FEATURES)
    points, descriptors = orb.detectAndCompute(image, None)
    others, other_descriptors = orb.detectAndCompute(reference, None)
    if descriptors is None or other_descriptors is None:
        return None, -1.0
    matcher = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True)
    matches = sorted(
        matcher.match(descriptors, other_descriptors), key=lambda match: match.distance
    )
    matches = matches[: int(KEPT * len(matches))]
    if len(matches) < AGREEING:
        return None, -1.0
    source = np.array([points[match.queryIdx].pt for match in matches])
    target = np.array([others[match.trainIdx].pt for match in matches])
    fitted = (
        cv2.estimateAffinePartial2D(
            source, target, method=cv2.RANSAC, ransacReprojThreshold=REACH
        ),
        cv2.findHomography(source, target, cv2.RANSAC, REACH),
    )
    candidates = [h for h, agree in fitted if h is not None and agree.sum() >= AGREEING]
    return _best_homography(image, reference, candidates)


def _maximise_correlation(image: Grey, reference: Grey) -> tuple[Matrix | None, float]:
    """Return the better affine homography of ECC, and its correlation."""
    best: tuple[Matrix | None, float] = None, -1.0
    for start in (lambda *_: np.eye(3), _turned):
        candidates = _ecc(image, reference, start(image, reference))
        matrix, score = _best_homography(image, reference, candidates)
        if score > best[1] + GAIN:
            best = matrix, score
        if score >= SAME_CORRELATION:
            break
    return best


def _best_homography(
    image: Grey, reference: Grey, homographies: Iterable[NDArray]
) -> tuple[Matrix | None, float]:
    """Return the homography of the highest correlation, simple ones first, and that.

    Homographies are (2, 3), if affine, or (3, 3).
    """
    best: tuple[Matrix | None, float] = None, -1.0
    for matrix in homographies:
        matrix = np.vstack([matrix, [0, 0, 1]]) if len(matrix) == 2 else matrix
        score = correlation(image, reference, matrix)
        if score > best[1] + GAIN:
            best = matrix, score
    return best


def _ecc(image: Grey, reference: Grey, start: Matrix) -> list[Matrix]:
    """Return the affine homography that ECC converges to from `start`, if it does."""
    inverse = np.linalg.inv(start)[:2].astype(np.float32)
    steps = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-5)
    everywhere, blur = np.ones_like(image), 5
    try:
        _, affine = cv2.findTransformECC(
            reference, image, inverse, cv2.MOTION_AFFINE, steps, everywhere, blur
        )
        return [np.linalg.inv(np.vstack([affine, [0, 0, 1]]).astype(float))]
    except (cv2.error, np.linalg.LinAlgError):  # it did not converge
        return []


def _turned(image: Grey, reference: Grey) -> Matrix:
    """Return the rotation and shift, of thumbnails, that correlate best."""
    edge = np.concatenate([image[[0, -1]].ravel(), image[:, [0, -1]].ravel()])
    image, _ = shrunk(image, THUMBNAIL)
    reference, small = shrunk(reference, THUMBNAIL)
    height, width = reference.shape
    doubled = (2 * height, 2 * width)
    target = reference - reference.mean()
    spectrum = np.fft.rfft2(target, doubled).conj()
    middle, background = ((width - 1) / 2, (height - 1) / 2), float(np.median(edge))
    candidates: list[tuple[float, Matrix]] = []
    for turn in range(ANGLES):
        matrix = cv2.getRotationMatrix2D(middle, 360 * turn / ANGLES, 1.0)
        turned = cv2.warpAffine(
            image, matrix, (width, height), borderValue=background
        ).astype(float)
        turned -= turned.mean()
        products = np.fft.irfft2(np.fft.rfft2(turned, doubled) * spectrum, doubled)
        row, column = np.unravel_index(products.argmax(), doubled)
        y = -int(row if row < height else row - doubled[0])
        x = -int(column if column < width else column - doubled[1])
        score = products.max() / max(np.linalg.norm(turned), 1e-9)
        candidates.append((score, shift(x, y) @ np.vstack([matrix, [0, 0, 1]])))
    return np.linalg.inv(small) @ max(candidates, key=lambda pair: pair[0])[1] @ small
