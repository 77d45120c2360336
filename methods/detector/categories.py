"""A model of several categories, seen as one of a single category."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from processing.errors import UsageError

from .detector import Detector
from .model_file import load_model, read_record

log = logging.getLogger(__name__)

KNOWN = "categories"  # key of a record: folder and splits of each, by name


def categories_in(model: Path, folder: Path | None) -> Sequence[Path | None]:
    """Return what `load_category` takes for `folder`, or for each category if none."""
    return (
        [folder]
        if folder
        else list(map(Path, read_record(model).get(KNOWN, ()))) or [None]
    )


def load_category(
    model: Path, folder: Path | None = None
) -> tuple[Detector, dict[str, Any]]:
    """Return the detector of a model, and its record, for one category.

    Args:
        model: the model file, of one category or of several.
        folder: the category, where it is not where it was at training; of several, its
            name is enough.

    Raises:
        UsageError: a folder whose name is none of several categories.
    """
    detector, record = load_model(model)
    if KNOWN in record:
        only = next(iter(record[KNOWN])) if len(record[KNOWN]) == 1 else ""
        name = folder.name if folder else only
        record = _record_of(record, name)
        detector.method.choose(name)
        log.info("category: %s", name)
        folder = folder if folder and folder.is_dir() else None
    return detector, {**record, "folder": str(folder or record["folder"])}


def views(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the record of a model as if it knew one category alone, for each."""
    return [_record_of(record, name) for name in record.get(KNOWN, ())] or [record]


def _record_of(record: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the record of several categories as if its model knew one alone."""
    categories = record[KNOWN]
    if name not in categories:
        raise UsageError(
            "the model knows several categories: expected --category (of finetune.py, "
            f"-d) with one of {', '.join(categories)}. Received: {name or 'none'}"
        )
    dataset, _, *rest = record["run"].split("/")
    view = {key: value for key, value in record.items() if key != KNOWN}
    run = "/".join((dataset, name, *rest))
    return {**view, "category": name, "run": run, **categories[name]}
