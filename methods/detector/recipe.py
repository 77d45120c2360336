"""What surrounds a graph, for programs without this package: see docs/exports.md."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from processing.files import write_json
from processing.preprocessing.preparation import Preparation

if TYPE_CHECKING:
    from .detector import Detector
    from .judge import Judge


def describe(
    graph: Path,
    detector: "Detector",
    kind: str,
    judge: "Judge | None",
    difference: float,
) -> None:
    """Write what surrounds a graph: NAME.json, and the mask, if any, NAME.mask.png.

    Args:
        graph: the file or folder, at its NAME.
        detector: with the method that became the graph.
        kind: of its maps.
        judge: of these maps; None without a decision.
        difference: of the graph from the method, in parts of the largest map value.
    """
    mask = detector.preparation.arrays.get("mask")
    name = f"{graph.name}.mask.png"
    if mask is not None:
        cv2.imwrite(str(graph.with_name(name)), np.where(mask, 255, 0).astype("uint8"))
    decision: dict[str, Any] | None = None
    if judge:
        decision = asdict(judge.decision) | {"threshold": judge.score_threshold}
    height, width, channels = detector.method.image_shape
    about = {
        "input": f"float32 (n, {height}, {width}, {channels}) in [0, 1], prepared",
        "outputs": [f"maps float32 (n, {height}, {width})", "scores float32 (n,)"],
        "map": kind,
        "decision": decision,
        **recipe(detector.preparation),
        "mask": None if mask is None else name,
        "preparation": detector.preparation.config(),
        "largest_difference": difference,
    }
    write_json(graph.with_name(f"{graph.name}.json"), about)


def recipe(preparation: Preparation) -> dict[str, Any]:
    """Return what is done to images before a graph and to maps behind it, JSON-able."""
    top, left = (
        (whole - part) // 2
        for whole, part in zip(preparation.size, preparation.shape, strict=True)
    )
    tiling = preparation.tiling
    windows = [tiling.window(index) for index in range(len(tiling))]
    return {
        "colours": "RGB" if preparation.channels == 3 else "grey",
        "span": preparation.span,
        "resize": {
            "library": "cv2",
            "size": preparation.size,
            "shrink": "INTER_AREA",
            "enlarge": "INTER_LINEAR",
        },
        "windows": [[top + y.start, left + x.start] for y, x in windows],
        "blank": preparation.blank,
        "score_of": "map" if preparation.partial else "windows",
        "not_described": not_described(preparation),
    }


def not_described(preparation: Preparation) -> list[str]:
    """Return the options of `train.py` whose steps take this package."""
    steps = {
        "--pad": preparation.pad,
        "--register": preparation.register,
        "--mask foreground": preparation.region.foreground,
    }
    return [option for option, taken in steps.items() if taken]
