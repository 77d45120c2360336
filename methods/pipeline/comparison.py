"""`test.py` on a folder of models: judge with each, and compare them in tables."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from methods.detector.model_file import read_record
from methods.detector.records import TrainingRecord
from processing.errors import UserError
from processing.files import remove_leftovers, write_table
from processing.metrics.names import METRICS
from processing.report.comparison import lines, over_seeds, write_summary
from processing.report.report import REPORT

from .completed import CompletedTest, tests
from .testing import Options
from .training import PREPARATION

NAME = "summary"
SEEDS = "summary_seeds"

log = logging.getLogger(__name__)


def summarise(
    models: Sequence[Path], options: Options, failures: Sequence[tuple[str, str]]
) -> Path:
    """Write tables of the tests of models, and log them; return the path of the page.

    Args:
        models: the model files.
        options: that they were tested with.
        failures: models that could not be tested, and why.
    """
    failed = {name for name, _ in failures}
    rows = []
    for model in models:
        if str(model) not in failed:
            for record in read_record(model).views:
                rows += [
                    _row(model, record, x, options) for x in tests(record, options)
                ]
    if not rows:
        reason = failures[0][1] if failures else "no results"
        raise UserError(
            f"none of {len(models)} models could be tested, the first: {reason}"
        )
    _label(rows)
    remove_leftovers(options.results, NAME)
    remove_leftovers(options.results, SEEDS)
    write_table(options.results / f"{NAME}.csv", rows)
    write_table(options.results / f"{SEEDS}.csv", over_seeds(rows))
    path = options.results / f"{NAME}.html"
    write_summary(path, rows, failures)
    for line in lines(rows):
        log.info("%s", line)
    return path


def _label(rows: Sequence[dict[str, Any]]) -> None:
    """Put text in the place of "options": those by which a variant's runs differ."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["method"], row["variant"]), []).append(row)
    for members in groups.values():
        values: dict[str, set[str]] = {}
        for row in members:  # of other versions some lack an option that others have
            for key, value in row["options"].items():
                values.setdefault(key, set()).add(json.dumps(value))
        differing = [key for key, found in values.items() if len(found) > 1]
        for row in members:
            row["options"] = _text({x: row["options"].get(x) for x in differing})


def _text(options: Mapping[str, Any]) -> str:
    """Return options as `size=64x64 pad`; those that were left alone are not named."""
    words = []
    for key, value in options.items():
        if isinstance(value, list):
            value = "x".join(map(str, value))
        if value is True:
            words.append(key)
        elif value not in (None, False):
            words.append(f"{key}={value}")
    return " ".join(words)


def _options(record: TrainingRecord) -> dict[str, Any]:
    """Return what a run was asked for, or has as the default of its method.

    The seed is none of them. A default of the preparation is None: it may follow from
    the images.
    """
    prepared = dict.fromkeys(("color", *sorted(PREPARATION)))
    settings = {**prepared, **record.config, **(record.options or {})}
    for key in ("name", "image_shape", "seed"):
        settings.pop(key, None)
    derived = {"update": bool(record.updated_from), "shots_from": record.adapted_from}
    return settings | derived


def _row(
    model: Path, record: TrainingRecord, test: CompletedTest, options: Options
) -> dict[str, Any]:
    """Return a row of the tables; `report` is relative to the summary."""
    folder, result, finetuned = test
    dataset, category, method, *variant, _ = record.run.split("/")
    return {
        "dataset": dataset,
        "category": category,
        "method": method,
        "variant": "/".join(variant),
        "trained": str(record.started),
        "maps": folder.name,
        "images": result.images,
        **{key: getattr(result, key) for key in METRICS},
        "in_place": result.localisation.get("in_place_rate"),
        # With those images among the judged ones it would be a metric of the test.
        "finetuning_score": None if options.include_finetuning else finetuned.score,
        "training_seconds": record.training.get("seconds"),
        "min_area": result.min_area,
        "threshold": result.threshold,
        "decided_by": result.decided_by,
        "model": str(model),
        "report": (folder / REPORT).relative_to(options.results).as_posix()
        if options.report
        else "",
        "options": _options(record),
        "seed": record.config.get("seed"),
    }
