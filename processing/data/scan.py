"""One look at a category folder or a table: its images, and what is not taken."""

import logging
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from processing.decoding.medical import file_of
from processing.errors import UsageError, UserError
from processing.wording import count

from .copies import identical_files, joined
from .ground_truth import GOOD_CLASS, is_mask_folder, marked
from .image_set import ANOMALOUS, GOOD
from .layouts import LAYOUTS
from .listing import (
    LeftOut,
    Listing,
    bare_name,
    contents,
    entries,
    existing,
    list_images,
    no_images,
    some,
)
from .splits import split_test
from .table import images_of_table
from .tree import (
    DRAWN,
    SPLITS,
    TEST,
    TRAIN,
    Found,
    FoundImage,
    Tree,
    is_good,
    mask_key,
)

DEFECTIVE = "defective"  # class of a defect whose kind is not known
UNUSED = "unused"
EXPECTED = "expected a category folder, such as mvtec/bottle, with train/good inside"
_ORPHAN = "a mask without its image"
_OTHERS = "or good beside bad, OK and NG, Data/Images/Normal, masks beside the images, "
_OTHERS += "good photos alone, or a table labels.csv"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scan:
    """What was found in a category folder.

    Attributes:
        folder: its absolute path; of a table, that of the folder that it lies in.
        layout: a key of `LAYOUTS`.
        images: in natural order of their names, or in that of a table.
        left_out: image files that are not taken, and what cannot be read.
        notes: what was taken for granted.
        copies: indices of images of the same bytes, for each two or more.
    """

    folder: Path
    layout: str
    images: tuple[FoundImage, ...]
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    copies: tuple[tuple[int, ...], ...] = ()

    @property
    def faults(self) -> list[LeftOut]:
        """What was left out because it cannot be read."""
        return [item for item in self.left_out if item.fault]


def scan(source: Path) -> Scan:
    """Find the images of a category, in whatever layout, without a word.

    Args:
        source: folder of the category, or a table of its images.

    Raises:
        UserError: no known layout, a table that is wrong, or two images of one name.
        UsageError: no such folder, or another file.
    """
    source = check_path(source)
    if source.is_dir():
        layout, found = _found(list_images(source))
    else:
        layout, found, source = "table", images_of_table(source), source.parent
    _check_names(source, found.images)
    images, faults, notes = _labelled(_with_masks(source, found))
    copies = identical_files([image.path for image in images])
    return Scan(
        source,
        layout,
        tuple(joined(images, copies)),
        (*found.left_out, *faults),
        tuple(notes),
        tuple(map(tuple, copies)),
    )


def check_path(source: Path) -> Path:
    """Return the absolute path of a folder or a table; `UsageError` for any other."""
    source = existing(source, EXPECTED)
    if not source.is_dir() and source.suffix.lower() != ".csv":
        raise UsageError(f"{source} is a file, {EXPECTED}")
    return source


def is_category(folder: Path) -> bool:
    """Return whether a folder is laid out as a category."""
    return bool(_recognised(Tree(list_images(folder)))[1])


def _recognised(tree: Tree) -> tuple[str, Found | None]:
    """Return the first layout that finds something, and what."""
    for name, layout in LAYOUTS.items():
        found = layout(tree)
        if found:
            return name, found
    return "", None


def _found(listing: Listing) -> tuple[str, Found]:
    """Return the layout of a folder, and what it finds and leaves out."""
    tree = Tree(listing)
    layout, found = _recognised(tree)
    if not found:
        raise _unknown(listing)
    if layout == "table":  # which chooses among the files
        return layout, found
    beside = {mask: image for mask, image in tree.masks.items() if image}
    found = replace(found, masks=beside | found.masks)
    left_out = [*listing.left_out, *found.left_out, *_not_taken(listing, tree, found)]
    return layout, replace(found, left_out=left_out)


def _unknown(listing: Listing) -> UserError:
    """Return the error that a folder has no known layout."""
    folder = listing.folder
    good = folder / "train" / GOOD_CLASS
    if os.path.isdir(good) and not listing.left_out:
        return no_images(good)
    train = folder / "train"
    inside = contents(train if os.path.isdir(train) else folder)
    unread = some(map(str, listing.left_out))
    return UserError(
        f"no train/good in {folder}: {EXPECTED}, {_OTHERS}; found {inside}"
        + (f"; not taken: {unread}" if unread else "")
    )


def _not_taken(listing: Listing, tree: Tree, found: Found) -> Iterable[LeftOut]:
    """Yield the images that a layout has no place for, and masks of no image."""
    known = {x.name for x in found.images} | {x.name for x in found.left_out}
    for name in listing.images:
        if name in known or name in found.masks:
            continue
        is_mask = name in tree.masks or mask_key(tree.parts[name])
        yield LeftOut(name, _ORPHAN if is_mask else "outside of a class folder")
    if not found.masks:
        for name in listing.others:
            if mask_key(tuple(name.split("/"))):
                yield LeftOut(name, "not an image")


def _check_names(folder: Path, images: Sequence[FoundImage]) -> None:
    """Raise `UserError` for two images whose names differ in their suffix alone."""
    by_name: dict[str, str] = {}
    for image in images:
        other = by_name.setdefault(bare_name(image.name), image.name)
        if other != image.name:
            place, _, name = image.name.rpartition("/")
            raise UserError(
                f"two images of one name in {folder / place}: expected different names "
                f"without the suffix; found {other.rpartition('/')[2]} and {name}"
            )


def _with_masks(folder: Path, found: Found) -> list[FoundImage]:
    """Return the images with their masks; those of a table have them already."""
    by_image = defaultdict(list)
    for mask, name in found.masks.items():
        by_image[name].append(folder / mask)
    return [
        replace(x, masks=tuple(by_image[x.name])) if x.name in by_image else x
        for x in found.images
    ]


def _labelled(
    images: Sequence[FoundImage],
) -> tuple[list[FoundImage], list[LeftOut], list[str]]:
    """Return images as good or defective, those whose masks are damaged, and notes."""
    by_mask = [image for image in images if not image.kind]
    marks = marked([image.masks for image in by_mask])
    named = dict(zip((image.name for image in by_mask), marks, strict=True))
    labelled, faults = [], []
    for image in images:
        kind, mark = image.kind, named.get(image.name)
        if isinstance(mark, UserError):
            faults.append(LeftOut(image.name, str(mark), fault=True))
            continue
        if mark or not is_good(kind or GOOD_CLASS):
            labelled.append(image if kind else replace(image, kind=DEFECTIVE))
        elif kind == GOOD_CLASS and not image.masks:
            labelled.append(image)
        else:
            labelled.append(replace(image, kind=GOOD_CLASS, masks=()))
    kinds = Counter(x.kind for x in images if is_good(x.kind) and x.kind != GOOD_CLASS)
    notes = [
        f"{count(n, 'image')} of {kind} taken as good" for kind, n in kinds.items()
    ]
    bare = sum(not image.masks for image in by_mask)
    if bare:
        notes.append(f"{count(bare, 'image')} without a mask beside taken as good")
    return labelled, faults, notes


def assigned(
    images: Sequence[FoundImage], seed: int, test: Sequence[str] = ()
) -> list[str]:
    """Return the split of each image, drawn where the layout has none.

    Args:
        images: of a scan.
        seed: same seed, same split.
        test: names of the test images, or of their slices, if they were drawn before:
            what is in neither set then stays out of both.

    Returns:
        "train", "validation", "test" or "unused" for each image. A defective image of
        "train" is one that a supervised method may learn from.

    Raises:
        UserError: test images that are gone.
    """
    splits = [image.split for image in images]
    if test:
        return _recorded(images, test)
    drawn = [i for i, split in enumerate(splits) if split == DRAWN]
    labels = [GOOD if images[i].good else ANOMALOUS for i in drawn]
    groups = [images[i].group or images[i].name for i in drawn]
    for split, indices in zip(
        (TRAIN, TEST), split_test(labels, seed=seed, groups=groups), strict=True
    ):
        for i in indices:
            splits[drawn[i]] = split
    return splits


def _recorded(images: Sequence[FoundImage], test: Sequence[str]) -> list[str]:
    """Return the splits of images whose test set is known."""
    names = {file_of(Path(name)).as_posix() for name in test}
    missing = names - {image.name for image in images}
    if missing:
        raise UserError(
            f"{len(missing)} of the test images that the model was made with are gone, "
            f"such as {min(missing)}"
        )
    return [
        TEST
        if image.name in names
        else (image.split or (TRAIN if image.good else UNUSED)).replace(TEST, UNUSED)
        for image in images
    ]


def find_categories(folder: Path) -> tuple[list[Path], list[str]]:
    """Return the category folders in a data set, sorted, and folders that are none.

    There are none in a folder that is a category itself. Folders of photos alone are
    categories unless others say more; folders named train, test or masks never are.
    """
    isdir = os.path.isdir  # pathlib's raises where a folder may not be looked into
    if not isdir(folder) or isdir(folder / TRAIN):
        return [], []
    inside = [path for path in entries(folder) if isdir(path) and not is_part(path)]
    simple = [path for path in inside if isdir(path / TRAIN / GOOD_CLASS)]
    if not simple and is_category(folder):
        return [], []
    layouts = {}
    for path in inside:
        if path in simple:
            layouts[path] = TRAIN
            continue
        listing = list_images(path)
        if listing.images or listing.left_out:
            layouts[path] = _recognised(Tree(listing))[0]
    alone = "good alone" if set(layouts.values()) - {"", "good alone"} else ""
    chosen = [path for path, layout in layouts.items() if layout not in ("", alone)]
    return chosen, [path.name for path in layouts if path not in chosen]


def is_part(path: Path) -> bool:
    """Return whether a folder is a part of a category by its name, not one itself."""
    return path.name.casefold() in SPLITS or is_mask_folder(path.name)
