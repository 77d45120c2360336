"""A second memory, of labelled defects: what is like them counts as more anomalous."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from keras import ops

from methods.base import BATCH
from processing.data.image_set import ImageSet
from processing.decoding.decode import to_float
from processing.wording import count

from .memory_bank import MemoryBank

MARKED = 0.5  # share of a cell of the grid that a mask marks
UNMARKED = 0.01  # share of the cells that are taken of an image without a mask

Embed = Callable[[np.ndarray], list[np.ndarray]]

log = logging.getLogger(__name__)


def raised(distances: Any, to_defects: Any, share: float) -> Any:
    """Return distances from good features, raised where a known defect is nearer.

    d + share max(0, d - d_defect). As in local naive Bayes nearest neighbour (McCann
    and Lowe 2012, arXiv 1112.0059) the evidence is a difference of two distances, and a
    class that is not near has none: what is like no known defect keeps its distance,
    and nothing has more than (1 + share) times of it.
    """
    return distances + share * ops.relu(distances - to_defects)


def defective_features(
    images: ImageSet, embed: Embed, banks: Sequence[MemoryBank]
) -> list[np.ndarray]:
    """Return the features (n, d) of the defects in images, for each level.

    Args:
        images: at least one, with masks as far as there are any.
        embed: from a batch of images to the feature maps (n, h, w, d) of the levels.
        banks: of good features, for each level.
    """
    found: list[list[np.ndarray]] = [[] for _ in banks]
    marked = 0
    for batch, masks, judged in _batches(images):
        marked += sum(mask is not None for mask in masks)
        levels = zip(found, banks, embed(batch), strict=True)
        for level, bank, features in levels:
            for cells, mask, seen in zip(features, masks, judged, strict=True):
                grid, flat = cells.shape[:2], cells.reshape(-1, cells.shape[-1])
                outside = cell_shares(seen, grid) < MARKED
                distances = np.where(outside, -1, np.asarray(bank(flat)[0]))
                level.append(flat[defective_cells(mask, distances, grid)])
    result = [np.concatenate(level) for level in found]
    log.info(
        "known defects: %d patches of %s, of %d without a mask the %g %% that are "
        "farthest from good ones",
        len(result[0]),
        count(len(images), "image"),
        len(images) - marked,
        100 * UNMARKED,
    )
    return result


def _batches(
    images: ImageSet,
) -> Iterator[tuple[np.ndarray, list[np.ndarray | None], list[np.ndarray]]]:
    """Yield batches of images (n, h, w, c) in [0, 1], and two masks (h, w) of each.

    They are as their image is prepared: what is marked of the pixels to judge, None
    where nothing is, and those pixels.
    """
    start = 0
    for views in images.views(BATCH):
        masks: list[np.ndarray | None] = []
        judged: list[np.ndarray] = []
        for index, view in enumerate(views, start):
            pixels, geometry = view.geometry.judged, view.geometry
            judged.append(np.ones(geometry.shape, bool) if pixels is None else pixels)
            known = bool(images.mask_paths[index])
            mask = geometry.seen(images.mask(index)) if known else np.zeros((1, 1))
            mask = np.logical_and(mask, judged[-1])
            masks.append(mask if mask.any() else None)
        yield np.stack([to_float(view.pixels) for view in views]), masks, judged
        start += len(views)


def defective_cells(
    mask: np.ndarray | None, distances: np.ndarray, grid: tuple[int, int]
) -> np.ndarray:
    """Return the numbers of the cells of a grid that show a defect.

    Under a mask (h, w) those that it marks by half, or else the one that it marks most.
    Without one, the hundredth that is farthest from all good features: few, for a cell
    that is good after all costs false alarms.

    Args:
        mask: of the image.
        distances: (cells,) from the nearest good feature, -1 where none is judged.
        grid: (rows, columns).
    """
    if mask is None:
        taken = max(1, round(UNMARKED * len(distances)))
        return np.sort(np.argsort(distances)[-taken:])
    shares = cell_shares(mask, grid)
    return np.flatnonzero(shares >= min(MARKED, shares.max()))


def cell_shares(mask: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Return the share (cells,) of each cell of a grid that a mask (h, w) marks."""
    (rows, columns), (height, width) = grid, mask.shape
    blocks = mask.reshape(rows, height // rows, columns, width // columns)
    return blocks.mean(axis=(1, 3)).ravel()
