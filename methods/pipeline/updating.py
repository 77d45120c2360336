"""`train.py --update`: more good images for a trained model."""

import filecmp
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path

from methods.detector.detector import Detector
from methods.detector.model_file import read_unfitted
from methods.detector.records import Splits, TrainingRecord
from methods.detector.versions import versions
from processing.data.dataset import category_folder, check_readable, scan_images
from processing.data.image_set import ImageSet
from processing.data.scan import is_category, is_part
from processing.data.splits import VALIDATION, split_validation
from processing.data.survey import report
from processing.decoding.medical import file_of
from processing.errors import UsageError, UserError
from processing.preprocessing.reference import registrable

from .run_folder import TrainingRun

log = logging.getLogger(__name__)


def start_update(
    model: Path,
    folder: Path,
    *,
    root: Path = Path("saved_models"),
    skip_unreadable: bool = False,
) -> tuple[TrainingRun, TrainingRecord]:
    """Find the images of `folder` that a model lacks and create the run folder.

    The model's share of them joins the validation images; the old splits stay. Images
    that lie outside of the model's category are recorded by their absolute path.

    Args:
        model: the model file, which stays as it is.
        folder: a category with train/good, or a folder of good images.
        root: where the run folder goes.
        skip_unreadable: leave out files that cannot be decoded.

    Returns:
        The run and its record for `train_run`.
    """
    detector, record = read_unfitted(model)
    if not detector.method.updatable:
        raise UsageError(f"{record.method} cannot take in images later: train it anew")
    good = _good_images(folder, detector, record, skip_unreadable)
    new = _unknown(good, record, folder)
    new = check_readable(new, skip_unreadable)
    new = registrable(new, detector.preparation)
    names = _names(new, record, folder)
    added = Splits(fit=[*names], validation=[])
    if len(names) > 1:
        seed = detector.method.seed
        share = (record.options or {}).get("validation", VALIDATION)
        fit, validation = split_validation(
            len(names), share, seed=seed, groups=new.groups
        )
        added = Splits(
            fit=[names[i] for i in fit], validation=[names[i] for i in validation]
        )
    record = replace(
        record,
        splits=replace(
            record.splits,
            fit=record.splits.fit + added.fit,
            validation=record.splits.validation + added.validation,
        ),
        added=added,
        updated_from=str(model.absolute()),
        versions=versions(),
    )
    parts = tuple(record.run.split("/")[:-1])
    return TrainingRun.start(root, parts, record, detector.preparation.arrays)


def _good_images(
    source: Path, detector: Detector, record: TrainingRecord, skip_unreadable: bool
) -> ImageSet:
    """Return the training images of a category or, in no known layout, all images."""
    laid_out = not source.is_dir() or is_category(source)
    if not laid_out and not any(map(is_part, source.iterdir())):
        shape = detector.method.image_shape
        return scan_images(source, shape, 0, skip_unreadable)
    own = source.absolute() == Path(record.folder)
    test = record.splits.test if own else ()
    category = detector.category(source, 0, test)
    report(category.scan, skip_unreadable)
    return category.train


def _unknown(good: ImageSet, record: TrainingRecord, folder: Path) -> ImageSet:
    """Return the images that are not in the model, neither by path nor by content."""
    by_size: dict[int, set[Path]] = defaultdict(set)
    for name in record.splits.fit + record.splits.validation:
        path = category_folder(Path(record.folder)) / name  # or `name`, if absolute
        path = file_of(path)
        if path.is_file():
            by_size[path.stat().st_size].add(path)
    known = {path: _among(path, by_size) for path in set(good.files)}
    new = [i for i, path in enumerate(good.files) if not known[path]]
    log.info("%d new images, %d in the model already", len(new), len(good) - len(new))
    if not new:
        raise UserError(
            f"all {len(good)} images of {folder} are in the model already: expected "
            "new ones"
        )
    return good.subset(new)


def _among(path: Path, by_size: Mapping[int, Set[Path]]) -> bool:
    others = by_size.get(path.stat().st_size, ())
    return any(filecmp.cmp(path, other, shallow=False) for other in others)


def _names(images: ImageSet, record: TrainingRecord, folder: Path) -> Sequence[str]:
    """Return what the record calls the images."""
    if folder.absolute() == Path(record.folder):
        return images.names
    return [str(path) for path in images.paths]
