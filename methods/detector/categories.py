"""A model of several categories, seen as one of a single category."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from methods.base import Method
from methods.engine.backend import load_backend
from processing.data.dataset import category_names
from processing.errors import UserError

from .detector import Detector
from .kept import Kept
from .later import Later
from .model_file import load_model, read_preparation, unfitted
from .records import TrainingRecord
from .runtime import on_runtime
from .settings import KERAS

log = logging.getLogger(__name__)


def categories_in(record: TrainingRecord, folder: Path | None) -> Sequence[Path | None]:
    """Return what `load_category` takes for `folder`, or for each category if none."""
    if folder:
        return [folder]
    return list(map(Path, record.categories)) or [None]


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
    chosen = _chosen(record, folder)
    if record.categories:
        _choose(detector.method, chosen.category, model)
    return detector, chosen


def load_kept(
    model: Path, folder: Path | None, results: Path, runtime: str = KERAS
) -> tuple[Detector, TrainingRecord, Kept]:
    """As `load_category`, but what is kept in `results` need not be loaded.

    Keras is imported, and networks are loaded, once something is to be judged that is
    not among what is kept, which is the last that is returned. In another runtime they
    are not, once that has its graph; see `GraphMethod`.
    """
    whole, learned = read_preparation(model)
    record = _chosen(whole, folder)
    kept = Kept.of(record, results)

    def load() -> Method:
        load_backend()
        detector, now = load_model(model)
        if now.categories:
            now = now.of_category(record.category)
            _choose(detector.method, record.category, model)
        if now.id != record.id:
            raise UserError(f"{model} became another model meanwhile: start again")
        return detector.method

    method = on_runtime(Later.of(kept, load), runtime, kept)
    return unfitted(whole, learned, model, method), record, kept


def _choose(method: Method, category: str, model: Path) -> None:
    """Let a method know a category, which its model file may not hold."""
    try:
        method.choose(category)
    except KeyError as error:
        raise UserError(f"{model} is damaged: it lacks /arrays/{error}") from error


def _chosen(record: TrainingRecord, folder: Path | None) -> TrainingRecord:
    """Return a record as of a single category, with the folder where that is."""
    if record.categories:
        only = next(iter(record.categories)) if len(record.categories) == 1 else ""
        name = category_names(folder)[1] if folder else only
        record = record.of_category(name)
        log.info("category: %s", name)
        folder = folder if folder and folder.exists() else None
    return replace(record, folder=str(folder or record.folder))
