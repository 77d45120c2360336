"""`test.py` on a folder of models: judge with each, and compare them in tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from methods.detector.model_file import read_record
from methods.detector.records import TrainingRecord
from processing.errors import UserError
from processing.files import write_table
from processing.metrics.names import METRICS
from processing.report.comparison import write_summary
from processing.report.report import REPORT

from .completed import CompletedTest, tests
from .testing import Options

NAME = "summary"


def summarise(
    models: Sequence[Path], options: Options, failures: Sequence[tuple[str, str]]
) -> Path:
    """Write tables of the tests of models; return the path of the page.

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
    write_table(options.results / f"{NAME}.csv", rows)
    path = options.results / f"{NAME}.html"
    write_summary(path, rows, failures)
    return path


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
    }
