"""Tables of images: a labels.csv, and the split_csv/1cls.csv of VisA."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from processing.decoding.decode import SUFFIXES
from processing.decoding.medical import file_of
from processing.errors import UserError, one_line

from .listing import LeftOut, some
from .tree import DRAWN, SPLITS, Found, FoundImage

TABLE = "labels.csv"  # found in a folder by this name

Row = dict[str, str]  # stripped text by the lower-case name of its column


def read_table(path: Path, columns: Sequence[str]) -> list[Row]:
    """Return the rows of a CSV file in UTF-8; a cell without text is "".

    Args:
        path: with commas, semicolons or tabs in between, as its first line has them.
        columns: that it must have, in lower case; those of the file can have any case.
    """
    import pandas as pd

    try:
        with path.open(encoding="utf-8-sig") as file:
            head = file.readline()
        separator = max(",;\t", key=head.count)
        table = pd.read_csv(
            path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig"
        )
    except (OSError, ValueError) as error:  # pandas' errors are ValueErrors
        raise UserError(f"cannot read the table {path}: {one_line(error)}") from error
    names = [str(name).strip().lower() for name in table.columns]
    if not set(columns) <= set(names) or len(set(names)) < len(names):
        raise UserError(
            f"{path}: expected one column each of {', '.join(columns)}. "
            f"Received: {some(map(str, table.columns)) or 'none'}"
        )
    return [
        dict(zip(names, map(str.strip, map(str, row)), strict=True))
        for row in table.itertuples(index=False)
    ]


def images_of_table(path: Path) -> Found:
    """Return the images that a table names.

    Its columns are path and label (good, or a kind of defect), perhaps mask, split
    (train, validation or test) and group (what stays in one split). Paths are meant
    from the table's folder; an image outside of it goes by its absolute path.
    """
    found, folder = Found([]), path.parent.absolute()
    for number, row in enumerate(read_table(path, ("path", "label")), 2):
        split = row.get("split", "").lower()
        if not row["path"] or not row["label"] or split not in {DRAWN, *SPLITS}:
            raise UserError(
                f"{path}, line {number}: expected a path, a label, and as split (if "
                f"there is one) train, validation or test. Received: {row}"
            )
        name, *masks = (
            name_in(folder, x) for x in (row["path"], row.get("mask", "")) if x
        )
        fault = _fault(folder, name, *masks)
        if fault:
            found.left_out.append(fault)
            continue
        found.images.append(
            FoundImage(
                folder / name,
                name,
                row["label"],
                SPLITS.get(split, DRAWN),
                tuple(folder / mask for mask in masks),
                row.get("group", ""),
            )
        )
    names = Counter(image.name for image in found.images)
    if names and names.most_common(1)[0][1] > 1:
        raise UserError(f"{path} names {names.most_common(1)[0][0]} twice")
    return found


def path_in_table(path: Path) -> str:
    r"""Return the absolute path of an image, as a table names it; "" if it cannot.

    A table names files, not the slices in them, and its "\" is a "/".
    """
    text = path.absolute().as_posix()
    return "" if "\\" in text or file_of(path) != path else text


def name_in(folder: Path, text: str) -> str:
    r"""Return the name of a file that a table has as text, perhaps with "\".

    It is relative to a folder, or an absolute path if the file lies outside of it.
    """
    inside = os.path.relpath(folder / text.replace("\\", "/"), folder)
    return (folder / inside).resolve().as_posix() if inside[:2] == ".." else inside


def _fault(folder: Path, *names: str) -> LeftOut | None:
    """Return the first of an image and its mask that cannot be read, if any."""
    for name in names:
        if not name.lower().endswith(SUFFIXES):
            return LeftOut(name, "not an image that is read", fault=True)
        if not (folder / name).is_file():
            return LeftOut(name, "no such file", fault=True)
    return None
