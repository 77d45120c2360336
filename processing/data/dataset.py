"""Image sets from folders: the MVTec AD layout, and plain folders."""

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from processing.decoding.decode import SUFFIXES
from processing.decoding.medical import slices
from processing.errors import UsageError, UserError

from .ground_truth import GOOD_CLASS, pair_masks, with_masks
from .image_set import ANOMALOUS, CACHE_BYTES, GOOD, UNKNOWN, ImageSet
from .listing import bare_name, contents, entries, existing, is_image, no_images, some

UNKNOWN_CLASS = "unknown"
_LAYOUT = "expected a category folder, such as mvtec/bottle, with train/good inside"


@dataclass(frozen=True)
class Category:
    """The images of one kind of part, and the names that results go by."""

    dataset: str
    name: str
    train: ImageSet
    test: ImageSet
    defective: ImageSet  # in folders beside train/good, for supervised methods


def scan_category(
    folder: Path,
    *,
    image_shape: tuple[int, int, int],
    cache_bytes: int = CACHE_BYTES,
) -> Category:
    """Find the images of a category; nothing is decoded.

    Args:
        folder: holds train/good, perhaps train/<class>, test/<class>, and perhaps
            ground_truth/<class> with a mask "<stem>_mask" or "<stem>" for each image.
            Its name and its parent's name become the category and the dataset.
        image_shape: (h, w, c) that images are resized to.
        cache_bytes: see `ImageSet`.

    Returns:
        The category; its test set is empty if there is no test folder.
    """
    folder = check_category(folder)
    good = folder / "train" / GOOD_CLASS
    paths = _images_of_class(good)
    if not paths:
        raise no_images(good)
    train = _image_set(folder, {GOOD_CLASS: paths}, {}, image_shape, cache_bytes)
    tests = _classes(folder / "test")
    masks = pair_masks(folder / "ground_truth", tests)
    test = _image_set(folder, tests, masks, image_shape, cache_bytes)
    classes = _classes(good.parent)
    del classes[GOOD_CLASS]
    defective = _image_set(folder, classes, {}, image_shape, cache_bytes)
    return Category(*category_names(folder), train, test, defective)


def check_category(folder: Path) -> Path:
    """Return the absolute path of a category folder; `UserError` for any other path."""
    folder = existing(folder, _LAYOUT)
    if not folder.is_dir():
        raise UsageError(f"{folder} is a file, {_LAYOUT}")
    good = folder / "train" / GOOD_CLASS
    if not good.is_dir():
        inside = contents(good.parent if good.parent.is_dir() else folder)
        raise UserError(f"no train/good in {folder}: {_LAYOUT}; found {inside}")
    return folder


def scan_dataset(folder: Path) -> list[Path]:
    """Return the category folders in a folder, sorted; none if it is no such folder."""
    if not folder.is_dir() or (folder / "train").is_dir():
        return []
    return [x for x in entries(folder) if (x / "train" / GOOD_CLASS).is_dir()]


def category_names(folder: Path) -> tuple[str, str]:
    """Return the names of the data set and of the category in a folder."""
    folder = Path(os.path.abspath(folder))
    return folder.parent.name or "dataset", folder.name


def check_images(source: Path) -> Path:
    """Return the absolute path of an image or a folder, which must exist."""
    return existing(source, "expected an image or a folder of images")


def scan_images(
    source: Path,
    image_shape: tuple[int, int, int],
    cache_bytes: int = CACHE_BYTES,
) -> ImageSet:
    """Find the images in a folder and the folders below it, or take a single file."""
    source = check_images(source)
    if source.is_dir():
        root, paths = source, images_below(source)
        if not paths:
            raise no_images(source)
    else:
        root, paths = source.parent, [source]
        if not is_image(source):
            raise UsageError(
                f"{source} is not an image, expected {', '.join(SUFFIXES)}"
            )
    files = {path.relative_to(root).as_posix(): path for path in paths}
    return unlabelled(files, image_shape, cache_bytes)


def unlabelled(
    files: Mapping[str, Path],
    image_shape: tuple[int, int, int],
    cache_bytes: int = CACHE_BYTES,
) -> ImageSet:
    """Return the images in files, by name; slices add their number to it."""
    parts = [
        (name + part.name[len(path.name) :], part)
        for name, path in files.items()
        for part in slices(path)
    ]
    return ImageSet(
        [path for _, path in parts],
        names=[name for name, _ in parts],
        labels=[UNKNOWN] * len(parts),
        classes=[UNKNOWN_CLASS] * len(parts),
        image_shape=image_shape,
        cache_bytes=cache_bytes,
    )


def check_readable(
    images: ImageSet, skip_unreadable: bool = False, *, none_left: bool = False
) -> ImageSet:
    """Decode every image once, before work starts, keeping small sets in memory.

    Args:
        images: the images to check.
        skip_unreadable: leave out what cannot be read, with a warning, instead of
            raising one error that names the files.
        none_left: take it that all are left out.

    Returns:
        The images that can be read.
    """
    faults = images.unreadable()
    if not faults:
        return images
    named = some(map(str, faults.values()), separator="; ")
    summary = f"{len(faults)} of {len(images)} images cannot be read: {named}"
    if not skip_unreadable:
        raise UserError(f"{summary} (--skip-unreadable leaves them out)")
    if len(faults) == len(images) and not none_left:
        raise UserError(f"{summary}; none are left")
    warnings.warn(f"left out {summary}", stacklevel=2)
    return images.subset(i for i in range(len(images)) if i not in faults)


def _classes(folder: Path) -> dict[str, list[Path]]:
    """Return the images of each class below a folder, if there is one."""
    if not folder.is_dir():
        return {}
    classes = {
        entry.name: images
        for entry in entries(folder)
        if entry.is_dir() and (images := _images_of_class(entry))
    }
    if not classes and any(map(is_image, entries(folder))):
        raise UserError(
            f"{folder} holds images outside of a class folder: expected test/good and "
            f"test/<kind of defect>; found {contents(folder)}"
        )
    return classes


def _images_of_class(folder: Path) -> list[Path]:
    images = [path for path in entries(folder) if is_image(path)]
    by_name: dict[str, Path] = {}
    for path in images:
        other = by_name.setdefault(bare_name(path.name), path)
        if other is not path:
            raise UserError(
                f"two images of one name in {folder}: expected different names "
                f"without the suffix; found {other.name} and {path.name}"
            )
    return images


def images_below(folder: Path) -> list[Path]:
    """Return the image files in a folder and the folders below it, sorted."""
    images = []
    for entry in entries(folder):
        if entry.is_dir() and not entry.is_symlink():  # a link may lead in a circle
            images += images_below(entry)
        elif is_image(entry):
            images.append(entry)
    return images


def _image_set(
    root: Path,
    classes: dict[str, list[Path]],
    masks: dict[Path, Path],
    image_shape: tuple[int, int, int],
    cache_bytes: int,
) -> ImageSet:
    parts = [
        part
        for name, images in classes.items()
        for path in images
        for part in with_masks(path, name, masks.get(path))
    ]
    return ImageSet(
        [path for path, _, _ in parts],
        names=[path.relative_to(root).as_posix() for path, _, _ in parts],
        labels=[GOOD if name == GOOD_CLASS else ANOMALOUS for _, name, _ in parts],
        classes=[name for _, name, _ in parts],
        image_shape=image_shape,
        cache_bytes=cache_bytes,
        mask_paths=[mask for _, _, mask in parts],
    )
