"""Overlays of decided masks on their images."""

import hashlib
import unicodedata
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
LONGEST = 200  # bytes of a picture's name before its ending: 255 is what there is


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


def outlined(
    picture: npt.NDArray[np.uint8], region: npt.NDArray[np.bool_]
) -> npt.NDArray[np.uint8]:
    """Return an RGB picture (h, w, 3) with the outline of a region, white on black."""
    result = np.array(picture)
    outlines, _ = cv2.findContours(
        region.astype("uint8"), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    for colour, width in ((0, 3), (255, 1)):
        cv2.drawContours(result, outlines, -1, (colour,) * 3, width)
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
    painted: npt.NDArray[np.uint8] | None,
) -> None:
    """Write NAME_seg.png, _overlay.png and _heatmap.png at the image's own size.

    Args:
        folder: to write to.
        name: of the files, see `picture_names`.
        image: RGB (H, W, 3).
        mask: (h, w) decided; 0 or 255 in NAME_seg.png.
        painted: the map in colours, BGR (h, w, 3). None for an image that nobody has to
            look at: the mask alone is written, and what an earlier test left of the
            others is removed.
    """
    height, width = image.shape[:2]
    full = resize_mask(mask, height, width)
    write_png(folder / f"{name}_seg.png", np.where(full, 255, 0).astype("uint8"))
    marked, heat = (folder / f"{name}_{kind}.png" for kind in ("overlay", "heatmap"))
    if painted is None:
        marked.unlink(missing_ok=True)
        heat.unlink(missing_ok=True)
        return
    write_png(marked, overlay(image, full))
    large = np.asarray(cv2.resize(painted, (width, height)), np.uint8)
    write_png(heat, large[..., ::-1])


def picture_names(names: Sequence[str]) -> list[str]:
    """Return a file name for each image, to which an ending such as _seg.png is added.

    It is flat: the image's class, or folder, and its stem. Images whose names differ
    only in their suffix keep it. Names that are still alike, for a file system that
    ignores case or composes accents, are numbered. Long ones end in a hash.
    """
    stems = [bare_name(name.removeprefix("test/")) for name in names]
    repeated = {stem for stem, count in Counter(stems).items() if count > 1}
    flat = [
        _short(name.removeprefix("test/") if stem in repeated else stem)
        for name, stem in zip(names, stems, strict=True)
    ]
    taken: set[str] = set()
    return [_untaken(name, taken) for name in flat]


def _short(name: str) -> str:
    """Return a name without folders; a hash is the end of a long one."""
    name = name.replace("/", "_")
    encoded = name.encode("utf-8", "surrogatepass")
    if len(encoded) <= LONGEST:
        return name
    digest = hashlib.sha256(encoded).hexdigest()[:16]
    return f"{encoded[: LONGEST - 17].decode('utf-8', 'ignore')}_{digest}"


def _untaken(name: str, taken: set[str]) -> str:
    """Return `name`, or `name_2`, `name_3`, ... where that is taken, and take it."""
    candidate, number = name, 2
    while (folded := unicodedata.normalize("NFC", candidate).casefold()) in taken:
        candidate = f"{name}_{number}"
        number += 1
    taken.add(folded)
    return candidate
