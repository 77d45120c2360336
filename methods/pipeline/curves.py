"""The area curves of images, which hold all that a decision needs, and their maps."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from methods.detector.detector import Detector
from methods.detector.judge import MAPS, decision_maps, kept_arrays
from methods.detector.kept import Arrays, Kept
from methods.detector.settings import KERAS
from processing.data.dataset import check_readable
from processing.data.image_set import ImageSet
from processing.decision.regions import AreaCurve, area_curve

from .folds import Folds


@dataclass(frozen=True, eq=False)
class Curves:
    """Makes area curves, and keeps them: no image is judged twice for one kind of maps.

    Args:
        detector: that judges.
        kind: of the maps.
        dtype: of the maps that are decided on, "float64" or "uint8".
        clear_border: leave out regions that touch the border.
        max_area: pixels up to which the curves tell areas apart.
        kept: where they are kept.
        folds: in which good images are judged; None for the detector as it is.
    """

    detector: Detector
    kind: str
    dtype: str
    clear_border: bool
    max_area: int
    kept: Kept
    folds: Folds | None = None

    def of(self, images: ImageSet) -> Iterator[AreaCurve]:
        """Yield the curve of each image, one batch of maps in memory at a time."""
        yield from map(_curve, self.kept.each(images, self._what, self._arrays))

    def of_map(self, path: Path, decided_map: np.ndarray) -> AreaCurve:
        """Return the curve of an image from its map, as the decision sees it."""
        make = partial(self._curve_arrays, decided_map)
        return _curve(self.kept.one(path, self._what, make))

    def kept_of(self, images: ImageSet) -> list[AreaCurve] | None:
        """Return the curve of each image, none of which is judged.

        None unless all of them are kept.
        """
        arrays = self.kept.read(images, self._what)
        return None if arrays is None else [*map(_curve, arrays)]

    def readable(self, images: ImageSet, skip_unreadable: bool) -> ImageSet:
        """Return the images that can be read, as those can of which a curve is kept.

        See `check_readable`.
        """
        known = self.kept.known(images, self._what)
        return check_readable(images, skip_unreadable, known=known)

    @property
    def _what(self) -> str:
        """What is kept of an image."""
        border = "_clear-border" if self.clear_border else ""
        kind = f"{self.kind}_{self.dtype}_{self.max_area}"
        return f"curves_{kind}{border}{self._by}"

    def maps(self, images: ImageSet, say: bool = False) -> Iterator[np.ndarray]:
        """Yield the map (h, w) of each image, as the decision sees it.

        `say` says how many were judged before.
        """
        for arrays in self.kept.each(images, self._maps, self._map_arrays, say):
            method, whole = self.detector.method, arrays["map"]
            yield from decision_maps(method, self.kind, whole[None], self.dtype)

    @property
    def _maps(self) -> str:
        """What is kept of an image besides, which without folds a test takes, too."""
        return f"{MAPS}_{self.kind}{self._by}"

    @property
    def _by(self) -> str:
        """In which folds, or else in which runtime, images are judged."""
        if self.folds:
            return f"_folds-{self.folds.count}"
        runtime = self.detector.method.runtime
        return f"_{runtime}" if runtime != KERAS else ""

    def _arrays(self, images: ImageSet) -> Iterator[Arrays]:
        yield from map(self._curve_arrays, self.maps(images, say=True))

    def _curve_arrays(self, decided_map: np.ndarray) -> Arrays:
        curve = area_curve(decided_map, clear_border=self.clear_border)
        curve = curve.capped(self.max_area)
        # The levels are values of the map.
        levels = curve.levels.astype(decided_map.dtype)
        return {"levels": levels, "areas": curve.areas.astype(np.int32)}

    def _map_arrays(self, images: ImageSet) -> Iterator[Arrays]:
        if self.folds:
            batches = self.folds.judge(self.detector, images, self.kind)
        else:
            batches = self.detector.judge(images, self.kind)
        for judged in batches:
            yield from kept_arrays(judged)


def _curve(arrays: Arrays) -> AreaCurve:
    levels = arrays["levels"].astype(np.float64)
    return AreaCurve(levels, arrays["areas"].astype(np.int64))
