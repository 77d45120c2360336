"""Fit of the preparation: reference, mask and foreground of the training images."""

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from processing.data.image_set import ImageSet
from processing.data.listing import some
from processing.data.prepared import Mask
from processing.decoding.decode import read_pixels, to_uint8
from processing.errors import UsageError, UserError

from .foreground import SEPARATE, foreground
from .preparation import Preparation, grey

SEEN = 256  # images, at most, that typical image and foreground are learned from
THUMBNAIL = 32  # pixels, sides of the images that the typical one is found with
MOST_LOST = 0.2  # share of the training images that may resist registration


def check_files(preparation: Preparation) -> None:
    """Raise `UsageError` for a reference or a mask that is not there, or not used."""
    region, reference = preparation.region, preparation.reference
    if reference and not (preparation.register or region.still):
        raise UsageError(
            "--reference goes with --register, or a --mask of files or rectangles"
        )
    if reference and not Path(reference).is_file():
        raise UsageError(
            f"--reference: {reference}: not a readable image (no such file)"
        )
    region.check_files()


def learn(preparation: Preparation, images: ImageSet) -> Preparation:
    """Return the preparation with its arrays fitted to good training images."""
    check_files(preparation)
    if preparation.register or preparation.region.still:
        preparation = _with_reference(preparation, images)
    if preparation.region.foreground:
        core = _core(preparation, images)
        preparation = replace(preparation, arrays={**preparation.arrays, "core": core})
    return preparation


def registrable(images: ImageSet, preparation: Preparation) -> ImageSet:
    """Return the training images that can be registered, with a warning of the others.

    All are, if the preparation registers none.

    Raises:
        UserError: more than `MOST_LOST` of them cannot be.
    """
    if not preparation.register:
        return images
    views = (view for batch in images.prepared(preparation).views(16) for view in batch)
    lost = [i for i, view in enumerate(views) if not view.geometry.registered]
    if not lost:
        return images
    named = some(images.names[i] for i in lost)
    message = f"{len(lost)} of {len(images)} images cannot be registered: {named}"
    if len(lost) > MOST_LOST * len(images):
        raise UserError(f"{message}; expected another --register or --reference")
    warnings.warn(f"left out {message}", stacklevel=2)
    return images.subset(sorted(set(range(len(images))) - set(lost)))


def typical(images: ImageSet) -> Path:
    """Return the image nearest to the mean of all, compared as thumbnails."""
    images = _spread(images).with_shape((THUMBNAIL, THUMBNAIL, 1))
    pixels = images.load(range(len(images))).astype(float)
    distances = np.square(pixels - pixels.mean(axis=0)).sum(axis=(1, 2, 3))
    return images.paths[int(distances.argmin())]


def _with_reference(preparation: Preparation, images: ImageSet) -> Preparation:
    path = Path(preparation.reference or typical(images))
    try:
        pixels = read_pixels(path, preparation.channels, preparation.span)
    except UserError as error:
        raise UsageError(f"--reference: {error}") from error
    arrays: dict[str, NDArray] = {}
    if preparation.register:
        arrays["reference"] = grey(preparation.fit(pixels)[0])
    if preparation.region.still:
        mask = preparation.region.draw(*pixels.shape[:2])
        white = np.where(mask, 255, 0).astype(np.uint8)[..., None]
        arrays["mask"] = preparation.fit(white)[0][..., 0] > 127
    return replace(preparation, arrays=arrays, reference=str(path))


def _core(preparation: Preparation, images: ImageSet) -> Mask:
    """Return the mask of what is foreground in at least half of the images."""
    whole = replace(
        preparation, mask=None, blank=False, crop=None, tile=None, stride=None
    )
    total, separations = np.zeros(preparation.size), []
    for [view] in _spread(images).prepared(whole).views(1):
        if view.geometry.registered is False:
            continue
        mask, separation = foreground(to_uint8(view.pixels))
        total += mask
        separations.append(separation)
    clearness = float(np.median(separations)) if separations else 0.0
    if clearness < SEPARATE:
        raise UserError(
            "--mask foreground: expected parts in front of an even background of "
            f"another brightness or colour. Found: a separation of {clearness:.2f}, "
            f"at least {SEPARATE} is needed"
        )
    return total >= len(separations) / 2


def _spread(images: ImageSet) -> ImageSet:
    """Return `SEEN` of the images, evenly spread, or all."""
    count = min(SEEN, len(images))
    return images.subset(np.linspace(0, len(images) - 1, count).round().astype(int))
