"""Photos as Python has them: to train and decide from as a table, or to be judged.

Arrays to train from become PNG files, which lose nothing, one at a time: all that is
learned from goes the way of the command line's images, and none needs to be in memory.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from methods.detector.judge import Judge, Verdict
from processing.data.dataset import unlabelled
from processing.data.ground_truth import GOOD_CLASS
from processing.data.scan import DEFECTIVE
from processing.data.tree import TEST, TRAIN, is_good
from processing.decoding.decode import array_pixels
from processing.errors import UsageError, shortened
from processing.files import write_table
from processing.report.overlays import write_png

AT_ONCE = 16  # photos that are judged together
EXPECTED = "expected paths, or uint8 photos (n, h, w) or (n, h, w, c)"
COLUMNS = ["path", "label", "split", "mask"]

Row: TypeAlias = Mapping[str, str]


class Sized(Protocol):
    """What photos can be asked for one by one, such as a list or a lazy data set."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any, /) -> Any: ...


Photos: TypeAlias = str | os.PathLike[str] | NDArray[Any] | Sized


def is_path(photos: Any) -> bool:
    """Return whether photos, or a photo, are named by a path."""
    return isinstance(photos, str | os.PathLike)


def check_photos(photos: Any) -> None:
    """Raise `UsageError` for what holds no photos, such as a path or one photo."""
    sized = hasattr(photos, "__len__") and hasattr(photos, "__getitem__")
    if is_path(photos) or not sized:
        received = photos if is_path(photos) else type(photos).__name__
        raise UsageError(f"{EXPECTED}. Received: {received}")
    shape = np.shape(photos) if isinstance(photos, np.ndarray) else (0, 0, 0)
    single = len(shape) == 3 and shape[-1] in (1, 3, 4)
    if single or len(shape) not in (3, 4):
        raise UsageError(f"{EXPECTED}; of one photo, photo[None]. Received: {shape}")


def rows_of(
    photos: Sized, y: Any, masks: Any, folder: Path, learned: bool
) -> list[Row]:
    """Return the rows of a table of photos, and write those that are arrays.

    Args:
        photos: paths or arrays.
        y: 0 or "good", 1 or a kind of defect, for each; None if all are good.
        masks: for each a path, an array (h, w) or None; None without any.
        folder: where arrays are written.
        learned: whether the method learns from defects: others are kept to decide from.

    Raises:
        UsageError: photos, labels or masks that are none.
    """
    check_photos(photos)
    count = len(photos)
    kinds = [GOOD_CLASS] * count if y is None else _kinds(y, count)
    if masks is not None and len(masks) != count:
        raise UsageError(f"expected {count} masks. Received: {len(masks)}")
    rows: list[Row] = []
    for index, kind in enumerate(kinds):
        photo = photos[index]
        if not is_path(photo):
            photo = _written(folder / f"{index:06}.png", _pixels(photo, index))
        mask = None if masks is None else masks[index]
        if mask is not None and not is_path(mask):
            marked = 255 * (np.asarray(mask) > 0).astype(np.uint8)
            mask = _written(folder / f"masks/{index:06}.png", marked)
        row = {"path": os.path.abspath(photo), "label": kind}
        row["split"] = TRAIN if learned or is_good(kind) else TEST
        row["mask"] = "" if mask is None else os.path.abspath(mask)
        rows.append(row)
    return rows


def written_table(rows: list[Row], folder: Path) -> Path:
    """Write the table of some photos and return its path."""
    path = folder / "labels.csv"
    write_table(path, rows, COLUMNS)
    return path


def _kinds(y: Any, count: int) -> list[str]:
    """Return "good" or a kind of defect for each of so many labels."""
    labels = y.tolist() if hasattr(y, "tolist") else list(y)
    if len(labels) != count:
        raise UsageError(f"expected {count} labels in y. Received: {len(labels)}")
    wrong = [x for x in labels if not (isinstance(x, str) and x) and x not in (0, 1)]
    if wrong:
        raise UsageError(
            "y: expected 0 or good, 1 or a kind of defect. "
            f"Received: {shortened(repr(wrong[0]))}"
        )
    kinds = {0: GOOD_CLASS, 1: DEFECTIVE}
    return [x if isinstance(x, str) else kinds[int(x)] for x in labels]


def is_defective(y: Any, count: int) -> list[bool]:
    """Return for each of so many labels whether it is one of a defect."""
    return [not is_good(kind) for kind in _kinds(y, count)]


def _pixels(photo: Any, index: int) -> NDArray[Any]:
    """Return a photo in memory, (h, w, 1) grey or (h, w, 3) RGB."""
    try:
        grey = np.ndim(photo) == 2 or np.shape(photo)[-1:] == (1,)
        return array_pixels(photo, channels=1 if grey else 3)
    except UsageError as error:
        raise UsageError(f"photo {index}: {error}") from error
    except ValueError as error:  # of lists that are no arrays
        received = type(photo).__name__
        raise UsageError(
            f"photo {index}: expected a path or an array. Received: {received}"
        ) from error


def _written(path: Path, pixels: NDArray[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_png(path, pixels)
    return path


def verdicts(judge: Judge, photos: Photos) -> Iterator[Verdict]:
    """Yield the verdict on each photo, in order, a few in memory at a time.

    Args:
        judge: of a model.
        photos: a folder or an image file, paths, or arrays; see `array_pixels`.
    """
    if isinstance(photos, str | os.PathLike):
        yield from judge.judge(judge.detector.images(Path(photos)))
        return
    check_photos(photos)
    for start in range(0, len(photos), AT_ONCE):
        stop = min(start + AT_ONCE, len(photos))
        yield from _judged(judge, {i: photos[i] for i in range(start, stop)})


def _judged(judge: Judge, photos: dict[int, Any]) -> Iterator[Verdict]:
    """Return the verdicts on photos, by their index, which are paths or arrays."""
    paths = {f"photo {i}, {x}": Path(x) for i, x in photos.items() if is_path(x)}
    if not paths:
        arrays = [_pixels(photo, index) for index, photo in photos.items()]
        return judge.judge_arrays(arrays, AT_ONCE)
    images = unlabelled(paths, judge.detector.image_shape, cache_bytes=0)
    if len(images) != len(photos):
        raise UsageError(
            f"{EXPECTED}, of one kind and of one slice each. Received: "
            f"{', '.join(paths)}"
        )
    return judge.judge(images.prepared(judge.detector.preparation), AT_ONCE)
