"""One look at a category before work: what its images and masks are, and warnings."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from processing.decoding.decode import Stored, read_header, read_mask, read_pixels
from processing.errors import UserError
from processing.wording import count, printable

from . import directions
from .copies import copy_warnings
from .listing import report_left_out, some
from .scan import Scan
from .sizes import (
    SQUARE,
    Size,
    aspect_quartiles,
    describe_sizes,
    has_mixed_aspects,
    size_for,
    spread,
    training_sizes,
)
from .tree import TEST, FoundImage

FEW = 10  # good images to train on: of fewer not even one in ten validates
DEEP = 16  # bits of a channel of which cameras often use fewer
LOOKED_AT = 4  # images of a class that are decoded to know that
MOST_MARKED = 0.5  # share of an image that no defect takes
PATCH = 16  # pixels a side of a small defect: the stride of features that all judge by
TILE = 256  # pixels a side of the tiles that small defects are judged in
FOUND, MISSING, EMPTY = "found", "missing", "empty"
RESIZED, LARGE, UNREADABLE = "of another size", "large", "unreadable"

log = logging.getLogger(__name__)


@dataclass
class ImageGroup:
    """The images of one class in one split.

    Attributes:
        split: "train", "validation", "test", or "drawn" where the layout has none.
        kind: the class.
        headers: of the images that can be read.
        unreadable: number of the others.
        masks: how many are `FOUND`, `MISSING`, `EMPTY` and so on.
        marked: the share of the image that each mask `FOUND` marks.
    """

    split: str
    kind: str
    headers: list[Stored] = field(default_factory=list)
    unreadable: int = 0
    masks: Counter[str] = field(default_factory=Counter)
    marked: list[float] = field(default_factory=list)

    @property
    def images(self) -> int:
        """The number of images."""
        return len(self.headers) + self.unreadable

    @property
    def sizes(self) -> list[Size]:
        """The (h, w) of each image."""
        return [header.size for header in self.headers]

    @property
    def pixels(self) -> set[str]:
        """What the pixels are: "8-bit grey", "16-bit colour", "medical"."""
        return {
            f"{x.bits}-bit {'colour' if x.colour else 'grey'}" if x.bits else "medical"
            for x in self.headers
        }


class Survey:
    """What a category holds, from the headers of its files.

    Args:
        found: the scan of the category.
        masks: decode all masks, too, to know what they mark.
    """

    def __init__(self, found: Scan, masks: bool = False) -> None:
        self.scan = found
        self.masks = masks
        self.groups: dict[tuple[str, str], ImageGroup] = {}
        with ThreadPoolExecutor() as pool:
            headers = pool.map(_header, found.images)
            states = pool.map(_mask_state if masks else _no_state, found.images)
            looks = zip(found.images, headers, states, strict=True)
            for image, header, (state, marked) in looks:
                key = _key(image)
                group = self.groups.setdefault(key, ImageGroup(*key))
                if header:
                    group.headers.append(header)
                else:
                    group.unreadable += 1
                group.masks[state] += 1
                if marked and state == FOUND:
                    group.marked.append(marked)

    @cached_property
    def training_sizes(self) -> list[Size]:
        """The (h, w) of good training images, of some if there are many."""
        return training_sizes(self.scan.images)

    def size(self, side: int = 256, multiple: int = 32) -> Size:
        """Return the size that is chosen by default, for a method's square."""
        return size_for(self.training_sizes, side, multiple)

    def warnings(self) -> Iterator[str]:
        """Yield what a person should know before work starts, a line each."""
        groups = list(self.groups.values())
        good = sum(g.images for g in groups if g.kind == "good" and g.split != TEST)
        tested = [g.kind == "good" for g in groups if g.split in (TEST, "drawn")]
        if tested and not any(tested):
            yield "no good images to test with: false alarms cannot be counted"
        if good < FEW:
            yield f"few good images to train on: {good}, expected {FEW} or more"
        yield from copy_warnings(self.scan.images, self.scan.copies)
        pixels = Counter(kind for group in groups for kind in group.pixels)
        if len(pixels) > 1:
            yield f"images of different kinds: {', '.join(sorted(pixels))}"
        yield from self._range_warnings()
        yield from self._shape_warnings(groups)
        good_images = [x.path for x in self.scan.images if x.good and x.split != TEST]
        if directions.differ(good_images):
            yield (
                "good images show the part in different directions: see --register, "
                "or --rotations 8 of fewshot and unified"
            )
        if self.masks:
            yield from self._mask_warnings(groups)
            yield from self._small_defect_warnings(groups)

    def _range_warnings(self) -> Iterator[str]:
        """Yield whether images of 16 bits use fewer, judged by some of each group."""
        deep = [
            g for g in self.groups.values() if any(x.bits == DEEP for x in g.headers)
        ]
        keys = {(group.split, group.kind) for group in deep}
        top = 0
        for key in keys:
            paths = [x.path for x in self.scan.images if _key(x) == key]
            top = max([top, *map(_highest, spread(paths, LOOKED_AT))])
        bits = int(top).bit_length()
        if 0 < bits < DEEP:
            yield (
                f"images of {DEEP} bits that use {bits}: they look dark, expected "
                f"--range 0,{2**bits - 1}"
            )

    def _shape_warnings(self, groups: Sequence[ImageGroup]) -> Iterator[str]:
        sizes = self.training_sizes
        test = [size for group in groups if group.split == TEST for size in group.sizes]
        if not sizes:
            return
        if has_mixed_aspects(sizes):
            shapes = describe_sizes(sizes)
            yield f"images of different shapes, {shapes} (height x width): see --pad"
        elif test:
            ratio = aspect_quartiles(test)[1] / aspect_quartiles(sizes)[1]
            if not 1 / SQUARE <= ratio <= SQUARE:
                yield (
                    f"test images of another shape, {describe_sizes(test)}, than the "
                    f"training images, {describe_sizes(sizes)} (height x width)"
                )

    def _mask_warnings(self, groups: Sequence[ImageGroup]) -> Iterator[str]:
        texts = {
            EMPTY: "mark nothing",
            RESIZED: "are of another size than their images",
            LARGE: "mark more than half of their images",
            UNREADABLE: "cannot be read",
        }
        for state, text in texts.items():
            total = sum(g.masks[state] for g in groups)
            kinds = some(g.kind for g in groups if g.masks[state])
            if total:
                yield f"masks of {count(total, 'image')} {text}: {kinds}"
        judged = [g for g in groups if g.kind != "good" and g.split in (TEST, "drawn")]
        missing = sum(group.masks[MISSING] for group in judged)
        if missing and any(group.masks.keys() - {MISSING} for group in judged):
            kinds = some(group.kind for group in judged if group.masks[MISSING])
            yield f"{count(missing, 'defective image')} without a mask: {kinds}"

    def _small_defect_warnings(self, groups: Sequence[ImageGroup]) -> Iterator[str]:
        """Yield whether images are shrunk so far that half of the defects get small."""
        marked = [share for group in groups for share in group.marked]
        if not marked or not self.training_sizes:
            return
        judged = self.size()
        area = float(np.median(marked)) * judged[0] * judged[1]
        stored = float(np.median([h * w for h, w in self.training_sizes]))
        factor = min(PATCH**2 / area, stored / (judged[0] * judged[1]))
        height, width = self.size(round(TILE * factor**0.5))
        if factor > 1 and min(height, width) >= TILE != max(height, width):
            yield (
                f"half of the defects mark {area:,.0f} pixels or fewer of the "
                f"{judged[0]}x{judged[1]} that are judged by default: see "
                f"--size {height}x{width} --tile {TILE}"
            )


def report(found: Scan, skip_unreadable: bool = False) -> None:
    """Report what a look at a category shows, before work starts.

    Raises:
        UserError: something cannot be read, unless that is to be skipped.
    """
    report_left_out(found.folder, found.left_out, skip_unreadable)
    for note in found.notes:
        log.info("note: %s: %s", found.folder, note)
    for warning in Survey(found).warnings():
        log.warning("warning: %s: %s", found.folder, printable(warning))


def _key(image: FoundImage) -> tuple[str, str]:
    return image.split or "drawn", image.kind


def _highest(path: Path) -> int:
    """Return the highest value that an image stores, 0 if it cannot be read."""
    try:
        return int(read_pixels(path, 1).max())
    except UserError:  # `check_readable` reports it
        return 0


def _header(image: FoundImage) -> Stored | None:
    try:
        return read_header(image.path)
    except UserError:  # `check_readable` reports it
        return None


def _no_state(image: FoundImage) -> tuple[str, float]:
    """Return whether an image has a mask."""
    return FOUND if image.masks else MISSING, 0.0


def _mask_state(image: FoundImage) -> tuple[str, float]:
    """Return what is the matter with the masks of an image, and the share marked."""
    if not image.masks:
        return MISSING, 0.0
    try:
        masks = [read_mask(mask) for mask in image.masks]
        size = read_header(image.path).size
    except UserError:
        return UNREADABLE, 0.0
    if any(mask.shape != size for mask in masks):
        return RESIZED, 0.0
    marked = float(np.logical_or.reduce(masks).mean())
    if not marked:
        return EMPTY, 0.0
    return LARGE if marked > MOST_MARKED else FOUND, marked
