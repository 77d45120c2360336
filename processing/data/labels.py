"""A table of labels beside a category: it corrects its images and adds others."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from processing.decoding.medical import file_of
from processing.errors import UsageError, UserError
from processing.wording import count, printable

from .copies import identical_files
from .ground_truth import GOOD_CLASS
from .listing import check_faults
from .scan import Scan
from .table import Row, images_of_table, name_in
from .tree import DRAWN, TEST, TRAIN, FoundImage, is_good

Labels = Mapping[str, Row]  # label, split, and perhaps mask, by the name of the image

log = logging.getLogger(__name__)


def below(images: Iterable[FoundImage], folders: Iterable[Path]) -> list[FoundImage]:
    """Return the images that lie below one of some folders."""
    roots = [folder.resolve() for folder in folders]
    return [
        image
        for image in images
        if any(image.path.resolve().is_relative_to(root) for root in roots)
    ]


def check_below(images: Sequence[FoundImage], folders: Mapping[str, Path]) -> None:
    """Raise `UsageError` for labelled images that are of none of several categories.

    Args:
        images: of a table.
        folders: of the categories, by name.
    """
    inside = {image.path for image in below(images, folders.values())}
    if others := [image.path for image in images if image.path not in inside]:
        raise UsageError(
            "--labels: expected images in the folders of the categories "
            f"{', '.join(folders)}. Received: {printable(str(others[0]))}"
        )


def labels_of(
    table: Path,
    found: Scan,
    learned: bool = False,
    skip_unreadable: bool = False,
    several: bool = False,
) -> dict[str, Row]:
    """Return what a table says of the images of a category, and of others, by name.

    A row is for all images of the category that have the bytes of its image, or else
    for one from elsewhere, by its absolute path. Good images are to be trained on. Good
    training images that are labelled as defective are set beside them, where supervised
    methods find defects. Other defective images stay where they are, and are not taken
    from elsewhere, unless they are learned from.

    Args:
        table: see `images_of_table`; a split that it names is that of the image.
        found: the category.
        learned: whether defects are learned from, and so leave the test set.
        skip_unreadable: leave out images that are not there.
        several: whether it is one of several categories: only images below its folder
            count.

    Raises:
        UserError: a table that is wrong, or two labels for images of the same bytes.
    """
    rows = images_of_table(table)
    check_faults(table, rows.left_out, skip_unreadable)
    chosen = below(rows.images, [found.folder]) if several else rows.images
    known = len(found.images)
    others = (_unlabelled(row, found.folder) for row in chosen)
    images = [*found.images, *others]
    groups = identical_files([image.path for image in images])
    copies = {i: group for group in groups for i in group}
    labels: dict[str, Row] = {}
    for i, row in enumerate(chosen, known):
        group = copies.get(i, [i])
        for k in [k for k in group if k < known] or group[:1]:
            label = _label(images[k], row, found.folder, learned)
            if label and labels.setdefault(images[k].name, label) != label:
                raise UserError(
                    f"{table}: expected one label for {images[k].name} and its copies. "
                    f"Received: {labels[images[k].name]['label']} and {label['label']}"
                )
    return labels


def _unlabelled(row: FoundImage, folder: Path) -> FoundImage:
    """Return the image of a row, by the name that it has from a category's folder."""
    name = name_in(folder, str(row.path))
    return FoundImage(row.path, name, kind="", split=DRAWN)


def _label(
    image: FoundImage, row: FoundImage, folder: Path, learned: bool
) -> Row | None:
    """Return what a row says of an image; None if that is not needed."""
    kind, split = GOOD_CLASS if is_good(row.kind) else row.kind, image.split
    trained = image.good and split != TEST
    if kind == GOOD_CLASS:
        split = split if trained and split else TRAIN
    elif learned or trained and split:
        split = TRAIN
    elif not image.kind and not row.split:
        return None
    masks = [name_in(folder, str(mask)) for mask in row.masks]
    label = {"label": kind, "split": row.split or split}
    return label | ({"mask": masks[0]} if masks else {})


def relabelled(found: Scan, labels: Labels) -> Scan:
    """Return a category as labels have it, see `labels_of`.

    Images from elsewhere that are gone are left out: nothing may need them.
    """
    images = {image.name: image for image in found.images}
    for name, row in labels.items():
        path = found.folder / name
        if name not in images and not file_of(path).is_file():
            continue
        image = images.get(name, FoundImage(path, name, "", DRAWN))
        masks = (found.folder / row["mask"],) if row.get("mask") else image.masks
        image = replace(image, kind=row["label"], split=row["split"], masks=masks)
        images[name] = replace(image, masks=()) if image.good else image
    return replace(found, images=tuple(images.values()))


def report_labels(found: Scan, labels: Labels) -> None:
    """Say how labels change what a category has to train on."""
    before = {image.name: image for image in found.images if image.split != TEST}
    trained = {name for name, image in before.items() if image.good}
    tested = {image.name for image in found.images if image.split == TEST}
    good = {name for name, row in labels.items() if row["label"] == GOOD_CLASS}
    moved = {name for name in tested & {*labels} if labels[name]["split"] != TEST}
    log.info(
        "labels: %s added to the good ones, %d no longer among them, %d taken out of "
        "the test set",
        count(len(good - trained), "image"),
        len((trained - good) & {*labels}),
        len(moved),
    )
