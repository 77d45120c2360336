"""Layouts of data sets, a short function each; nothing is decoded.

A layout takes a `Tree` and returns what it finds, or None if the folder is laid out
otherwise. `LAYOUTS` has them in the order of trial.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from .ground_truth import GOOD_CLASS, without_ending
from .listing import LeftOut, bare_name
from .table import TABLE, images_of_table, read_table
from .tree import DRAWN, SPLITS, TRAIN, Found, Parts, Tree, is_good, split_of


def _train_and_test(tree: Tree) -> Found | None:
    """train/good, test/KIND, ground_truth/KIND, validation/good: MVTec AD and LOCO."""

    def place(parts: Parts) -> tuple[str, int] | None:
        split = split_of(parts)
        return (split, 1) if split and len(parts) > 2 else None

    inside = [parts for parts in tree.parts.values() if place(parts)]
    if not any(split_of(parts) == TRAIN and is_good(parts[1]) for parts in inside):
        return None
    return tree.in_class_folders(place)


def _visa(tree: Tree) -> Found | None:
    """Data/Images/{Normal,Anomaly}, Data/Masks/Anomaly, ../split_csv/1cls.csv: VisA."""

    def place(parts: Parts) -> tuple[str, int] | None:
        inside = [part.casefold() for part in parts[:2]] == ["data", "images"]
        return (DRAWN, 2) if inside and len(parts) > 3 else None

    if not any(map(place, tree.parts.values())):
        return None
    found = tree.in_class_folders(place)
    table = tree.folder.parent / "split_csv/1cls.csv"
    if not table.is_file():
        return found
    rows = read_table(table, ("object", "split", "image"))
    name = tree.folder.name
    splits = {x["image"]: SPLITS.get(x["split"]) for x in rows if x["object"] == name}
    if not splits:
        return found
    images, left_out = [], []
    for image in found.images:
        split = splits.get(f"{name}/{image.name}")
        if split:
            images.append(replace(image, split=split))
        else:
            left_out.append(LeftOut(image.name, "not in split_csv/1cls.csv"))
    return replace(found, images=images, left_out=left_out)


def _ok_and_ng(tree: Tree) -> Found | None:
    """OK/SAMPLE/*.jpg and NG/KIND/SAMPLE/*.jpg, masks *.png beside: Real-IAD."""
    bad = {x for x, p in tree.parts.items() if p[0].casefold() == "ng" and len(p) > 2}
    good = {x for x, p in tree.parts.items() if is_good(p[0]) and len(p) > 1}
    if not bad or not good:
        return None
    photos = {bare_name(x): x for x in bad if not x.lower().endswith(".png")}
    drawn = bad - set(photos.values())
    masks = {x: photos[bare_name(x)] for x in drawn if bare_name(x) in photos}
    images, chosen = [], (good | bad) - masks.keys()
    for name, parts in tree.parts.items():
        if name not in chosen:
            continue
        above = int(name in bad)
        sample = "/".join(parts[:-1]) if len(parts) > above + 2 else ""
        images.append(tree.image(name, parts[above], group=sample))
    return Found(images, masks)


def _table(tree: Tree) -> Found | None:
    """labels.csv with the columns path and label, perhaps mask, split and group."""
    table = tree.folder / TABLE
    return images_of_table(table) if table.is_file() else None


def _class_folders(tree: Tree) -> Found | None:
    """A folder good beside one for each kind of defect; perhaps masks."""
    if not any(is_good(parts[0]) for parts in tree.parts.values() if len(parts) > 1):
        return None
    return tree.in_class_folders(lambda parts: (DRAWN, 0) if len(parts) > 1 else None)


def _masks_beside(tree: Tree) -> Found | None:
    """PartN.jpg and PartN_label.bmp, which says whether it is good: KolektorSDD, KSDD2.

    Perhaps in train and test; a folder, or what stands before "_Part", is one item.
    """
    images = []
    for name, parts in tree.parts.items():
        split = split_of(parts)
        part = re.fullmatch(r"(.+)_part\d+", bare_name(parts[-1]), re.IGNORECASE)
        item = [*parts[bool(split) : -1], *(part.groups() if part else ())]
        if len(item) > 1:  # a folder of categories
            return None
        images.append(tree.image(name, "", split, "" if split else "/".join(item)))
    return Found(images) if any(tree.masks.values()) else None


def _good_alone(tree: Tree) -> Found | None:
    """Photos of good parts, without any folder."""
    photos = [name for name in tree.parts if not without_ending(bare_name(name))]
    if not photos or any(len(parts) > 1 for parts in tree.parts.values()):
        return None
    return Found([tree.image(name, GOOD_CLASS, TRAIN) for name in tree.parts])


LAYOUTS: Mapping[str, Callable[[Tree], Found | None]] = {
    "train and test": _train_and_test,
    "VisA": _visa,
    "OK and NG": _ok_and_ng,
    "table": _table,
    "good beside bad": _class_folders,
    "masks beside": _masks_beside,
    "good alone": _good_alone,
}
