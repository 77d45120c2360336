"""A fitted method behind what every image goes through before and after it."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from processing.dataset import Category, scan_category, scan_images
from processing.images import CACHE_BYTES, ImageSet

from .base import Method


class Judged(NamedTuple):
    """A batch of images and what the method says of them.

    Attributes:
        images: (n, h, w, c) in [0, 1], as the method sees them.
        maps: (n, h, w), higher = more anomalous, over the whole images.
        scores: (n,), one an image.
    """

    images: np.ndarray
    maps: np.ndarray
    scores: np.ndarray


class Detector:
    """A method, and the images as it wants them.

    Args:
        method: fitted, or to be fitted.
    """

    def __init__(self, method: Method):
        self.method = method

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """The (h, w, c) of whole images; maps are (n, h, w)."""
        return self.method.image_shape

    def category(self, folder: Path, cache_bytes: int = CACHE_BYTES) -> Category:
        """Find the images of a category; see `scan_category`."""
        return scan_category(
            folder, image_shape=self.image_shape, cache_bytes=cache_bytes
        )

    def images(self, source: Path, cache_bytes: int = CACHE_BYTES) -> ImageSet:
        """Find the images in a folder, or take a single one; see `scan_images`."""
        return scan_images(source, self.image_shape, cache_bytes)

    def judge(self, images: ImageSet, batch_size: int = 16) -> Iterator[Judged]:
        """Yield images, maps and scores batch by batch, in order."""
        for batch in images.batches(batch_size):
            yield Judged(batch, *self.method.judge_batch(batch))
