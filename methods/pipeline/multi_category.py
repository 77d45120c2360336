"""One model of several categories: its training, and its view of one of them."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import methods
from methods.base import TrainingImages
from methods.detector.model_file import unfitted
from methods.detector.records import CategoryRecord, TrainingRecord
from methods.detector.versions import versions
from processing.data.dataset import category_names, check_readable, scan_category
from processing.data.labels import labels_of, relabelled, report_labels
from processing.data.scan import scan
from processing.data.sizes import training_sizes
from processing.data.survey import report
from processing.data.table import Row
from processing.errors import UsageError

from .run_folder import TrainingRun
from .splitting import named, split
from .training import configure, finish

MULTI_CATEGORY = "several"  # in the place of the category, in the path of a run

log = logging.getLogger(__name__)


def start_run(
    folders: list[Path],
    method_name: str,
    options: Mapping[str, tuple[str, Any]],
    *,
    root: Path = Path("saved_models"),
    skip_unreadable: bool = False,
    labels: Path | None = None,
) -> tuple[TrainingRun, TrainingRecord]:
    """As `training.start_run`, for categories in `folders`, all of one data set.

    Labels are for the category in whose folder their image lies.

    Raises:
        UsageError: a method that learns one category, or a preparation that is learned
            from the images of one.
    """
    scans = [scan(folder) for folder in folders]
    for found in scans:
        report(found, skip_unreadable)
    images = [image for found in scans for image in found.images]
    detector = configure(method_name, options, training_sizes(images))
    method, preparation = detector.method, detector.preparation
    names = [category_names(folder) for folder in folders]
    choices = ", ".join(name for _, name in names)
    if not method.multi_category:
        raise UsageError(
            f"{method_name} learns one category: expected -a unified, or -d with one "
            f"of {choices}"
        )
    if preparation.register or preparation.mask:
        raise UsageError(
            "--register and --mask are learned from one category: expected -d with one "
            f"of {choices}"
        )
    method.check()
    _, share = options.get("validation", ("", None))
    categories = {}
    for folder, found, (_, name) in zip(folders, scans, names, strict=True):
        shape, seed = detector.image_shape, method.seed
        rows: dict[str, Row] = {}
        if labels:
            skip = skip_unreadable
            rows = labels_of(labels, found, skip_unreadable=skip, several=True)
            report_labels(found, rows)
            found = relabelled(found, rows)
        category = scan_category(found, image_shape=shape, cache_bytes=0, seed=seed)
        good = check_readable(category.train, skip_unreadable)
        splits = replace(split(method, good, category, share), labels=rows)
        folder = folder.absolute()
        categories[name] = CategoryRecord(folder=str(folder), splits=splits)
    record = TrainingRecord(
        method=method_name,
        config=method.get_config(),
        preparation=preparation.config(),
        dataset=names[0][0],
        categories=categories,
        options={key: value for key, (_, value) in options.items()},
        versions=versions(),
    )
    folder_name = methods.folder_name(method_name)
    parts = (names[0][0], MULTI_CATEGORY, folder_name, method.variant)
    return TrainingRun.start(root, parts, record, preparation.arrays)


def train_run(
    run: TrainingRun, record: TrainingRecord, *, inspect: bool = False
) -> Path:
    """As `training.train_run`, for several categories."""
    if inspect:
        raise UsageError("-i is for a run of one category")
    detector = unfitted(record, {}, run.folder)
    method = detector.method
    images = {}
    for name, category in record.categories.items():
        splits, folder = category.splits, Path(category.folder)
        known = splits.test, splits.labels
        good = detector.category(folder, method.cache_bytes, *known).train
        parts = (
            named(good, names)
            for names in (splits.fit, splits.validation, splits.shots)
        )
        images[name] = TrainingImages(*map(detector.seen, parts))
    log.info("%d categories: %s", len(images), ", ".join(images))
    log.info("run folder: %s", run.folder)
    method.fit_categories(images, run)
    return finish(run, record, detector)
