"""Ground truth masks: which images they belong to, and what they mark."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from processing.decoding.decode import read_mask, read_size
from processing.decoding.medical import slices
from processing.errors import UserError

from .listing import bare_name

GOOD_CLASS = "good"
_FOLDERS = {"groundtruth", "gt", "mask", "masks", "label", "labels"}
_ENDING = re.compile(r"(.+)[ _.-](?:mask|gt|label|ground_?truth)", re.IGNORECASE)


@cache
def is_mask_folder(name: str) -> bool:
    """Return whether a folder of this name holds masks, such as `Ground_Truth`."""
    return re.sub(r"[ _-]", "", name).casefold() in _FOLDERS


def masks_beside(names: Sequence[str]) -> dict[str, str]:
    """Return the image of each mask that lies beside it: `000_mask.png`, `000_GT.bmp`.

    Once there is one, all names of that kind are masks, of the image "" if that is not
    there: such a file is no photo of a good part.
    """
    images = {bare_name(name): name for name in names}
    bases = {name: without_ending(bare_name(name)) for name in names}
    masks = {name: images.get(base, "") for name, base in bases.items() if base}
    return masks if any(masks.values()) else {}


def without_ending(bare: str) -> str:
    """Return the bare name of a mask's image, "" if it is not named like a mask."""
    match = _ENDING.fullmatch(bare)
    return match[1] if match else ""


def pair_masks(images: Mapping[str, str], masks: Mapping[str, str]) -> dict[str, str]:
    """Return the key of the image that each mask belongs to, as far as there is one.

    A key is a path without its suffix, below the folder of all images or all masks:
    `crack/000` of test/crack/000.png, which has the masks ground_truth/crack/000.png
    or 000_mask.png or 000/1.png, and ground_truth/000.png if no other kind has a 000.

    Args:
        images: class of each image by its key.
        masks: key of each mask by its name.

    Raises:
        UserError: two masks of one image that are not in a folder of its name.
    """
    stems = defaultdict(list)
    for key, kind in images.items():
        stems[key.rpartition("/")[2]].append((kind == GOOD_CLASS, key))
    pairs: dict[str, str] = {}
    whole: dict[str, str] = {}
    for name, key in masks.items():
        stripped = without_ending(key)
        image = next((x for x in (stripped, key) if x in images), "")
        if not image and "/" not in key:
            image = _only(stems[stripped] or stems[key])
        if image and image in whole:
            raise UserError(f"two masks for {image}: {whole[image]}, {name}")
        if image:
            whole[image] = name
        else:
            image = key.rpartition("/")[0]
        if image in images:
            pairs[name] = image
    return pairs


def _only(found: list[tuple[bool, str]]) -> str:
    """Return the one key of a defective image, or else of a good one; "" of several."""
    defective = [key for good, key in found if not good]
    keys = defective or [key for _, key in found]
    return keys[0] if len(keys) == 1 else ""


def marked(masks: Sequence[Sequence[Path]]) -> list[bool | UserError]:
    """Return whether the masks of each image mark anything, or why that is not known.

    Masks are read once a process.
    """
    with ThreadPoolExecutor() as pool:
        return list(pool.map(_is_marked, masks))


def _is_marked(masks: Sequence[Path]) -> bool | UserError:
    try:
        states = [(mask, mask.stat()) for mask in masks]
        return any(_any(mask, x.st_size, x.st_mtime_ns) for mask, x in states)
    except UserError as error:
        return error
    except OSError as error:
        return UserError(f"cannot read its mask: {error.strerror}")


@cache
def _any(mask: Path, size: int, time: int) -> bool:
    return bool(read_mask(mask).any())


def check_size(image: Path, mask: Path) -> None:
    """Raise `UserError` for a mask of another size or length than its image."""
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


def parts_of(path: Path) -> list[Path]:
    """Return the slices of a volume; of one that cannot be read, itself.

    `check_readable` then reports it, together with others.
    """
    try:
        return slices(path)
    except UserError:
        return [path]


def with_masks(
    path: Path, kind: str, masks: Iterable[Path]
) -> Iterator[tuple[Path, str, tuple[Path, ...]]]:
    """Yield path, class and masks of an image, or of each slice of a volume.

    A slice in which no mask marks anything is good, whatever its volume.
    """
    images, masks = parts_of(path), tuple(masks)
    if len(images) == 1 or not masks:
        yield from ((image, kind, masks) for image in images)
        return
    for image, *marks in zip(images, *map(slices, masks), strict=True):
        if any(read_mask(mask).any() for mask in marks):
            yield image, kind, tuple(marks)
        else:
            yield image, GOOD_CLASS, ()
