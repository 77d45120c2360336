"""`train.py --update`: more good images for a trained model, and labels of others."""

import filecmp
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path

from methods.base import Method
from methods.detector.detector import Detector
from methods.detector.model_file import read_unfitted
from methods.detector.records import Splits, TrainingRecord
from methods.detector.versions import versions
from processing.data.dataset import category_folder, check_readable, scan_images
from processing.data.ground_truth import GOOD_CLASS
from processing.data.image_set import ImageSet
from processing.data.labels import labels_of, relabelled, report_labels
from processing.data.scan import Scan, is_category, is_part, scan
from processing.data.splits import VALIDATION, split_validation
from processing.data.survey import report
from processing.data.table import Row
from processing.data.tree import DRAWN, TEST, TRAIN
from processing.decoding.medical import file_of
from processing.errors import UsageError, UserError
from processing.preprocessing.reference import registrable
from processing.wording import count

from .run_folder import TrainingRun
from .splitting import check_whole, defects_for

SHARE = "known_defects"  # the one option that an update can change

log = logging.getLogger(__name__)


def start_update(
    model: Path,
    folder: Path | None,
    *,
    labels: Path | None = None,
    known_defects: float | None = None,
    root: Path = Path("saved_models"),
    skip_unreadable: bool = False,
) -> tuple[TrainingRun, TrainingRecord]:
    """Find the good images that a model lacks and create the run folder.

    The model's share of them joins the validation images; the old splits stay, but for
    what a table labels as defective. Images that lie outside of the model's category
    are recorded by their absolute path.

    Args:
        model: the model file, which stays as it is.
        folder: a category with train/good, or a folder of good images; None for those
            of the table alone.
        labels: table of images that are good, or not.
        known_defects: share of a method that has this option; None for the model's own.
        root: where the run folder goes.
        skip_unreadable: leave out files that cannot be decoded.

    Returns:
        The run and its record for `train_run`.
    """
    detector, record = read_unfitted(model)
    method, before = detector.method, record
    if known_defects is not None:
        record = replace(record, config={**record.config, SHARE: known_defects})
        setattr(method, SHARE, known_defects)
    if not method.updatable:
        raise UsageError(f"{record.method} cannot take in images later: train it anew")
    source, splits = Path(record.folder), record.splits
    if labels:
        found = known_images(record)
        rows = labels_of(labels, found, "defective" in method.needs, skip_unreadable)
        report_labels(found, rows)
        splits = corrected(method, splits, rows)
    splits = replace(splits, defective=[])
    if "defective" in method.needs:
        category = detector.category(source, 0, splits.test, splits.labels)
        defective = check_readable(defects_for(method, category), skip_unreadable)
        check_whole(record.method, len(detector.preparation.tiling))
        splits = replace(splits, defective=list(defective.names))
    changed = replace(splits, labels=before.splits.labels) != before.splits
    changed |= record.config != before.config
    record = replace(
        record,
        splits=splits,
        added=Splits(fit=[], validation=[]),
        updated_from=str(model.absolute()),
        versions=versions(),
    )
    if labels:
        good = detector.category(source, 0, splits.test, splits.labels).train
        good = good.subset(i for i, x in enumerate(good.names) if _file(x) in rows)
        record = _adding(record, good, source, detector, skip_unreadable)
    if folder:
        good = _good_images(folder, detector, record, skip_unreadable)
        record = _adding(record, good, folder, detector, skip_unreadable)
    if not changed and not record.splits.fit[len(splits.fit) :]:
        raise UserError(
            f"all {len(good)} images of {folder or labels} are in the model already: "
            "expected new ones"
        )
    parts = tuple(record.run.split("/")[:-1])
    return TrainingRun.start(root, parts, record, detector.preparation.arrays)


def known_images(record: TrainingRecord) -> Scan:
    """Return the category of a model, with the images that came from elsewhere."""
    splits = record.splits
    names = map(_file, splits.fit + splits.validation)
    good = {"label": GOOD_CLASS, "split": TRAIN}
    others = {name: good for name in names if Path(name).is_absolute()}
    return relabelled(scan(Path(record.folder)), {**others, **splits.labels})


def corrected(method: Method, splits: Splits, rows: Mapping[str, Row]) -> Splits:
    """Return the splits of a model without what new labels take out of them.

    Raises:
        UsageError: a method that cannot leave out what it has learned from.
        UserError: no images are left to fit, or to validate.
    """
    labels = {**splits.labels, **rows}
    bad = {name for name, row in labels.items() if row["label"] != GOOD_CLASS}
    moved = {name for name, row in labels.items() if row["split"] not in (TEST, DRAWN)}
    fit, validation = (
        [name for name in names if _file(name) not in bad]
        for names in (splits.fit, splits.validation)
    )
    out = [name for name in splits.fit if _file(name) in bad]
    if out and type(method).without is Method.without:
        raise UsageError(
            f"{method.name} cannot leave out again what it has learned from, "
            f"{count(len(out), 'image')} labelled as defective ({out[0]}): train it "
            "anew with --labels"
        )
    if not fit or not validation:
        raise UserError(
            "no good images are left to fit or to validate: expected fewer that are "
            "labelled as defective, or train it anew"
        )
    test = [name for name in splits.test if _file(name) not in moved]
    return replace(splits, fit=fit, validation=validation, test=test, labels=labels)


def _file(name: str) -> str:
    """Return the name of an image's file: that of its volume for a slice."""
    return file_of(Path(name)).as_posix()


def _adding(
    record: TrainingRecord,
    good: ImageSet,
    folder: Path,
    detector: Detector,
    skip_unreadable: bool,
) -> TrainingRecord:
    """Return the record with those of some good images of a folder that are new."""
    new = check_readable(_unknown(good, record), skip_unreadable)
    new = registrable(new, detector.preparation)
    names, fit, validation = _names(new, record, folder), [*range(len(new))], []
    if len(names) > 1:
        share = (record.options or {}).get("validation", VALIDATION)
        seed = detector.method.seed
        parts = split_validation(len(names), share, seed=seed, groups=new.groups)
        fit, validation = ([*map(int, part)] for part in parts)

    def extended(splits: Splits) -> Splits:
        return replace(
            splits,
            fit=splits.fit + [names[i] for i in fit],
            validation=splits.validation + [names[i] for i in validation],
        )

    added = record.added or Splits(fit=[], validation=[])
    return replace(record, splits=extended(record.splits), added=extended(added))


def _good_images(
    source: Path, detector: Detector, record: TrainingRecord, skip_unreadable: bool
) -> ImageSet:
    """Return the training images of a category or, in no known layout, all images."""
    laid_out = not source.is_dir() or is_category(source)
    if not laid_out and not any(map(is_part, source.iterdir())):
        shape = detector.method.image_shape
        return scan_images(source, shape, 0, skip_unreadable)
    own = source.absolute() == Path(record.folder)
    known = (record.splits.test, record.splits.labels) if own else ()
    category = detector.category(source, 0, *known)
    report(category.scan, skip_unreadable)
    return category.train


def _unknown(good: ImageSet, record: TrainingRecord) -> ImageSet:
    """Return the images that are not in the model, neither by path nor by content.

    Those that are labelled as defective are taken for known, too.
    """
    splits, by_size = record.splits, defaultdict[int, set[Path]](set)
    bad = [x for x, row in splits.labels.items() if row["label"] != GOOD_CLASS]
    for name in splits.fit + splits.validation + bad:
        path = category_folder(Path(record.folder)) / name  # or `name`, if absolute
        path = file_of(path)
        if path.is_file():
            by_size[path.stat().st_size].add(path)
    known = {path: _among(path, by_size) for path in set(good.files)}
    new = [i for i, path in enumerate(good.files) if not known[path]]
    log.info("%d new images, %d in the model already", len(new), len(good) - len(new))
    return good.subset(new)


def _among(path: Path, by_size: Mapping[int, Set[Path]]) -> bool:
    others = by_size.get(path.stat().st_size, ())
    return any(filecmp.cmp(path, other, shallow=False) for other in others)


def _names(images: ImageSet, record: TrainingRecord, folder: Path) -> Sequence[str]:
    """Return what the record calls the images."""
    if folder.absolute() == Path(record.folder):
        return images.names
    return [str(path) for path in images.paths]
