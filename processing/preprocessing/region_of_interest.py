"""Regions of interest: what of an image is judged, as `--mask` gives it."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from processing.decoding.decode import read_mask
from processing.errors import UsageError, UserError

FOREGROUND = "foreground"
_RECTANGLE = re.compile(r"(\d+),(\d+),(\d+),(\d+)")


@dataclass(frozen=True)
class RegionOfInterest:
    """The region of interest: all that none of its parts leaves out.

    Attributes:
        foreground: judge the part in front of an even background alone.
        files: images of the size of the reference, black where nothing is judged.
        rectangles: (x, y, w, h) in pixels of the reference, where nothing is judged.
    """

    foreground: bool = False
    files: tuple[Path, ...] = ()
    rectangles: tuple[tuple[int, int, int, int], ...] = ()

    @property
    def still(self) -> bool:
        """Whether any part lies at the same place in all images."""
        return bool(self.files or self.rectangles)

    def check_files(self) -> None:
        """Raise `UsageError` unless all files are there."""
        for path in self.files:
            if not path.is_file():
                raise UsageError(
                    f"--mask: expected {FOREGROUND}, an image file, or a rectangle "
                    f"x,y,w,h. Received: {path}"
                )

    def draw(self, height: int, width: int) -> NDArray[np.bool_]:
        """Return the still parts as a mask of the reference, True where to judge."""
        self.check_files()
        mask = np.ones((height, width), bool)
        for path in self.files:
            try:
                drawn = read_mask(path)
            except UserError as error:
                raise UsageError(f"--mask: {error}") from error
            if drawn.shape != mask.shape:
                raise UsageError(
                    f"--mask {path} is {drawn.shape[1]}x{drawn.shape[0]} pixels, "
                    f"expected the {width}x{height} of the reference image"
                )
            mask &= drawn
        for x, y, wide, high in self.rectangles:
            if x + wide > width or y + high > height:
                raise UsageError(
                    f"--mask {x},{y},{wide},{high} lies outside of the reference "
                    f"image, which is {width}x{height} pixels"
                )
            mask[y : y + high, x : x + wide] = False
        if not mask.any():
            raise UsageError("--mask leaves nothing to judge")
        return mask


def parse_region(text: str | None) -> RegionOfInterest:
    """Return the region of foreground, FILE or x,y,w,h, with ; in between."""
    foreground, files, rectangles = False, [], []
    for part in text.split(";") if text else ():
        match = _RECTANGLE.fullmatch(part.replace(" ", ""))
        if match:
            x, y, wide, high = (int(number) for number in match.groups())
            if not wide or not high:
                raise UsageError(f"--mask: a rectangle without pixels: {part}")
            rectangles.append((x, y, wide, high))
        elif part.strip() == FOREGROUND:
            foreground = True
        else:
            files.append(Path(part))
    return RegionOfInterest(foreground, tuple(files), tuple(rectangles))
