"""`test.py` on a folder of models: judge with each, and compare them in tables."""

import logging
from datetime import datetime
from pathlib import Path
from typing import Any

import keras

from processing.command import one_line
from processing.errors import UserError
from processing.pages import FIGURES, figure
from processing.report import REPORT
from processing.summary import write_summary

from .runs import write_table
from .testing import Options, Report, test

NAME = "summary"
STAMP = "%d-%m-%Y_%H-%M-%S"  # of run folders; what follows makes them unique

log = logging.getLogger(__name__)


def summarise(folder: Path, options: Options) -> tuple[Path, list[tuple[str, str]]]:
    """Judge the test images with every model below a folder.

    A model that fails does not stop the others.

    Returns:
        The path of the summary, and (model, error) of the models that failed.
    """
    models = [p for p in sorted(folder.rglob("*.hdf5")) if not p.name.startswith(".")]
    if not models:
        raise UserError(f"no model files (*.hdf5) in {folder} and the folders below it")
    rows: list[dict[str, Any]] = []
    failures = []
    for number, model in enumerate(models, start=1):
        log.info("%d/%d %s", number, len(models), model)
        try:
            reports = test(model, options)
            rows += [_row(report, options) for report in reports]
        except Exception as error:
            log.info("  failed: %s", one_line(error))
            failures.append((str(model), one_line(error)))
        else:
            for report in reports:
                log.info("  %s", _line(report))
        keras.utils.clear_session()  # or every network stays in memory
    if not rows:
        raise UserError(
            f"none of {len(models)} models in {folder} could be tested, the first: "
            f"{failures[0][1]}"
        )
    write_table(options.results / f"{NAME}.csv", rows)
    path = options.results / f"{NAME}.html"
    write_summary(path, rows, failures)
    return path, failures


def _row(report: Report, options: Options) -> dict[str, Any]:
    """Return a row of the tables; `report` is relative to the summary."""
    result = report.result
    report_path = (report.folder / REPORT).relative_to(options.results)
    dataset, category, method, *variant, stamp = report_path.parts[:-3]
    return {
        "dataset": dataset,
        "category": category,
        "method": method,
        "variant": "/".join(variant),
        "trained": str(datetime.strptime(stamp[:19], STAMP)),
        "maps": report.folder.name,
        "images": result["images"],
        **{key: result[key] for key in FIGURES},
        "min_area": result["min_area"],
        "threshold": result["threshold"],
        "decided_by": result["decided_by"],
        "model": result["model"],
        "report": report_path.as_posix() if options.report else "",
    }


def _line(report: Report) -> str:
    shown = ("image_auroc", "pixel_auroc", "aupro", "score")
    figures = (f"{FIGURES[key].name} {figure(report.result[key])}" for key in shown)
    return f"{report.folder.name}: {', '.join(figures)}"
