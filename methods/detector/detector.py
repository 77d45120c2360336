"""A method behind what every image goes through before and after it."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice, product
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from methods.base import Method
from processing.data.dataset import Category, scan_category, scan_images
from processing.data.image_set import CACHE_BYTES, ImageSet
from processing.data.labels import Labels
from processing.data.listing import some
from processing.data.prepared import Prepared
from processing.data.tiling import TileSet
from processing.decoding.decode import to_float
from processing.preprocessing.preparation import Preparation


class Judged(NamedTuple):
    """A batch of images and what the method says of them.

    Attributes:
        views: the images as prepared.
        maps: (n, h, w), higher = more anomalous, over the whole images. What the
            method does not see or judge has the lowest value of its image.
        scores: (n,), one an image: the method's own, of its worst tile; the map's
            maximum where a part of images may be left out (`Preparation.partial`).
    """

    views: Sequence[Prepared]
    maps: np.ndarray
    scores: np.ndarray


class Detector:
    """A method, and the preparation of the images it judges.

    Args:
        method: fitted, or to be fitted.
        preparation: of all images. Default: they are resized to what the method sees.
    """

    def __init__(self, method: Method, preparation: Preparation | None = None):
        height, width, channels = method.image_shape
        self.method = method
        self.preparation = preparation or Preparation((height, width), channels)
        self._sizes: dict[int, int] = {}  # of batches, by the most that was asked for

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """The (h, w, c) of whole images; maps are (n, h, w)."""
        return (*self.preparation.size, self.preparation.channels)

    def category(
        self,
        source: Path,
        cache_bytes: int = CACHE_BYTES,
        test: Sequence[str] = (),
        labels: Labels = MappingProxyType({}),
    ) -> Category:
        """Find the images of a category, prepared; see `scan_category`."""
        category = scan_category(
            source,
            image_shape=self.image_shape,
            cache_bytes=cache_bytes,
            seed=self.method.seed,
            test=test,
            labels=labels,
        )
        sets = {
            name: getattr(category, name) for name in ("train", "test", "defective")
        }
        prepared = {key: sets[key].prepared(self.preparation) for key in sets}
        return replace(category, **prepared)

    def images(
        self,
        source: Path,
        cache_bytes: int = CACHE_BYTES,
        skip_unreadable: bool = False,
    ) -> ImageSet:
        """Find the images in a folder, or take a single one; see `scan_images`."""
        shape = self.image_shape
        images = scan_images(source, shape, cache_bytes, skip_unreadable)
        return images.prepared(self.preparation)

    def seen(self, images: ImageSet) -> ImageSet:
        """Return prepared images as the method is to see them, perhaps in tiles."""
        tiling = self.preparation.tiling
        return TileSet(images, tiling) if len(tiling) > 1 else images

    def judge(
        self, images: ImageSet, kind: str | None = None, batch_size: int = 16
    ) -> Iterator[Judged]:
        """Yield prepared images, maps of a kind and scores batch by batch, in order.

        Images that cannot be registered are judged as they are, and named in a warning
        at the end.
        """
        views = images.views(self._at_once(batch_size))
        return self._judge_all(views, images.names, kind, batch_size)

    def judge_arrays(
        self,
        images: Sequence[np.ndarray],
        kind: str | None = None,
        batch_size: int = 16,
    ) -> Iterator[Judged]:
        """As `judge`, of images in memory; see `array_pixels` for what they can be."""
        size = self._at_once(batch_size)
        views = (
            [self.preparation.array(image) for image in images[start : start + size]]
            for start in range(0, len(images), size)
        )
        names = [f"image {i}" for i in range(len(images))]
        return self._judge_all(views, names, kind, batch_size)

    def _at_once(self, batch_size: int) -> int:
        """Return how many images to judge at once, of perhaps many tiles each."""
        return max(1, batch_size // len(self.preparation.tiling))

    def _judge_all(
        self,
        batches: Iterable[list[Prepared]],
        names: Sequence[str],
        kind: str | None,
        batch_size: int,
    ) -> Iterator[Judged]:
        start, unregistered = 0, []
        for views in batches:
            yield self._judge(views, kind, batch_size)
            for row, view in enumerate(views):
                if view.geometry.registered is False:
                    unregistered.append(names[start + row])
            start += len(views)
        warn_of_unregistered(unregistered, len(names))

    def reconstruct(
        self, views: Sequence[Prepared], batch_size: int = 16
    ) -> list[np.ndarray] | None:
        """Return the good versions of images that the method has in mind, if any.

        They are (h, w, c) in [0, 1], over the whole images, as far as the method sees
        them.
        """
        tiling, good = self.preparation.tiling, list[np.ndarray]()
        for batch, count in self._tiles(views, batch_size):
            reconstructed = self.method.reconstruct(batch)
            if reconstructed is None:
                return None
            good.extend(reconstructed[:count])
        tiles = iter(good)
        return [
            view.geometry.restore(tiling.stitch(list(islice(tiles, len(tiling)))))
            for view in views
        ]

    def _judge(
        self, views: Sequence[Prepared], kind: str | None, batch_size: int
    ) -> Judged:
        tiling, maps, scores = self.preparation.tiling, [], []
        tiles = self._judge_tiles(views, kind, batch_size)
        for view in views:
            of_tiles = list(islice(tiles, len(tiling)))
            stitched = tiling.stitch([anomaly_map for anomaly_map, _ in of_tiles])
            maps.append(view.geometry.restore_map(stitched))
            # What is not judged is at the map's lowest value, but in the scores that
            # methods find by themselves.
            partial = self.preparation.partial
            highest = maps[-1].max() if partial else max(score for _, score in of_tiles)
            scores.append(highest)
        return Judged(views, np.stack(maps), np.array(scores, np.float32))

    def _judge_tiles(
        self, views: Sequence[Prepared], kind: str | None, batch_size: int
    ) -> Iterator[tuple[np.ndarray, np.floating]]:
        """Yield the map and score of every tile of every image, in order."""
        for batch, count in self._tiles(views, batch_size):
            maps, scores = self.method.judge(batch, kind)
            yield from zip(maps[:count], scores[:count], strict=True)

    def _tiles(
        self, views: Sequence[Prepared], batch_size: int
    ) -> Iterator[tuple[np.ndarray, int]]:
        """Yield the tiles of images in batches, and how many each has.

        Networks are compiled for each size of batches. So all have as many tiles as the
        first one: smaller ones are filled up, but for methods that take many steps.
        """
        tiling, method = self.preparation.tiling, self.method
        pairs = list(product(range(len(views)), range(len(tiling))))
        size = batch_size
        if not method.iterative:
            size = self._sizes.setdefault(batch_size, min(batch_size, len(pairs)))
        for start in range(0, len(pairs), size):
            batch = pairs[start : start + size]
            tiles = [to_float(views[i].pixels[tiling.window(k)]) for i, k in batch]
            spare = 0 if method.iterative else size - len(batch)
            yield np.stack(tiles + tiles[-1:] * spare), len(batch)


def warn_of_unregistered(names: Sequence[str], count: int) -> None:
    """Name those of `count` images that could not be registered, if there are any."""
    if names:
        warnings.warn(
            f"{len(names)} of {count} images could not be registered and were judged "
            f"as they are: {some(names)}",
            stacklevel=3,
        )
