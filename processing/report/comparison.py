"""The summary page of many runs: methods compared over categories."""

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from processing.files import write_text
from processing.metrics.names import METRICS
from processing.wording import count, metric

from .pages import render

COMPARED = ("image_auroc", "pixel_auroc", "aupro")  # a table of each

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Mean:
    """The mean of a method over the categories of a data set that it has.

    Attributes:
        value: None where no category has one.
        categories: how many it is over.
        partial: whether other methods have more.
        deviation: of the means of the seeds, if there are several.
    """

    value: float | None
    categories: int
    partial: bool
    deviation: float | None = None


@dataclass(frozen=True)
class Comparison:
    """One metric of the methods on the categories of one data set.

    Attributes:
        metric: key in `METRICS`.
        dataset: name.
        methods: names of the columns: method, variant, and the options that differ.
        values: category -> a value, the mean over seeds, or None, for each method.
        means: of each method.
        deviations: category -> the standard deviation over seeds, or None for less
            than two of them, for each method.
    """

    metric: str
    dataset: str
    methods: list[str]
    values: dict[str, list[float | None]]
    means: list[Mean]
    deviations: dict[str, list[float | None]]

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
    """Return the newest run of each data set, category, method, variant and seed.

    Variants differ in their options, too. Of several decisions of one run it is the one
    made last, which comes last.
    """
    chosen: dict[tuple[Any, ...], Row] = {}
    for row in sorted(rows, key=lambda row: row["trained"]):
        keys = ("dataset", "category", "method", "variant", "options", "seed")
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
        seeds: dict[tuple[str, str], dict[Any, float]] = {}
        members = [row for row in newest(rows) if row["dataset"] == dataset]
        for row in members:
            found = seeds.setdefault((row["category"], method_of(row)), {})
            if row[metric] is not None:
                found[row["seed"]] = row[metric]
        methods = sorted({method for _, method in seeds})
        categories = sorted({category for category, _ in seeds})
        columns = [[seeds.get((x, name), {}) for x in categories] for name in methods]
        if any(seeds.values()):
            values = [[mean(x.values()) for x in column] for column in columns]
            spreads = [[deviation(x.values()) for x in column] for column in columns]
            compared.append(
                Comparison(
                    metric,
                    dataset,
                    methods,
                    _by_category(categories, values),
                    [*map(_mean, values, columns)],
                    _by_category(categories, spreads),
                )
            )
    return compared


def _by_category(
    categories: Sequence[str], columns: Sequence[Sequence[float | None]]
) -> dict[str, list[float | None]]:
    rows = zip(*columns, strict=True)
    return {x: list(row) for x, row in zip(categories, rows, strict=True)}


def mean(values: Iterable[float]) -> float | None:
    """Return the mean, None of nothing."""
    known = list(values)
    return sum(known) / len(known) if known else None


def deviation(values: Iterable[float]) -> float | None:
    """Return the standard deviation of a sample, None of less than two values."""
    known = list(values)
    return statistics.stdev(known) if len(known) > 1 else None


def over_seeds(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return mean and deviation of all metrics over the seeds of each variant."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    keys = ("dataset", "category", "method", "variant", "options")
    for row in newest(rows):
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    table = []
    for names, members in sorted(groups.items()):
        line: dict[str, Any] = {**dict(zip(keys, names, strict=True))}
        line["seeds"] = len(members)
        for key in METRICS:
            known = [row[key] for row in members if row[key] is not None]
            line |= {key: mean(known), f"{key}_sd": deviation(known)}
        table.append(line)
    return table


def lines(rows: Sequence[Row]) -> Iterator[str]:
    """Yield a line of text for each metric and method: its mean over categories."""
    for key in COMPARED:
        for table in compare(rows, key):
            every = count(len(table.values), "category", "categories")
            for method, found in zip(table.methods, table.means, strict=True):
                value = metric(found.value)
                if found.deviation is not None:
                    value += f" ± {metric(found.deviation)}"
                yield (
                    f"{METRICS[key].name:<12} {value:<14} {table.dataset}: {method} "
                    f"({found.categories} of {every})"
                )


def method_of(row: Row) -> str:
    """Return the name that a row's method goes by in a comparison."""
    return f"{row['method']} {row['variant']} {row['options']}".rstrip()


def _order(row: Row) -> tuple[str, ...]:
    keys = ("dataset", "category", "method", "variant", "options", "trained")
    return tuple(row[key] for key in keys)


def _mean(values: Sequence[float | None], seeds: Sequence[Mapping[Any, float]]) -> Mean:
    """Return the mean over categories of `values`, each a mean over `seeds`."""
    known = [value for value in values if value is not None]
    there = [x for x in seeds if x]
    shared = set.intersection(*map(set, there)) if there else set()
    of_seeds = [sum(x[seed] for x in there) / len(there) for seed in shared]
    partial = len(known) < len(values)
    return Mean(mean(known), len(known), partial, deviation(of_seeds))


def write_summary(
    path: Path, rows: Sequence[Row], failures: Sequence[tuple[str, str]]
) -> None:
    """Write the page.

    Args:
        path: of the page.
        rows: one for each model and decision: dataset, category, method, variant,
            options (those that differ, as text), seed, trained (sortable), maps,
            images, every key of `METRICS`, in_place, finetuning_score and
            training_seconds, all perhaps None, model, and report, the report's path
            relative to the page.
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
