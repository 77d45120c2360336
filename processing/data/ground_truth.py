"""Ground truth masks, paired with the images they belong to."""

from collections.abc import Iterator
from pathlib import Path

from processing.decoding.decode import read_mask, read_size
from processing.decoding.medical import slices
from processing.errors import UserError

from .listing import bare_name, entries, is_image, some

GOOD_CLASS = "good"


def pair_masks(folder: Path, classes: dict[str, list[Path]]) -> dict[Path, Path]:
    """Pair images of all classes but good with their masks, where there are any."""
    masks: dict[Path, Path] = {}
    if classes and folder.is_dir():
        for entry in entries(folder):
            if entry.is_dir() and entry.name != GOOD_CLASS:
                masks |= _masks_of_class(entry, classes.get(entry.name, []))
    return masks


def _masks_of_class(folder: Path, images: list[Path]) -> dict[Path, Path]:
    """Pair the images of one class with their masks: all of them, or none."""
    by_stem = {bare_name(image.name): image for image in images}
    masks: dict[Path, Path] = {}
    for mask in filter(is_image, entries(folder)):
        stem = bare_name(mask.name).removesuffix("_mask")
        image = by_stem.get(stem) or by_stem.get(bare_name(mask.name))
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
    if len(slices(image)) != len(slices(mask)):
        raise UserError(
            f"mask of another length than its image: {mask} has {len(slices(mask))} "
            f"slices, expected {len(slices(image))}"
        )


def with_masks(
    path: Path, name: str, mask: Path | None
) -> Iterator[tuple[Path, str, Path | None]]:
    """Yield path, class and mask of an image, or of each slice of a volume.

    A slice in which the mask marks nothing is good, whatever its volume.
    """
    images = slices(path)
    if len(images) == 1 or mask is None:
        yield from ((image, name, mask) for image in images)
        return
    for image, marked in zip(images, slices(mask), strict=True):
        if read_mask(marked).any():
            yield image, name, marked
        else:
            yield image, GOOD_CLASS, None
