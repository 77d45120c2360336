"""`test.py --shots-from`: a few-shot model for another product, without training."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np

import methods
from methods.detector.detector import Detector
from methods.detector.model_file import load_model, save_model
from methods.detector.records import Splits
from methods.detector.versions import versions
from methods.engine.augmentation import Augmentation
from processing.data.dataset import check_readable
from processing.data.image_set import ImageSet
from processing.data.survey import report
from processing.decision.calibration import Rule
from processing.decoding.decode import to_float, to_uint8
from processing.errors import UsageError
from processing.report.overlays import write_png

from .finetuning import Options, finetune
from .run_folder import TrainingRun
from .splitting import check_others

VALIDATION = 32  # good images that the decision is made from, at most
VIEWS = 8  # of each shot, where there are no other images

log = logging.getLogger(__name__)


def transfer(model: Path, folder: Path, models: Path, options: Options) -> Path:
    """Give a model the shots of another product, and a decision; return its file.

    Everything learned from defects stays. The decision comes from good images of the
    product that are not remembered; where there are none, from views of the shots,
    moved a little as `Augmentation` does, which are kept in the run folder.

    Args:
        model: the model file, which stays as it is.
        folder: category of the product: train/good with as many images as shots.
        models: where the new model's run folder goes.
        options: of the decision.

    Raises:
        UsageError: the model has no shots.
        UserError: too few good images.
    """
    detector, record = load_model(model)
    method = detector.method
    if "shots" not in method.needs:
        raise UsageError(f"--shots-from: {method.name} remembers no shots")
    category = detector.category(folder, cache_bytes=0)
    report(category.scan, options.skip_unreadable)
    good = check_readable(category.train, options.skip_unreadable)
    test = list(category.test.names) if category.drawn else []
    drawn = set(method.support(len(good)).tolist())
    others = [i for i in range(len(good)) if i not in drawn][:VALIDATION]
    if detector.preparation.span:
        check_others(folder, len(good), len(drawn))
    shots, validation = good.subset(sorted(drawn)), good.subset(others)
    names = list(shots.names)
    valid = list(validation.names)
    splits = Splits(fit=names, shots=names, validation=valid, test=test)
    record = replace(
        record,
        dataset=category.dataset,
        category=category.name,
        categories={},  # others were forgotten
        folder=str(folder.absolute()),
        splits=splits,
        adapted_from=str(model.absolute()),
        versions=versions(),
    )
    name = methods.folder_name(record.method)
    parts = (category.dataset, category.name, name, method.variant)
    run, record = TrainingRun.start(models, parts, record, detector.preparation.arrays)
    if not others:
        views = augmented_views(run.folder / "views", shots, detector)
        validation = shots.with_good(views).subset(range(-len(views), 0))
        splits = replace(splits, validation=list(validation.names))
        record = replace(record, splits=splits)
    method.remember(detector.seen(shots), detector.seen(validation))
    path = run.folder / model.name
    save_model(path, detector, record)
    run.finish(record)
    log.info("model: %s", path)
    finetune(path, replace(options, rule=options.rule or Rule(), folder=folder))
    return path


def augmented_views(folder: Path, shots: ImageSet, detector: Detector) -> list[Path]:
    """Write each shot rotated, shifted and brightened a little; return the files."""
    move = Augmentation(seed=detector.method.seed)
    paths: list[Path] = []
    for path in shots.paths:
        picture = to_float(detector.preparation.picture(path))
        for _ in range(VIEWS):
            (view,) = np.asarray(move(picture[None], training=True))
            paths.append((folder / f"{len(paths):03d}.png").absolute())
            write_png(paths[-1], to_uint8(view))
    return paths
