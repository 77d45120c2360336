"""Batches of good images of which some get synthetic defects, for `fit`."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from methods.engine.batches import Batches, InOrder
from processing.data.image_set import ImageSet
from processing.synthetic import KINDS, synthesise

SOURCES = 64  # good images that patches are taken from
Draw = Callable[..., tuple[np.ndarray, np.ndarray]]


def draw_defects(
    images: np.ndarray,
    seed: int | Sequence[int],
    start: int,
    *,
    sources: np.ndarray,
    share: float,
    kinds: Sequence[str],
) -> tuple[np.ndarray, np.ndarray]:
    """Return images of which a share has defects, evenly spread, and their masks.

    Args:
        images: good ones, float32 (n, h, w, c) in [0, 1].
        seed: one or more integers >= 0.
        start: the number of the first image; an image's defect depends on `seed` and
            its number alone.
        sources: good images to take patches from, (m, h, w, c).
        share: of the images that get a defect; 0.5 gives every second one.
        kinds: of defects.

    Returns:
        float32 (n, h, w, c) in [0, 1]; bool (n, h, w), True on a defect.
    """
    numbers = np.arange(start, start + len(images) + 1)
    defective = np.diff(np.floor(numbers * share)) > 0
    pictures = images.copy()
    masks = np.zeros(images.shape[:3], np.bool_)
    for i in np.flatnonzero(defective):
        one = np.s_[i : i + 1]
        pictures[one], masks[one], _ = synthesise(
            images[one], seed, start=start + int(i), sources=sources, kinds=kinds
        )
    return pictures, masks


def training_batches(
    good: ImageSet,
    batch_size: int,
    seed: int,
    *,
    share: float = 0.5,
    kinds: Sequence[str] = tuple(KINDS),
) -> Batches:
    """Return shuffled (images, masks) batches with other defects in every epoch.

    Order and defects depend on `seed` and the epoch alone: a resumed run calls
    `start(epoch)` and goes on as if it had never stopped.
    """
    draw = drawing(good, seed, share, kinds)
    return Batches(good.load, len(good), batch_size, seed, transform=draw)


def validation_batches(
    good: ImageSet,
    batch_size: int,
    seed: int,
    *,
    share: float = 0.5,
    kinds: Sequence[str] = tuple(KINDS),
) -> InOrder:
    """Return all images in order as (images, masks), with the same defects always.

    A single image comes twice, for half of them to have a defect, too.
    """
    draw = drawing(good, seed, share, kinds)
    order = np.resize(np.arange(len(good)), max(2, len(good)))

    def load(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return draw(good.load(order[places]), seed, int(places[0]))

    return InOrder(load, len(order), batch_size)


def drawing(
    good: ImageSet,
    seed: int,
    share: float = 0.5,
    kinds: Sequence[str] = tuple(KINDS),
) -> Draw:
    """Return `draw_defects` with patches from some of the good images."""
    chosen = np.random.default_rng(seed).permutation(len(good))[:SOURCES]
    sources = good.load(np.sort(chosen))
    return partial(draw_defects, sources=sources, share=share, kinds=kinds)
