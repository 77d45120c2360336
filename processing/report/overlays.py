"""Overlays of decided masks on their images."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from processing.data.listing import bare_name
from processing.decoding.decode import resize_mask
from processing.files import replacing

RED = np.array([230, 30, 30], np.float32)
TINT = 0.35  # share of red inside a region


def overlay(
    image: npt.NDArray[np.uint8], mask: npt.NDArray[np.bool_]
) -> npt.NDArray[np.uint8]:
    """Return the RGB image (h, w, 3) with the regions of `mask` tinted and outlined."""
    tinted = image.astype("float32")
    tinted[mask] = (1 - TINT) * tinted[mask] + TINT * RED
    result = np.ascontiguousarray(np.rint(tinted).astype("uint8"))
    outlines, _ = cv2.findContours(
        mask.astype("uint8"), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE
    )
    width = max(1, min(mask.shape) // 200)
    cv2.drawContours(result, outlines, -1, RED.tolist(), width, cv2.LINE_AA)
    return result


def write_png(path: Path, pixels: npt.NDArray[np.uint8]) -> None:
    """Write grey (h, w) or RGB (h, w, 3) pixels atomically."""
    if pixels.ndim == 3:
        pixels = pixels[..., ::-1]
    data = cv2.imencode(".png", pixels)[1]
    with replacing(path) as temporary:
        temporary.write_bytes(data.tobytes())  # OpenCV fails on some path names


def write_overlay(
    folder: Path,
    name: str,
    image: npt.NDArray[np.uint8],
    mask: npt.NDArray[np.bool_],
) -> None:
    """Write NAME_seg.png (0 or 255) and NAME_overlay.png at the image's own size."""
    full = resize_mask(mask, *image.shape[:2])
    write_png(folder / f"{name}_seg.png", np.where(full, 255, 0).astype("uint8"))
    write_png(folder / f"{name}_overlay.png", overlay(image, full))


def picture_names(names: Sequence[str]) -> list[str]:
    """Return a flat name for each image: its class, or folder, and its stem.

    Images whose names differ only in their suffix keep it.
    """
    stems = [bare_name(name.removeprefix("test/")) for name in names]
    repeated = {stem for stem, count in Counter(stems).items() if count > 1}
    return [
        (name.removeprefix("test/") if stem in repeated else stem).replace("/", "_")
        for name, stem in zip(names, stems, strict=True)
    ]
