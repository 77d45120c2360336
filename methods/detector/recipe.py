"""What surrounds a graph, for programs without this package: see docs/exports.md."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from processing.files import write_json
from processing.preprocessing import registration
from processing.preprocessing.foreground import SMALLEST, discs
from processing.preprocessing.preparation import Preparation

if TYPE_CHECKING:
    from .detector import Detector
    from .judge import Judge

PAD = [
    "scale = min(height / image height, width / image width) with the size of `resize`",
    "inner = max(1, round(side * scale)) for both sides, halves to even",
    "the image is resized to inner, not to size, in the same way",
    "top, left = (size - inner) // 2; bottom, right = size - inner - (top, left)",
    "cv2.copyMakeBorder(image, top, bottom, left, right, cv2.BORDER_REPLICATE)",
    "matrix = [[x, 0, (x - 1) / 2 + left], [0, y, (y - 1) / 2 + top], [0, 0, 1]] with "
    "x, y = inner width / width, inner height / height; without pad, the identity",
]
RESTORE = [
    "judged: the pictures `mask` > 0 (all without one) and `foreground`, and "
    "cv2.warpPerspective(ones (height, width), matrix, (width, height), "
    "flags=cv2.INTER_NEAREST) > 0",
    "lowest = the map's lowest value where judged; anywhere, if nothing is",
    "known = cv2.warpPerspective(judged, matrix, (width, height), "
    "flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP) > 0",
    "map = cv2.warpPerspective(map, matrix, (width, height), flags=cv2.INTER_LINEAR | "
    "cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE); where not known, lowest",
    "with the identity as matrix nothing is warped; the score is the map's highest",
]
_BEFORE = [
    "image: of 16 bits or with a span in [0, 1], of 8 bits still in 0 to 255",
    "grey = cv2.cvtColor(image in 0 to 255, as uint8, cv2.COLOR_RGB2GRAY)",
    "grey and reference are shrunk by cv2.resize(INTER_AREA) to a longer side of at "
    "most {SIDE}; small = [[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]] with "
    "their factors x, y",
    "score of a 3x3 matrix: correlation of cv2.warpPerspective(grey, matrix, "
    "flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) with the reference where "
    "warped ones (cv2.INTER_NEAREST) are 1; -1 if these are less than {OVERLAP} of "
    "all, 0 without contrast",
    "a matrix is better than the one before if its score is more than {GAIN} above; "
    "the first has to be above -1 by that",
]
_ESTIMATES = {
    "orb": [
        "orb = cv2.ORB_create({FEATURES}); orb.detectAndCompute of grey and reference",
        "cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(grey's, reference's); "
        "the int({KEPT} * n) of smallest distance, at least {AGREEING}",
        "better of cv2.estimateAffinePartial2D(points, reference's points, "
        "method=cv2.RANSAC, ransacReprojThreshold={REACH}), then "
        "cv2.findHomography(points, reference's points, cv2.RANSAC, {REACH}), of each "
        "that has {AGREEING} inliers",
    ],
    "ecc": [
        "cv2.findTransformECC(reference, grey, start, cv2.MOTION_AFFINE, "
        "(cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-5), ones, 5), "
        "inverted; no matrix where cv2.error is raised. start = the identity, float32",
        "unless that scores {SAME_CORRELATION}, the better of it and of another start: "
        "the inverse of the best turn",
        "turn: grey and reference are shrunk to {THUMBNAIL} in the same way; for k in "
        "0 to {ANGLES} - 1, cv2.getRotationMatrix2D(middle, 360 * k / {ANGLES}, 1), "
        "middle = (width - 1) / 2, (height - 1) / 2; cv2.warpAffine(grey, turn, "
        "borderValue=median of the outermost pixels of grey before it was shrunk)",
        "best: highest correlation at any shift, sum of products over norm of the "
        "turned one, both less their means and 0 beyond edges; its shift is added",
    ],
}
_AFTER = [
    "found if its score is at least {MIN_CORRELATION}, and that of the identity less "
    "{GAIN}; else the image stays as it is",
    "moved = inverse(small) @ found @ small; image = cv2.warpPerspective(image, moved, "
    "(width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE); "
    "matrix = moved @ matrix",
]


def describe(
    graph: Path,
    detector: "Detector",
    kind: str,
    judge: "Judge | None",
    difference: float,
) -> None:
    """Write what surrounds a graph: NAME.json, and its pictures, NAME.KIND.png.

    They are "mask", "core" (of the foreground) and "reference" (to register to), where
    they are needed.

    Args:
        graph: the file or folder, at its NAME.
        detector: with the method that became the graph.
        kind: of its maps.
        judge: of these maps; None without a decision.
        difference: of the graph from the method, in parts of the largest map value.
    """
    preparation = detector.preparation
    decision: dict[str, Any] | None = None
    if judge:
        decision = asdict(judge.decision) | {"threshold": judge.score_threshold}
    size = ", ".join(map(str, preparation.size))
    about = {
        "input": f"float32 (n, {size}, {preparation.channels}) in [0, 1], prepared",
        "outputs": [f"maps float32 (n, {size})", "scores float32 (n,)"],
        "map": kind,
        "decision": decision,
        **recipe(preparation, graph.name),
        "preparation": preparation.config(),
        "largest_difference": difference,
    }
    for name, pixels in pictures(preparation).items():
        cv2.imwrite(str(graph.with_name(f"{graph.name}.{name}.png")), pixels)
    write_json(graph.with_name(f"{graph.name}.json"), about)


def pictures(preparation: Preparation) -> dict[str, np.ndarray]:
    """Return the uint8 pictures (h, w) that the recipe names, of the resized image."""
    judged, arrays = preparation.judged, preparation.arrays
    found = {} if judged.all() else {"mask": np.where(judged, 255, 0)}
    if "core" in arrays:
        found["core"] = np.where(arrays["core"], 255, 0)
    if "reference" in arrays:
        found["reference"] = arrays["reference"]
    return {name: pixels.astype(np.uint8) for name, pixels in found.items()}


def recipe(preparation: Preparation, name: str) -> dict[str, Any]:
    """Return what is done to images before a graph and to maps behind it, JSON-able.

    Args:
        preparation: of the images.
        name: of the graph, which its pictures begin with.
    """
    files = {kind: f"{name}.{kind}.png" for kind in pictures(preparation)}
    return {
        "colours": "RGB" if preparation.channels == 3 else "grey",
        "span": preparation.span,
        "resize": {
            "library": "cv2",
            "size": preparation.size,
            "shrink": "INTER_AREA",
            "enlarge": "INTER_LINEAR",
        },
        "pad": PAD if preparation.pad else None,
        "register": _registration(preparation, files),
        "windows": [[0, 0]],  # tiles and crop are in the graph
        "mask": files.get("mask"),
        "foreground": _foreground(preparation, files),
        "blank": preparation.blank,
        "restore": None if preparation.still else RESTORE,
        "score_of": "map" if preparation.partial else "windows",
        "not_described": [],
    }


def _foreground(
    preparation: Preparation, files: dict[str, str]
) -> dict[str, Any] | None:
    """Return how `foreground` finds a part, with its numbers for images of the size."""
    if not preparation.region.foreground:
        return None
    sigma, closing, margin = discs(max(preparation.size))
    return {
        "core": files.get("core"),
        "steps": [
            "image: what `pad` or `resize`, and `register` leave, as uint8 in 0 to 255",
            f"blurred = cv2.GaussianBlur(image, (0, 0), {sigma}), as float32",
            "distance of each pixel from the median colour of the outermost pixels",
            "steps = rint(255 / largest distance * distances), as uint8; if the largest"
            " is 0, nothing is foreground",
            "cv2.threshold(steps, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)",
            "cv2.morphologyEx(mask, cv2.MORPH_CLOSE, ellipse), ellipse = "
            f"cv2.getStructuringElement(cv2.MORPH_ELLIPSE, ({closing}, {closing}))",
            f"without regions (8-connected) smaller than {SMALLEST} of the largest",
            "with its holes: regions of the rest (4-connected) that touch no border",
            f"cv2.dilate(mask, the same ellipse of ({margin}, {margin}))",
            "judged: this or the picture `core` > 0, and the picture `mask` > 0",
        ],
    }


def _registration(
    preparation: Preparation, files: dict[str, str]
) -> dict[str, Any] | None:
    """Return how `registration.register` moves an image, with its numbers."""
    if not preparation.register:
        return None
    known = vars(registration)
    steps = [*_BEFORE, *_ESTIMATES[preparation.register], *_AFTER]
    return {
        "reference": files.get("reference"),
        "method": preparation.register,
        "steps": [step.format(**known) for step in steps],
        "cv2": cv2.__version__,  # others may find other features, and end elsewhere
    }
