"""Where false regions lie on good images, and what would leave them out."""

import logging
from collections.abc import Sequence
from itertools import repeat
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from methods.detector.judge import Verdict
from processing.data.image_set import ANOMALOUS, GOOD, ImageSet
from processing.decision.decision import Decision
from processing.decision.regions import BoolArray
from processing.decoding.decode import resize, resize_mask
from processing.metrics.gathering import FEWEST, LEVEL, bands, chance, gathering_band
from processing.preprocessing.foreground import SEPARATE, foreground
from processing.preprocessing.preparation import Preparation
from processing.preprocessing.region_of_interest import FOREGROUND
from processing.report.overlays import outlined, write_png

from .curves import Curves
from .evaluation import known_mask

PICTURE = "false_regions.png"
SEEN = 64  # images with false regions, at most, that are looked at

log = logging.getLogger(__name__)

Part = tuple[str, int, BoolArray]  # for --mask, false regions in it, and where it is


class FalseRegions:
    """The false regions of good images.

    Args:
        images: that are judged.
        preparation: of these images.
    """

    def __init__(self, images: ImageSet, preparation: Preparation) -> None:
        self.images = images
        self.preparation = preparation
        self.heat = np.zeros(preparation.size)  # how often each pixel was false
        self.true = np.zeros(preparation.size, bool)  # where any true defect lies
        self.defective: list[int] = []
        self.found: list[tuple[int, float, float]] = []  # image, row, column

    def add(self, index: int, verdict: Verdict, truth: BoolArray | None) -> None:
        """Take in the verdict on an image; `truth` is its mask, if known."""
        if truth is not None and truth.any():
            self.add_defect(index, truth)
        elif self.images.labels[index] == GOOD and verdict.defective:
            self.heat += verdict.mask
            regions = verdict.regions
            places = zip(repeat(index), regions["row"], regions["column"], strict=False)
            self.found += places

    def add_defect(self, index: int, truth: BoolArray) -> None:
        """Take in where the defects of an image are."""
        self.true |= resize_mask(truth, *self.true.shape)
        self.defective.append(index)

    def write(self, folder: Path) -> str:
        """Return a hint at `--mask`, and draw it; "" where nothing gathers.

        A part of the image in which they gather is the background of parts in front of
        one, or a band along a border, if no true defect lies in it.
        """
        path = folder / PICTURE
        part = self._part()
        if not part:
            path.unlink(missing_ok=True)
            return ""
        mask, count, where = part
        self._draw(path, where)
        place = "the background" if mask == FOREGROUND else "a band along the border"
        return (
            f"{count} of {len(self.found)} false regions on good images lie in "
            f"{place}: if no defect can, train.py --mask {mask} leaves it out ({path})"
        )

    def _part(self) -> Part | None:
        # Of a mask that there is, what it leaves could be no rectangle.
        if len(self.found) < FEWEST or self.preparation.mask:
            return None
        places = np.array(self.found)
        images, centres = places[:, 0].astype(int), places[:, 1:]
        tried = 1 + len(bands(*self.true.shape))
        return self._background(images, centres, tried) or self._band(
            images, centres, tried
        )

    def _background(
        self, images: npt.NDArray[np.int64], centres: npt.NDArray, tried: int
    ) -> Part | None:
        """Return the background, if false regions gather there."""
        seen, outside = np.unique(images)[:SEEN], {}
        for index in seen:
            if (mask := self._outside(index)) is None:
                return None
            outside[index] = mask
        known = np.isin(images, seen)
        rows, columns = np.rint(centres[known]).astype(int).T
        masks = np.array([outside[index] for index in images[known]])
        inside = masks[np.arange(len(masks)), rows, columns]
        share = float(masks.mean())
        if chance(inside, images[known], share, tried) >= LEVEL:
            return None
        for index in self.defective:
            mask, truth = self._outside(index), known_mask(self.images, index)
            if mask is None or truth is None:
                return None
            if (resize_mask(truth, *mask.shape) & mask).any():
                return None
        return FOREGROUND, int(inside.sum()), np.mean([*outside.values()], 0) > 0.5

    def _outside(self, index: int) -> BoolArray | None:
        """Return where an image (h, w) is background; None if that is not clear."""
        mask, separation = foreground(self._picture(index))
        return ~mask if separation >= SEPARATE else None

    def _picture(self, index: int) -> npt.NDArray[np.uint8]:
        whole = self.preparation.picture(self.images.paths[index])
        return resize(whole, *self.preparation.size)

    def _band(
        self, images: npt.NDArray[np.int64], centres: npt.NDArray, tried: int
    ) -> Part | None:
        """Return a band, if false regions gather there, in pixels of the images."""
        box = gathering_band(centres, images, self.true, tried)
        shapes = {
            self.preparation.picture(self.images.paths[index]).shape[:2]
            for index in np.unique(images)[:SEEN]
        }
        if not box or len(shapes) > 1 or self.preparation.register:
            return None  # a rectangle would lie elsewhere in other images
        [size] = shapes
        top, left, bottom, right = box
        where = np.zeros(self.true.shape, bool)
        where[top:bottom, left:right] = True
        rows, columns = np.rint(centres).astype(int).T
        count = int(where[rows, columns].sum())
        down, across = np.array(size) / self.true.shape
        y, x = round(top * down), round(left * across)
        high, wide = round(bottom * down) - y, round(right * across) - x
        return f"{x},{y},{wide},{high}", count, where

    def _draw(self, path: Path, where: BoolArray) -> None:
        """Draw where false regions lie over the mean of their images."""
        seen = np.unique([index for index, *_ in self.found])[:SEEN]
        mean = np.mean([self._picture(index) for index in seen], axis=0)
        share = (self.heat / self.heat.max())[..., None]
        steps = np.rint(255 * share[..., 0]).astype("uint8")
        colours = cv2.applyColorMap(steps, cv2.COLORMAP_INFERNO)[..., ::-1]
        opacity = 0.8 * np.sqrt(share)
        mixed = np.rint(mean * (1 - opacity) + colours * opacity)
        write_png(path, outlined(mixed.astype("uint8"), where))


def report_false_regions(
    folder: Path,
    decision: Decision,
    judged: Sequence[tuple[ImageSet, Curves]],
    alarms: Sequence[str],
) -> None:
    """Log a hint at what would leave out false regions of a decision, if they gather.

    Args:
        folder: of the decision, where they are drawn.
        decision: any.
        judged: the good images that it was made from, and those of the search, with
            what has their maps.
        alarms: names of the good ones that it calls defective.
    """
    (good, _), (finetuning, curves) = judged
    images = finetuning.with_others(good.paths, good.names, good.classes)
    false = FalseRegions(images, curves.detector.preparation)
    defective = np.flatnonzero(finetuning.labels == ANOMALOUS)
    for index in defective.tolist() if alarms else ():  # else no mask is needed
        if (truth := known_mask(finetuning, index)) is not None:
            false.add_defect(index, truth)
    for part, its_curves in judged:
        called = part.subset(i for i, name in enumerate(part.names) if name in alarms)
        maps = its_curves.maps(called)
        for name, decided_map in zip(called.names, maps, strict=True):
            maps_and_mask = decided_map, decided_map, decision.mask(decided_map)
            verdict = Verdict(0.0, *maps_and_mask, p_value=None, registered=None)
            false.add(images.names.index(name), verdict, None)
    if hint := false.write(folder):
        log.info("hint: %s", hint)
