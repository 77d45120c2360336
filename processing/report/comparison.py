"""The summary page of many runs: methods compared over categories."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from processing.files import write_text
from processing.metrics.names import METRICS

from .pages import render

COMPARED = ("image_auroc", "pixel_auroc", "aupro")  # a table of each

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Mean:
    """The mean of a method over the categories of a data set that it has."""

    value: float | None
    categories: int
    partial: bool


@dataclass(frozen=True)
class Comparison:
    """One metric of the methods on the categories of one data set.

    Attributes:
        metric: key in `METRICS`.
        dataset: name.
        methods: names of the columns.
        values: category -> a value, or None, for each method.
        means: of each method.
    """

    metric: str
    dataset: str
    methods: list[str]
    values: dict[str, list[float | None]]
    means: list[Mean]

    def best(self, category: str) -> float | None:
        """Return the highest value in a category, where there is a choice."""
        return _highest(self.values[category])

    @property
    def best_mean(self) -> float | None:
        """The highest of the means over all categories."""
        return _highest([None if mean.partial else mean.value for mean in self.means])


def _highest(values: Iterable[float | None]) -> float | None:
    """Return the highest of two or more values, at 3 decimals."""
    known = [round(value, 3) for value in values if value is not None]
    return max(known) if len(known) > 1 else None


def newest(rows: Sequence[Row]) -> list[Row]:
    """Return the newest run of each data set, category, method and variant.

    Of several decisions of one run it is the one made last, which comes last.
    """
    chosen: dict[tuple[str, ...], Row] = {}
    for row in sorted(rows, key=lambda row: row["trained"]):
        keys = ("dataset", "category", "method", "variant")
        chosen[tuple(row[key] for key in keys)] = row
    return list(chosen.values())


def best_models(rows: Sequence[Row]) -> list[Row]:
    """Return the row of the best model of each category, by its finetuning images.

    Test images take no part in the choice. Of equals it is the one that took the
    shortest time to train.
    """
    chosen: dict[tuple[str, str], Row] = {}
    for row in sorted(rows, key=_order):
        key = (row["dataset"], row["category"])
        if row["finetuning_score"] is not None and (
            key not in chosen or _merit(row) > _merit(chosen[key])
        ):
            chosen[key] = row
    return list(chosen.values())


def _merit(row: Row) -> tuple[float, float]:
    seconds = row["training_seconds"]
    return row["finetuning_score"], -math.inf if seconds is None else -seconds


def compare(rows: Sequence[Row], metric: str) -> list[Comparison]:
    """Return a comparison for each data set in which `metric` is defined."""
    compared = []
    for dataset in sorted({row["dataset"] for row in rows}):
        members = [row for row in newest(rows) if row["dataset"] == dataset]
        by_method = {(row["category"], method_of(row)): row[metric] for row in members}
        methods = sorted({method for _, method in by_method})
        values = {
            category: [by_method.get((category, method)) for method in methods]
            for category in sorted({category for category, _ in by_method})
        }
        if any(value is not None for value in by_method.values()):
            means = [_mean(column) for column in zip(*values.values(), strict=True)]
            compared.append(Comparison(metric, dataset, methods, values, means))
    return compared


def method_of(row: Row) -> str:
    """Return the name that a row's method goes by in a comparison."""
    return f"{row['method']} {row['variant']}"


def _order(row: Row) -> tuple[str, ...]:
    keys = ("dataset", "category", "method", "variant", "trained")
    return tuple(row[key] for key in keys)


def _mean(column: Sequence[float | None]) -> Mean:
    known = [value for value in column if value is not None]
    value = sum(known) / len(known) if known else None
    return Mean(value, len(known), len(known) < len(column))


def write_summary(
    path: Path, rows: Sequence[Row], failures: Sequence[tuple[str, str]]
) -> None:
    """Write the page.

    Args:
        path: of the page.
        rows: one for each model and decision: dataset, category, method, variant,
            trained (sortable), maps, images, every key of `METRICS`, finetuning_score
            and training_seconds, both perhaps None, model, and report, the report's
            path relative to the page.
        failures: model and error of each that could not be tested.
    """
    comparisons = {key: tables for key in COMPARED if (tables := compare(rows, key))}
    linked = [{**row, "url": quote(row["report"])} for row in sorted(rows, key=_order)]
    content = {
        "comparisons": comparisons,
        "rows": linked,
        "best": best_models(linked),
        "columns": ("score", *comparisons),
        "failures": failures,
        "metrics": METRICS,
        "written": datetime.now().strftime("%d %b %Y, %H:%M"),
    }
    write_text(path, render("summary.html", content))
