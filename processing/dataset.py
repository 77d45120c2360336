"""Folders of images to image sets: the MVTec AD layout, and plain folders."""

import os
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from processing.decoding import SUFFIXES, read_size
from processing.errors import UsageError, UserError
from processing.images import ANOMALOUS, CACHE_BYTES, GOOD, UNKNOWN, ImageSet

GOOD_CLASS = "good"
UNKNOWN_CLASS = "unknown"
_LAYOUT = "expected a category folder, such as mvtec/bottle, with train/good inside"
_SUFFIXES = ", ".join(SUFFIXES)
_NAMED = 5  # files or folders that a message names, at most


@dataclass(frozen=True)
class Category:
    """The images of one kind of part, and the names that results go by."""

    dataset: str
    name: str
    train: ImageSet
    test: ImageSet


def scan_category(
    folder: Path,
    *,
    image_shape: tuple[int, int, int],
    cache_bytes: int = CACHE_BYTES,
) -> Category:
    """Find the images of a category; nothing is decoded.

    Args:
        folder: holds train/good, perhaps test/<class>, and perhaps
            ground_truth/<class> with a mask "<stem>_mask" or "<stem>" for each image.
            Its name and its parent's name become the category and the dataset.
        image_shape: (h, w, c) that images are resized to.
        cache_bytes: see `ImageSet`.

    Returns:
        The category; its test set is empty if there is no test folder.
    """
    folder = _existing(folder, _LAYOUT)
    if not folder.is_dir():
        raise UsageError(f"{folder} is a file, {_LAYOUT}")
    good = folder / "train" / GOOD_CLASS
    if not good.is_dir():
        inside = _listing(good.parent if good.parent.is_dir() else folder)
        raise UserError(f"no train/good in {folder}: {_LAYOUT}; found {inside}")
    paths = _images_of_class(good)
    if not paths:
        raise _no_images(good)
    train = _image_set(folder, {GOOD_CLASS: paths}, {}, image_shape, cache_bytes)
    tests = _test_classes(folder / "test")
    masks = _masks(folder / "ground_truth", tests)
    test = _image_set(folder, tests, masks, image_shape, cache_bytes)
    return Category(folder.parent.name or "dataset", folder.name, train, test)


def scan_images(
    source: Path,
    image_shape: tuple[int, int, int],
    cache_bytes: int = CACHE_BYTES,
) -> ImageSet:
    """Find the images in a folder and the folders below it, or take a single file."""
    source = _existing(source, "expected an image or a folder of images")
    if source.is_dir():
        root, paths = source, _images_below(source)
        if not paths:
            raise _no_images(source)
    else:
        root, paths = source.parent, [source]
        if not _is_image(source):
            raise UsageError(f"{source} is not an image, expected {_SUFFIXES}")
    return ImageSet(
        paths,
        names=[path.relative_to(root).as_posix() for path in paths],
        labels=[UNKNOWN] * len(paths),
        classes=[UNKNOWN_CLASS] * len(paths),
        image_shape=image_shape,
        cache_bytes=cache_bytes,
    )


def check_readable(images: ImageSet, skip_unreadable: bool = False) -> ImageSet:
    """Decode every image once, before work starts, keeping small sets in memory.

    Args:
        images: the images to check.
        skip_unreadable: leave out what cannot be read, with a warning, instead of
            raising one error that names the files.

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
    if len(faults) == len(images):
        raise UserError(f"{summary}; none are left")
    warnings.warn(f"left out {summary}", stacklevel=2)
    return images.subset(i for i in range(len(images)) if i not in faults)


def _existing(path: Path, expected: str) -> Path:
    """Return the absolute path without "..", symbolic links kept as typed."""
    path = Path(os.path.abspath(path))
    if not path.exists():
        raise UsageError(f"no such file or folder: {path}; {expected}")
    return path


def _test_classes(folder: Path) -> dict[str, list[Path]]:
    """Return the images of each class below a test folder, if there is one."""
    if not folder.is_dir():
        return {}
    classes = {
        entry.name: images
        for entry in _entries(folder)
        if entry.is_dir() and (images := _images_of_class(entry))
    }
    if not classes and any(map(_is_image, _entries(folder))):
        raise UserError(
            f"{folder} holds images outside of a class folder: expected test/good and "
            f"test/<kind of defect>; found {_listing(folder)}"
        )
    return classes


def _images_of_class(folder: Path) -> list[Path]:
    images = [path for path in _entries(folder) if _is_image(path)]
    seen: dict[str, Path] = {}
    for path in images:
        other = seen.setdefault(path.stem, path)
        if other is not path:
            raise UserError(
                f"two images of one name in {folder}: expected different names "
                f"without the suffix; found {other.name} and {path.name}"
            )
    return images


def _images_below(folder: Path) -> list[Path]:
    found = []
    for entry in _entries(folder):
        if entry.is_dir() and not entry.is_symlink():  # a link may lead in a circle
            found += _images_below(entry)
        elif _is_image(entry):
            found.append(entry)
    return found


def _masks(folder: Path, classes: dict[str, list[Path]]) -> dict[Path, Path]:
    """Pair images of all classes but good with their masks, where there are any."""
    masks: dict[Path, Path] = {}
    if classes and folder.is_dir():
        for entry in _entries(folder):
            if entry.is_dir() and entry.name != GOOD_CLASS:
                masks |= _masks_of_class(entry, classes.get(entry.name, []))
    return masks


def _masks_of_class(folder: Path, images: list[Path]) -> dict[Path, Path]:
    """Pair the images of one class with their masks: all of them, or none."""
    by_stem = {image.stem: image for image in images}
    masks: dict[Path, Path] = {}
    for mask in filter(_is_image, _entries(folder)):
        stem = mask.stem.removesuffix("_mask")
        image = by_stem.get(stem) or by_stem.get(mask.stem)
        if image is None:
            raise UserError(
                f"mask without an image: {mask}; expected {stem}.* in "
                f"{folder.parent.parent / 'test' / folder.name}"
            )
        if image in masks:
            raise UserError(f"two masks for {image}: {masks[image].name}, {mask.name}")
        _check_size(image, mask)
        masks[image] = mask
    missing = [image.name for image in images if image not in masks]
    if masks and missing:
        raise UserError(
            f"masks missing in {folder}: expected one for each of {len(images)} "
            f"images, or none; found {len(masks)}, none for {some(missing)}"
        )
    return masks


def _check_size(image: Path, mask: Path) -> None:
    mask_size = read_size(mask)
    try:
        size = read_size(image)
    except UserError:
        return  # `check_readable` reports it, together with the others
    if size != mask_size:
        raise UserError(
            f"mask of another size than its image: {mask} is {mask_size[0]}x"
            f"{mask_size[1]}, expected {size[0]}x{size[1]} (height x width)"
        )


def _image_set(
    root: Path,
    classes: dict[str, list[Path]],
    masks: dict[Path, Path],
    image_shape: tuple[int, int, int],
    cache_bytes: int,
) -> ImageSet:
    names = [name for name, images in classes.items() for _ in images]
    paths = [path for images in classes.values() for path in images]
    return ImageSet(
        paths,
        names=[path.relative_to(root).as_posix() for path in paths],
        labels=[GOOD if name == GOOD_CLASS else ANOMALOUS for name in names],
        classes=names,
        image_shape=image_shape,
        cache_bytes=cache_bytes,
        mask_paths=[masks.get(path) for path in paths],
    )


def _entries(folder: Path) -> list[Path]:
    """Return what is in a folder and not hidden, 2 before 10."""
    try:
        entries = [path for path in folder.iterdir() if path.name[0] != "."]
    except OSError as error:
        raise UserError(f"cannot list {folder}: {error.strerror}") from error
    return sorted(entries, key=lambda path: (_natural(path.name), path.name))


def _natural(name: str) -> list[str | int]:
    parts = re.split(r"(\d+)", name.casefold())  # text and number in turn
    return [int(part) if i % 2 else part for i, part in enumerate(parts)]


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file()


def _no_images(folder: Path) -> UserError:
    return UserError(
        f"no images in {folder}: expected {_SUFFIXES}; found {_listing(folder)}"
    )


def _listing(folder: Path) -> str:
    return some(path.name for path in _entries(folder)) or "nothing"


def some(names: Iterable[str], separator: str = ", ") -> str:
    """Return the first names, and how many more there are."""
    names = list(names)
    rest = len(names) - _NAMED
    shown = separator.join(names[:_NAMED])
    return f"{shown} and {rest} more" if rest > 0 else shown
