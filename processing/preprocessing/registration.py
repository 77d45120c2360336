"""Registration: where the pixels of an image lie on a reference image."""

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from processing.geometry import Matrix, covered, scaling, shift, warped

Grey = NDArray[np.uint8]  # (h, w)

WAYS = ("orb", "ecc")
SIDE = 512  # pixels; longer images are shrunk to find the warp
OVERLAP = 0.5  # share of the reference that the image has to cover
LEAST_ALIKE = 0.7  # correlation below which an image does not show the same
ALIKE = 0.97  # correlation from which on no other start is tried
GAIN = 0.01  # of correlation, for which a less simple warp is taken
FEATURES, KEPT = 5000, 0.9  # ORB features, and the share of the best matches
REACH = 3.0  # pixels, for which a match agrees with a warp
AGREEING = 10  # matches that have to
ANGLES, THUMBNAIL = 24, 64  # turns tried to start ECC from, on images of this side


def register(image: Grey, reference: Grey, way: str) -> Matrix | None:
    """Find the warp from the pixels of `image` to those of `reference`.

    "orb" matches features (brute force, Hamming distance, cross-check, the best
    `KEPT`) and fits a similarity and a homography with RANSAC; it needs parts with
    marks of their own, at any angle. "ecc" maximises the correlation (Evangelidis and
    Psarakis 2008) over affine warps, from where the image is and from the turn that
    fits best; it needs parts of one look.

    Args:
        image: grey (h, w), uint8.
        reference: grey, of the same shape.
        way: one of `WAYS`.

    Returns:
        The warp, or None if none is found that covers half of the reference, makes the
        images alike (a correlation of `LEAST_ALIKE`), and no less than no warp; which
        is the warp of images that are as good as equal (`ALIKE`).
    """
    image, _ = shrunk(image, SIDE)
    reference, small = shrunk(reference, SIDE)
    find = _matched if way == "orb" else _correlated
    warp, likeness = find(image, reference)
    unmoved = alike(image, reference, np.eye(3))
    if warp is None or likeness < max(LEAST_ALIKE, unmoved - GAIN):
        return np.eye(3) if unmoved >= ALIKE else None
    return np.linalg.inv(small) @ warp @ small


def shrunk(image: Grey, side: int) -> tuple[Grey, Matrix]:
    """Return an image of at most `side` pixels a side, and the matrix to it."""
    height, width = image.shape
    scale = min(1.0, side / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return small, scaling(size[0] / width, size[1] / height)


def alike(image: NDArray, reference: NDArray, matrix: Matrix) -> float:
    """Return the correlation of a moved image with the reference, in [-1, 1].

    -1 if it covers less than `OVERLAP` of it.
    """
    inside = covered((reference.shape[0], reference.shape[1]), matrix)
    if inside.mean() < OVERLAP:
        return -1.0
    a, b = warped(image, matrix)[inside], reference[inside]
    a, b = a - a.mean(dtype=float), b - b.mean(dtype=float)
    return float(a @ b / max(np.sqrt((a @ a) * (b @ b)), 1e-9))


def _matched(image: Grey, reference: Grey) -> tuple[Matrix | None, float]:
    """Return the better warp through matching ORB features, and its likeness."""
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
    found = [w for w, agree in fitted if w is not None and agree.sum() >= AGREEING]
    return _likeliest(image, reference, found)


def _correlated(image: Grey, reference: Grey) -> tuple[Matrix | None, float]:
    """Return the better affine warp that ECC finds, and its likeness."""
    best: tuple[Matrix | None, float] = None, -1.0
    for start in (lambda *_: np.eye(3), _turned):
        found = _ecc(image, reference, start(image, reference))
        warp, likeness = _likeliest(image, reference, [] if found is None else [found])
        if likeness > best[1] + GAIN:
            best = warp, likeness
        if likeness >= ALIKE:
            break
    return best


def _likeliest(
    image: Grey, reference: Grey, warps: Iterable[NDArray]
) -> tuple[Matrix | None, float]:
    """Return the warp that makes the image most like the reference; simple ones first.

    Warps are (2, 3) or (3, 3).
    """
    best: tuple[Matrix | None, float] = None, -1.0
    for warp in warps:
        matrix = np.vstack([warp, [0, 0, 1]]) if len(warp) == 2 else warp
        likeness = alike(image, reference, matrix)
        if likeness > best[1] + GAIN:
            best = matrix, likeness
    return best


def _ecc(image: Grey, reference: Grey, start: Matrix) -> Matrix | None:
    inverse = np.linalg.inv(start)[:2].astype(np.float32)
    steps = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-5)
    everywhere, blur = np.ones_like(image), 5
    try:
        _, found = cv2.findTransformECC(
            reference, image, inverse, cv2.MOTION_AFFINE, steps, everywhere, blur
        )
        return np.linalg.inv(np.vstack([found, [0, 0, 1]]).astype(float))
    except (cv2.error, np.linalg.LinAlgError):  # it did not converge
        return None


def _turned(image: Grey, reference: Grey) -> Matrix:
    """Return the turn and shift, found on thumbnails, that correlate best."""
    edge = np.concatenate([image[[0, -1]].ravel(), image[:, [0, -1]].ravel()])
    image, _ = shrunk(image, THUMBNAIL)
    reference, small = shrunk(reference, THUMBNAIL)
    height, width = reference.shape
    doubled = (2 * height, 2 * width)
    target = reference - reference.mean()
    spectrum = np.fft.rfft2(target, doubled).conj()
    middle, background = ((width - 1) / 2, (height - 1) / 2), float(np.median(edge))
    found: list[tuple[float, Matrix]] = []
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
        likeness = products.max() / max(np.linalg.norm(turned), 1e-9)
        found.append((likeness, shift(x, y) @ np.vstack([matrix, [0, 0, 1]])))
    return np.linalg.inv(small) @ max(found, key=lambda pair: pair[0])[1] @ small
