"""The image files of a category folder, as layouts see them."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from .ground_truth import GOOD_CLASS, is_mask_folder, masks_beside, pair_masks
from .listing import LeftOut, Listing, bare_name

TRAIN, VALIDATION, TEST, DRAWN = "train", "validation", "test", ""
SPLITS = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("validation", "valid", "val"), VALIDATION),
    **dict.fromkeys(("test", "testing"), TEST),
}
# Of classes without defects, as `is_good` compares them.
GOOD_NAMES = {GOOD_CLASS, "ok", "okay", "normal", "nodefect", "nodefects", "defectfree"}
GOOD_NAMES |= {"nondefective", "pass", "passed"}

Parts = tuple[str, ...]  # of a name, between "/"


@dataclass(frozen=True)
class FoundImage:
    """An image file of a category.

    Attributes:
        path: of the file.
        name: relative to the category's folder, "/" in between, which results go by.
        kind: "good", or a kind of defect.
        split: "train", "validation" or "test"; "" where the layout has none and one is
            drawn.
        masks: that mark its defects, together; perhaps none.
        group: name that images of one part share, which stay in one split; "" alone.
    """

    path: Path
    name: str
    kind: str
    split: str
    masks: tuple[Path, ...] = ()
    group: str = ""

    @property
    def good(self) -> bool:
        """Whether it shows no defect."""
        return self.kind == GOOD_CLASS


@dataclass
class Found:
    """What a layout finds.

    Attributes:
        images: with the names of their folders as kinds, "" where masks are to say.
        masks: name of the image that a mask belongs to, by the mask's name; "" of one
            that is not needed.
        left_out: files that it knows and does not take.
    """

    images: list[FoundImage]
    masks: dict[str, str] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)


class Tree:
    """The image files of a folder, masks that lie beside their images set apart.

    Attributes:
        folder: its absolute path.
        masks: name of the image of each mask beside it; "" if there is none.
        parts: by name, of all other image files.
    """

    def __init__(self, listing: Listing):
        self.folder = listing.folder
        parts = {name: tuple(name.split("/")) for name in listing.images}
        apart = [name for name in parts if not mask_key(parts[name])]
        self.masks = masks_beside(apart)
        self.parts = {name: parts[name] for name in parts if name not in self.masks}

    def image(
        self, name: str, kind: str, split: str = DRAWN, group: str = ""
    ) -> FoundImage:
        """Return the image of a name."""
        return FoundImage(self.folder / name, name, kind, split, group=group)

    def in_class_folders(
        self, place: Callable[[Parts], tuple[str, int] | None]
    ) -> Found:
        """Return images in a folder for each class, and the masks in mask folders.

        Args:
            place: split of an image, and the number of folders above that of its class;
                None for what is no image.
        """
        images, kinds, names = [], {}, {}
        keys = {name: mask_key(parts) for name, parts in self.parts.items()}
        for name, parts in self.parts.items():
            found = None if keys[name] else place(parts)
            if not found:
                continue
            split, above = found
            images.append(self.image(name, parts[above], split))
            if split != TRAIN:
                key = bare_name("/".join(parts[above:]))
                names[key] = name
                kinds[key] = GOOD_CLASS if is_good(parts[above]) else parts[above]
        of_masks = {name: key for name, key in keys.items() if key}
        masks = {x: "" for x, key in of_masks.items() if is_good(key.split("/")[0])}
        pairs = pair_masks(kinds, of_masks)
        return Found(images, masks | {mask: names[key] for mask, key in pairs.items()})


def mask_key(parts: Parts) -> str:
    """Return the key of a file in a folder of masks, see `pair_masks`; "" elsewhere.

    The folder can lie beside the images of all classes, in train or test, or in the
    folder of a class, where "labels" might be a kind of defect.
    """
    inner = split_of(parts) or parts[0].casefold() == "data"
    for i, part in enumerate(parts[:-1]):
        named = is_mask_folder(part)
        if named and (
            i == 0 or parts[0].casefold() == "data" or "label" not in part.casefold()
        ):
            return bare_name("/".join(parts[bool(inner) : i] + parts[i + 1 :]))
    return ""


@cache
def is_good(name: str) -> bool:
    """Return whether a class of this name has no defects: good, OK, no_defect, ..."""
    return re.sub(r"[ _-]", "", name).casefold() in GOOD_NAMES


def split_of(parts: Parts) -> str:
    """Return the split that the uppermost folder names, or ""."""
    return SPLITS.get(parts[0].casefold(), DRAWN) if len(parts) > 1 else DRAWN
