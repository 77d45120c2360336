"""`train.py` behind its command line: images in, model file out."""

import inspect
import logging
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

import methods
from methods.base import Method, StateError, TrainingImages
from methods.detector.detector import Detector
from methods.detector.model_file import load_model, save_model, unfitted
from methods.detector.records import TrainingRecord
from methods.detector.versions import versions
from processing.data.dataset import Category, check_readable, scan_category
from processing.data.image_set import ImageSet
from processing.data.labels import labels_of, relabelled, report_labels
from processing.data.scan import scan
from processing.data.sizes import Size, describe_sizes, is_squeezed, training_sizes
from processing.data.survey import report
from processing.data.table import Row
from processing.decoding.decode import to_float
from processing.errors import UsageError, UserError
from processing.preprocessing.preparation import Preparation
from processing.preprocessing.reference import learn, registrable
from processing.report import plots
from processing.report.overlays import picture_names

from .folds import leaving_out
from .run_folder import CHECKPOINT, TrainingRun
from .splitting import check_whole, defects_for, named, split

PREPARATION = {item.name for item in fields(Preparation)} - {"channels", "arrays"}

log = logging.getLogger(__name__)


def configure(
    name: str, options: Mapping[str, tuple[str, Any]], sizes: Sequence[Size] = ()
) -> Detector:
    """Return the unfitted method `name`, and its preparation, as a user asked for.

    Args:
        name: see `methods.get`.
        options: by parameter of the method's class, the flag that the user knows it
            by and its value; besides those of `Preparation`, but "color" ("grayscale"
            or "rgb") in place of its channels, and "validation" of the run.
        sizes: (h, w) of training images, which the size follows that is not given.

    Raises:
        UsageError: an option that the method does not have.
    """
    kind = methods.get(name)
    values = {key: value for key, (_, value) in options.items()}
    color = values.pop("color", None)
    values.pop("validation", None)  # of the run
    prepared = {key: values.pop(key) for key in PREPARATION if key in values}
    known = inspect.signature(kind).parameters
    for key in values:
        if key not in known:
            raise UsageError(f"{name} has no option {options[key][0]}")
    channels = {"grayscale": 1, "rgb": 3}[color or kind.color(values)]
    values["name"] = name
    if "size" not in prepared:
        prepared["size"] = _default_size(kind, values, prepared, sizes)
    preparation = Preparation(**prepared, channels=channels)
    values["image_shape"] = preparation.seen_shape
    return Detector(kind(**values), preparation)


def _default_size(
    kind: type[Method],
    values: Mapping[str, Any],
    prepared: Mapping[str, Any],
    sizes: Sequence[Size],
) -> Size:
    """Return the size that suits a method and its images, and report it."""
    square = kind.default_size((), values)
    size = square if "crop" in prepared else kind.default_size(sizes, values)
    if min(size) < prepared.get("tile", 0):
        size = square
    squeezed = sizes and is_squeezed(size, sizes)
    if squeezed or size != square:
        log.info(
            "size: %dx%d (height x width) for images of %s%s; --size sets another",
            *size,
            describe_sizes(sizes),
            ", which squeezes them" if squeezed else "",
        )
    return size


def start_run(
    folder: Path,
    method_name: str,
    options: Mapping[str, tuple[str, Any]],
    *,
    labels: Path | None = None,
    root: Path = Path("saved_models"),
    skip_unreadable: bool = False,
) -> tuple[TrainingRun, TrainingRecord]:
    """Check everything, split the good images, and create the run folder.

    Args:
        folder: of the category, or its table.
        method_name: see `methods.get`.
        options: see `configure`.
        labels: table that corrects the images and adds others.
        root: where the run folder goes.
        skip_unreadable: leave out files that cannot be decoded.

    Returns:
        The run and its record: what `resume` needs to train, JSON-able.
    """
    found = scan(folder)
    report(found, skip_unreadable)
    detector = configure(method_name, options, training_sizes(found.images))
    method = detector.method
    method.check()
    shape, seed = detector.image_shape, method.seed
    rows: dict[str, Row] = {}
    if labels:
        rows = labels_of(labels, found, "defective" in method.needs, skip_unreadable)
        report_labels(found, rows)
        found = relabelled(found, rows)
    category = scan_category(found, image_shape=shape, cache_bytes=0, seed=seed)
    good = check_readable(category.train, skip_unreadable)
    preparation = learn(detector.preparation, good)
    _, share = options.get("validation", ("", None))
    splits = split(method, registrable(good, preparation), category, share)
    if "defective" in method.needs:
        defective = defects_for(method, category)
        defective = check_readable(defective, skip_unreadable)
        check_whole(method.name, len(preparation.tiling))
        splits = replace(splits, defective=list(defective.names))
    splits = replace(splits, labels=rows)
    record = TrainingRecord(
        method=method_name,
        config=method.get_config(),
        preparation=preparation.config(),
        dataset=category.dataset,
        category=category.name,
        folder=str(folder.absolute()),
        options={key: value for key, (_, value) in options.items()},
        splits=splits,
        versions=versions(),
    )
    folder_name = methods.folder_name(method_name)
    parts = (category.dataset, category.name, folder_name, method.variant)
    return TrainingRun.start(root, parts, record, preparation.arrays)


def train_run(
    run: TrainingRun, record: TrainingRecord, *, inspect: bool = False
) -> Path:
    """Train in a run folder, from where it stopped if it did; return the model file.

    Of an update only the added images are learned from.
    """
    detector = unfitted(record, run.preparation(), run.folder)
    method = detector.method
    base, splits = record.updated_from, record.splits
    source = Path(record.folder), method.cache_bytes, splits.test, splits.labels
    category = detector.category(*source)
    learned = record.added if base and record.added else splits
    fit = named(category.train, learned.fit)
    validation = named(category.train, splits.validation)
    log.info("%d images to fit, %d to validate", len(fit), len(validation))
    log.info("run folder: %s", run.folder)
    if base:
        detector = _updated_from(Path(base), record)
        method = detector.method
    images = TrainingImages(
        detector.seen(fit),
        detector.seen(validation),
        **{
            need: detector.seen(named(_source(category, need), getattr(splits, need)))
            for need in method.needs
        },
    )
    try:
        (method.update if base else method.fit)(images, run)
    except StateError as error:
        raise UserError(f"{run.folder / CHECKPOINT} is damaged: {error}") from error
    path = finish(run, record, detector)
    if inspect:
        write_inspections(run.folder, detector, validation, category)
    return path


def _updated_from(model: Path, updated: TrainingRecord) -> Detector:
    """Return a model without the images that an update no longer has among its own."""
    detector, record = load_model(model)
    method: Any = detector.method
    if "known_defects" in updated.config:
        method.known_defects = updated.config["known_defects"]
    before, kept = record.splits, {*updated.splits.fit}
    out = [i for i, name in enumerate(before.fit) if name not in kept]
    if not out:
        return detector
    folder, caching = Path(record.folder), method.cache_bytes
    category = detector.category(folder, caching, before.test, before.labels)
    return leaving_out(detector, named(category.train, before.fit), out)


def _source(category: Category, need: str) -> ImageSet:
    """Return the images among which those are that a method needs."""
    if need == "shots":
        return category.train
    return category.defective if len(category.defective) else category.test


def finish(run: TrainingRun, record: TrainingRecord, detector: Detector) -> Path:
    """Write the model file and the plots of a training run, and end it."""
    method = detector.method
    record = replace(record, training={**record.training, **method.trained})
    path = run.folder / f"{methods.folder_name(record.method)}{method.file_suffix}.hdf5"
    save_model(path, detector, record)
    if method.history:
        plots.losses(run.folder / "loss_plot.png", method.history)
        plots.learning_rates(run.folder / "lr_schedule_plot.png", method.history)
    run.finish(record)
    return path


def write_inspections(
    folder: Path, detector: Detector, validation: ImageSet, category: Category
) -> None:
    """Write image, reconstruction and map of validation and test images."""
    limits: tuple[float, float] | None = None
    for part, images in (("val", validation), ("test", category.test)):
        names, start = picture_names(images.names), 0
        for judged in detector.judge(images):
            limits = limits or (0.0, 2 * float(np.quantile(judged.maps, 0.999)))
            good = detector.reconstruct(judged.views)
            for row, view in enumerate(judged.views):
                index = start + row
                plots.inspection(
                    folder / f"inspection_{part}" / f"{names[index]}_inspection.png",
                    view.geometry.restore(to_float(view.pixels)),
                    good[row] if good else None,
                    judged.maps[row],
                    f"{images.names[index]}   score {judged.scores[row]:.4g}",
                    limits,
                )
            start += len(judged.scores)
