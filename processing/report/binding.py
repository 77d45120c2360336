"""A picture of the good images that look worst to a decision."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from processing.decision.decision import Decision
from processing.decoding.decode import resize_mask
from processing.wording import printable

from .gallery import ColourScale, Pixels, resized, scaled
from .overlays import outlined, overlay, write_png

SIDE, LINE, GAP = 320, 18, 8  # pixels: the longer side of a picture, a line of text
LETTERS = 46  # of a name that fit above it


class BindingImage(NamedTuple):
    """A good image.

    Attributes:
        name: of the image.
        critical: threshold up to which it is called defective at the decision's area.
        picture: RGB (H, W, 3).
        decided_map: (h, w), as the decision sees it.
    """

    name: str
    critical: float
    picture: Pixels
    decided_map: npt.NDArray


def write_binding(
    path: Path, images: Iterable[BindingImage], decision: Decision, scale: ColourScale
) -> None:
    """Write a column for each image: name, critical threshold, image, and map.

    What the decision marks is red. An outline is around the region that makes the image
    defective at a threshold just below its critical one.
    """
    columns = [_column(image, decision, scale) for image in images]
    height = max(len(column) for column in columns)
    pads = [((0, height - len(column)), (0, GAP), (0, 0)) for column in columns]
    padded = [np.pad(*x, constant_values=255) for x in zip(columns, pads, strict=True)]
    write_png(path, np.concatenate(padded, axis=1))


def _column(image: BindingImage, decision: Decision, scale: ColourScale) -> Pixels:
    """Return what is shown of an image, RGB (h, `SIDE`, 3)."""
    height, width = image.picture.shape[:2]
    size = scaled((height, width), SIDE)
    critical = replace(decision, threshold=np.nextafter(image.critical, -np.inf))
    masks = [x.mask(image.decided_map) for x in (decision, critical)]
    marked, binding = (resize_mask(mask, *size) for mask in masks)
    picture = overlay(resized(image.picture, size), marked)
    painted = resized(scale.paint(image.decided_map), size)[..., ::-1]
    parts = [outlined(part, binding) for part in (picture, painted)]
    wide = ((0, GAP), (0, SIDE - size[1]), (0, 0))
    padded = [np.pad(part, wide, constant_values=255) for part in parts]
    return np.concatenate([_text(image), *padded])


def _text(image: BindingImage) -> Pixels:
    """Return the lines above an image; of a long name there is the end."""
    name = printable(image.name)
    name = name if len(name) <= LETTERS else f"...{name[3 - LETTERS :]}"
    canvas = Image.new("RGB", (SIDE, 2 * LINE), "white")
    font = ImageFont.load_default(LINE - 5)
    text = f"{name}\ndefective below {image.critical:.4g}"
    ImageDraw.Draw(canvas).text((0, 0), text, "black", font)
    return np.asarray(canvas)
