"""`test.py --shots-from`: a few-shot model for another product, without training."""

import logging
from dataclasses import replace
from pathlib import Path

from processing.calibration import Rule
from processing.dataset import check_readable
from processing.errors import UsageError, UserError

from .finetuning import Options, finetune
from .runs import TrainingRun
from .several import KNOWN
from .shots import ShotMethod
from .storage import load_model, save_model
from .training import versions

VALIDATION = 32  # good images that the decision is made from, at most

log = logging.getLogger(__name__)


def adapt(model: Path, folder: Path, models: Path, options: Options) -> Path:
    """Give a model the shots of another product, and a decision; return its file.

    Everything learned from defects stays. The decision comes from good images of the
    product that are not remembered.

    Args:
        model: the model file, which stays as it is.
        folder: category of the product: train/good with more images than shots.
        models: where the new model's run folder goes.
        options: of the decision.

    Raises:
        UsageError: the model has no shots.
        UserError: too few good images.
    """
    detector, record = load_model(model)
    method = detector.method
    if not isinstance(method, ShotMethod):
        raise UsageError(f"--shots-from: {record['method']} remembers no shots")
    category = detector.category(folder, cache_bytes=0)
    good = check_readable(category.train, options.skip_unreadable)
    if len(good) <= method.shots:
        raise UserError(
            f"{folder}/train/good needs more than {method.shots} images: these to "
            f"remember, and others to decide from. Received: {len(good)}"
        )
    drawn = set(method.support(len(good)).tolist())
    others = [i for i in range(len(good)) if i not in drawn][:VALIDATION]
    shots, validation = good.subset(sorted(drawn)), good.subset(others)
    method.remember(detector.seen(shots), detector.seen(validation))
    record.pop(KNOWN, None)  # other categories were forgotten
    record = {
        **record,
        "dataset": category.dataset,
        "category": category.name,
        "folder": str(folder.absolute()),
        "splits": {
            "fit": list(shots.names),
            "shots": list(shots.names),
            "validation": list(validation.names),
        },
        "adapted_from": str(model.absolute()),
        "versions": versions(),
    }
    parts = (category.dataset, category.name, record["method"], method.variant)
    run, record = TrainingRun.start(models, parts, record, detector.preparation.arrays)
    path = run.folder / model.name
    save_model(path, detector, record)
    run.finish(record)
    log.info("model: %s", path)
    finetune(path, replace(options, rule=options.rule or Rule(), folder=folder))
    return path
