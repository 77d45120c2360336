"""What finetune.py and test.py print, and classification.txt holds."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from processing.errors import UserError
from processing.metrics.image_metrics import ROUNDS
from processing.metrics.localisation import in_words
from processing.metrics.names import METRICS as METRICS
from processing.wording import printable

from .terminal import say

if TYPE_CHECKING:
    from methods.detector.records import TrainingRecord
    from methods.detector.results import FinetuningResult, TestResult
    from methods.pipeline.reporting import JudgedSet

NAMES = {key: metric.name for key, metric in METRICS.items()}
CLASS_METRICS = {key: NAMES[key] for key in ("image_auroc", "pixel_auroc", "aupro")}
MAX_ROWS = 20  # unlabelled images in the printed table


def print_metrics(judged: "JudgedSet") -> None:
    """Print how well a labelled set was judged, by class and in all."""
    result, counts = judged.result, judged.result.confusion
    _print_table(class_table(result))
    print(
        f"decision: {result.kind} map > {result.threshold:.4g} on at least "
        f"{result.min_area} pixels (from {result.decided_by})\n"
        f"found {counts['true_positives']} of "
        f"{counts['true_positives'] + counts['false_negatives']} defects, "
        f"{counts['false_positives']} false alarms on "
        f"{counts['false_positives'] + counts['true_negatives']} good images"
    )
    if where := in_words(result.localisation):
        print(f"where: {where}")
    if judged.hint:
        say(f"hint:  {judged.hint}")
    for line in metric_lines(result):
        say(line)
    say(f"results: {judged.folder}")


def _print_table(table: Table) -> None:
    """Print a table whose cells are text, whatever rich would take for its markup."""
    Console(markup=False, highlight=False, emoji=False).print(table)


def class_table(result: "TestResult") -> Table:
    """Return a row for each class: how many were called defective, and its metrics."""
    table = Table()
    table.add_column("class", overflow="fold")
    for name in ("images", "called defective", *CLASS_METRICS.values()):
        table.add_column(name, justify="right")
    for name, of_class in result.classes.items():
        images, called = of_class["images"], of_class["called_defective"]
        metrics = [_number(of_class.get(key), "") for key in CLASS_METRICS]
        share = f"{called} ({called / images:.0%})"
        table.add_row(printable(name), f"{images}", share, *metrics)
    return table


def metric_lines(result: "TestResult") -> list[str]:
    """Return a line for each metric, and what is to be said of them."""
    intervals, lines = result.intervals_95, []
    for key, label in NAMES.items():
        low, high = intervals.get(key, (None, None))
        interval = "" if low is None else f" [{low:.3f}, {high:.3f}]"
        lines.append(
            f"{label:<15}{_number(getattr(result, key), 'undefined')}{interval}"
        )
    if intervals:
        lines.append(f"[ ]: 95 % of {ROUNDS:,} draws of the images (bootstrap)")
    if any(low == high for low, high in intervals.values()):
        lines.append(
            "one value twice: no draw differed, which does not make it certain"
        )
    return lines + undefined_lines(result.undefined)


def undefined_lines(undefined: Mapping[str, str]) -> list[str]:
    """Return a line for each reason, with all metrics that are undefined for it."""
    labels: dict[str, list[str]] = {}
    for key, reason in undefined.items():
        name, _, metric = key.rpartition("/")
        label = NAMES[metric]
        labels.setdefault(reason, []).append(f"{label} of {name}" if name else label)
    return [f"undefined, {reason}: {', '.join(x)}" for reason, x in labels.items()]


def _number(value: float | None, otherwise: str) -> str:
    return otherwise if value is None else f"{value:.3f}"


def print_verdicts(judged: "JudgedSet") -> None:
    """Print the verdicts on unlabelled images."""
    table = Table()
    table.add_column("image", overflow="fold")
    for name in ("verdict", "score", "defect area (pixels)"):
        table.add_column(name)
    for row in judged.rows[:MAX_ROWS]:
        area = str(row["defect_area"])
        name, score = printable(row["file"]), f"{row['score']:.3g}"
        table.add_row(name, row["verdict"], score, area)
    _print_table(table)
    defective = sum(row["verdict"] == "defective" for row in judged.rows)
    if len(judged.rows) > MAX_ROWS:
        print(f"... and {len(judged.rows) - MAX_ROWS} more in scores.csv")
    print(f"{defective} of {len(judged.rows)} images are defective")
    say(f"results: {judged.folder}")


def print_decision(result: "FinetuningResult") -> None:
    """Print what was decided, how well it does, and what it promises."""
    if result.goal:
        print(f"goal:         {result.goal}")
    print(f"minimum area: {result.min_area} pixels")
    print(f"threshold:    {result.threshold:.4g}  ({result.kind} map)")
    if result.score_interval:
        low, high = result.score_interval
        print(
            f"score:        {result.score:.3f}  (TPR {result.TPR:.3f}, TNR "
            f"{result.TNR:.3f}; 95 % interval {low:.3f} to {high:.3f}, on "
            f"{len(result.finetuning_files)} images)"
        )
    else:
        print(f"decided by:   {result.source}")
    for line in promise_lines(result):
        print(line)


def print_decisions(
    record: "TrainingRecord", results: Path, kind: str | None, dtype: str | None
) -> None:
    """Print the decisions of a model for such maps, the newest last.

    Lines that fit a narrow terminal, with names that can be copied.
    """
    from methods.detector.decisions import in_force, read_results

    if record.category:
        say(f"{record.category}:")
    decisions = read_results(record, results, kind, dtype)
    used = None
    try:
        _, used = in_force(record, results, read_results(record, results, None, None))
    except UserError as error:
        say(f"in force: none, {error}")
    for folder, result in decisions:
        chosen = " (in force)" if used and result.name == used.name else ""
        created = result.created[: len("2026-01-31T12:00")].replace("T", " ")
        say(f"{folder.name}{chosen}")
        say(f"    {result.goal or result.source}")
        say(
            f"    threshold {result.threshold:.4g}, minimum area {result.min_area}"
            f"{created and f', made {created}'}"
        )
        if result.promise:
            say(f"    {result.promise.in_words()}")


def promise_lines(result: "FinetuningResult") -> list[str]:
    """Return what a decision keeps, and what binds it, in words."""
    promise = result.promise
    if not promise:
        return []
    lines = [
        f"false alarms: {promise.false_alarms} of {promise.good_images} good images; "
        f"at most {promise.false_alarm_bound:.3g} of all, with 95 % confidence"
    ]
    if promise.defective_images:
        lines.append(
            f"misses:       {promise.misses} of {promise.defective_images} defective "
            f"images; at most {promise.miss_bound:.3g} of all, with 95 % confidence"
        )
    if promise.kept is False and promise.asked:
        conformal = result.calibration and result.calibration.name == "conformal"
        without = "" if conformal else " without one"
        lines.append(
            f"not kept:     {promise.asked:g} takes {promise.needed} images{without}"
        )
    if result.labels:
        lines.append(
            f"labelled:     {result.labels}: rates and bounds are those of images "
            "chosen like these"
        )
    highest = [f"{name} ({score:.4g})" for name, score in result.binding.items()]
    if highest:
        lines.append(f"highest good: {', '.join(map(printable, highest))}")
    return lines
