"""Image sets from folders: categories in any known layout, and plain folders."""

import os
import warnings
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from processing.decoding.decode import SUFFIXES
from processing.errors import UsageError, UserError

from .ground_truth import GOOD_CLASS, check_size, parts_of, with_masks
from .image_set import ANOMALOUS, CACHE_BYTES, GOOD, UNKNOWN, ImageSet
from .labels import Labels, relabelled
from .listing import existing, is_image, list_images, no_images, report_left_out, some
from .scan import Scan, assigned, check_path, find_categories, scan
from .tree import DRAWN, TEST, TRAIN, VALIDATION, FoundImage

UNKNOWN_CLASS = "unknown"
SEED = 42  # of a drawn test set, where no method has a seed of its own


@dataclass(frozen=True)
class Category:
    """The images of one kind of part, and the names that results go by.

    Attributes:
        dataset, name: of the data set and of the category.
        train: good images, those of `validation` included.
        test: images to test with.
        defective: images outside of the test set, for supervised methods.
        validation: names of those good images that the layout sets apart.
        drawn: whether images were drawn for the test set, so that it has to be
            recorded.
        scan: what the images were found by.
    """

    dataset: str
    name: str
    train: ImageSet
    test: ImageSet
    defective: ImageSet
    validation: tuple[str, ...]
    drawn: bool
    scan: Scan


def scan_category(
    source: Path | Scan,
    *,
    image_shape: tuple[int, int, int],
    cache_bytes: int = CACHE_BYTES,
    seed: int = SEED,
    test: Sequence[str] = (),
    labels: Labels = MappingProxyType({}),
) -> Category:
    """Find the images of a category; nothing is decoded but masks that say the label.

    Args:
        source: the category's folder, see `processing.data.layouts`, or a table of its
            images, or their scan. The name of the folder (that the table lies in) and
            its parent's name become the category and the dataset.
        image_shape: (h, w, c) that images are resized to.
        cache_bytes: see `ImageSet`.
        seed: of the test set where the layout has none.
        test: names of its images if it was drawn before.
        labels: that correct what the folder says, by name, see `labels_of`.

    Returns:
        The category; its test set is empty if all images are good and none has a split.
    """
    found = source if isinstance(source, Scan) else scan(source)
    found = relabelled(found, labels)
    splits = assigned(found.images, seed, test)
    parts: dict[tuple[str, bool], list[FoundImage]] = {}
    for image, split in zip(found.images, splits, strict=True):
        parts.setdefault((split, image.good or split == TEST), []).append(image)

    def images(split: str, wanted: bool = True) -> ImageSet:
        return _image_set(parts.get((split, wanted), []), image_shape, cache_bytes)

    apart = parts.get((VALIDATION, True), [])
    good = parts.get((TRAIN, True), []) + apart
    if not good:
        raise _no_good_images(found)
    _check_masks(parts.get((TEST, True), []))
    validation = images(VALIDATION).names
    return Category(
        *category_names(found.folder),
        train=_image_set(good, image_shape, cache_bytes),
        test=images(TEST),
        defective=images(TRAIN, False),
        validation=validation,
        drawn=any(image.split == DRAWN for image in found.images),
        scan=found,
    )


def _no_good_images(found: Scan) -> UserError:
    kinds = some(sorted({image.kind for image in found.images})) or "none"
    return UserError(
        f"no good images to train on in {found.folder} ({found.layout}); found images "
        f"of {kinds}"
    )


def check_category(source: Path) -> Path:
    """Return the absolute path of a category's folder or table, which must be one."""
    source = check_path(source)
    scan(source)
    return source


def scan_dataset(folder: Path) -> list[Path]:
    """Return the category folders in a folder, sorted; none if it is no such folder."""
    return find_categories(folder)[0]


def category_names(source: Path) -> tuple[str, str]:
    """Return the names of the data set and of the category in a folder, or a table."""
    folder = category_folder(source)
    return folder.parent.name or "dataset", folder.name


def category_folder(source: Path) -> Path:
    """Return the absolute path of a category's folder, or of that of its table."""
    source = Path(os.path.abspath(source))
    return source.parent if source.is_file() else source


def check_images(source: Path) -> Path:
    """Return the absolute path of an image or a folder, which must exist."""
    return existing(source, "expected an image or a folder of images")


def scan_images(
    source: Path,
    image_shape: tuple[int, int, int],
    cache_bytes: int = CACHE_BYTES,
    skip_unreadable: bool = False,
) -> ImageSet:
    """Find the images in a folder and the folders below it, or take a single file.

    Those of a table have labels and masks; what it sets apart to train or validate with
    is left out. What looks like an image and is none is named in a warning; what cannot
    be read, in an error, unless it is to be skipped.
    """
    source = check_images(source)
    if source.is_file() and source.suffix.lower() == ".csv":
        return _images_to_test(scan(source), image_shape, cache_bytes, skip_unreadable)
    if source.is_dir():
        listing = list_images(source)
        report_left_out(source, listing.left_out, skip_unreadable)
        if not listing.images:
            raise no_images(source)
        files = {name: source / name for name in listing.images}
    elif is_image(source):
        files = {source.name: source}
    else:
        expected = f"{', '.join(SUFFIXES)}, or a table, .csv"
        raise UsageError(f"{source} is not an image, expected {expected}")
    return unlabelled(files, image_shape, cache_bytes)


def _images_to_test(
    found: Scan, image_shape: tuple[int, int, int], cache_bytes: int, skip: bool
) -> ImageSet:
    """Return the images of a table that are not for training."""
    report_left_out(found.folder, found.left_out, skip)
    images = [image for image in found.images if image.split in (TEST, DRAWN)]
    if not images:
        raise UserError(f"the table in {found.folder} names no images to test with")
    _check_masks(images)
    return _image_set(images, image_shape, cache_bytes)


def _check_masks(images: Sequence[FoundImage]) -> None:
    """Raise `UserError` for a mask of another size than its image."""
    for image in images:
        for mask in image.masks:
            check_size(image.path, mask)


def unlabelled(
    files: Mapping[str, Path],
    image_shape: tuple[int, int, int],
    cache_bytes: int = CACHE_BYTES,
) -> ImageSet:
    """Return the images in files, by name; slices add their number to it."""
    parts = [
        (name + part.name[len(path.name) :], part)
        for name, path in files.items()
        for part in parts_of(path)
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
    images: ImageSet,
    skip_unreadable: bool = False,
    *,
    none_left: bool = False,
    known: Container[int] = (),
) -> ImageSet:
    """Decode every image once, before work starts, keeping small sets in memory.

    Args:
        images: the images to check.
        skip_unreadable: leave out what cannot be read, with a warning, instead of
            raising one error that names the files.
        none_left: take it that all are left out.
        known: indices of images that need no check.

    Returns:
        The images that can be read.
    """
    faults = images.unreadable(known)
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


def _image_set(
    images: Sequence[FoundImage],
    image_shape: tuple[int, int, int],
    cache_bytes: int,
) -> ImageSet:
    parts = [
        (image, *part)
        for image in images
        for part in with_masks(image.path, image.kind, image.masks)
    ]
    return ImageSet(
        [path for _, path, _, _ in parts],
        names=[
            image.name + path.name[len(image.path.name) :] for image, path, *_ in parts
        ],
        labels=[GOOD if kind == GOOD_CLASS else ANOMALOUS for _, _, kind, _ in parts],
        classes=[kind for _, _, kind, _ in parts],
        image_shape=image_shape,
        cache_bytes=cache_bytes,
        mask_paths=[masks for *_, masks in parts],
        groups=[image.group for image, *_ in parts],
    )
