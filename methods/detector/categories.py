"""A model of several categories, seen as one of a single category."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from processing.data.dataset import category_names

from .detector import Detector
from .model_file import load_model, read_record
from .records import TrainingRecord

log = logging.getLogger(__name__)


def categories_in(model: Path, folder: Path | None) -> Sequence[Path | None]:
    """Return what `load_category` takes for `folder`, or for each category if none."""
    if folder:
        return [folder]
    return list(map(Path, read_record(model).categories)) or [None]


def load_category(
    model: Path, folder: Path | None = None
) -> tuple[Detector, TrainingRecord]:
    """Return the detector of a model, and its record, for one category.

    Args:
        model: the model file, of one category or of several.
        folder: of the category, or its table, where it is not where it was at training;
            of several, its name is enough.

    Raises:
        UsageError: a folder whose name is none of several categories.
    """
    detector, record = load_model(model)
    if record.categories:
        only = next(iter(record.categories)) if len(record.categories) == 1 else ""
        name = category_names(folder)[1] if folder else only
        record = record.of_category(name)
        detector.method.choose(name)
        log.info("category: %s", name)
        folder = folder if folder and folder.exists() else None
    return detector, replace(record, folder=str(folder or record.folder))
