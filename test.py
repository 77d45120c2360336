#!/usr/bin/env python3
"""Judge images with a trained and finetuned model."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from processing import command

if TYPE_CHECKING:
    from methods.testing import Report

SHOWN = 20  # unlabelled images in the printed table


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of test.py."""
    parser = command.parser(__doc__)
    images = command.add_model(parser, "model file that finetune.py was run on")
    add = images.add_argument
    help_ = "folder or file of new images; default: the category's test images"
    add("-d", "--input-dir", type=Path, metavar="IMAGES", help=help_)
    help_ = "category folder, if it is not where it was at training"
    add("--category", type=Path, metavar="FOLDER", help=help_)
    help_ = "category with train/good that a few-shot model is to know in the place of "
    help_ += "its own; the decision then comes from good images"
    add("--shots-from", type=Path, metavar="FOLDER", help=help_)
    models, help_ = Path("saved_models"), "where the model of --shots-from goes"
    add("--models", type=Path, default=models, metavar="FOLDER", help=help_)
    help_ = "judge the test images that finetuning used, too"
    add("--include-finetuning", action="store_true", help=help_)
    command.add_skip_unreadable(images)

    add = parser.add_argument_group("decision").add_argument
    add("-m", "--method", metavar="MAP", help="only decisions made on these maps")
    types, help_ = ("float64", "uint8"), "only decisions made on maps of this type"
    add("-t", "--dtype", choices=types, help=help_)

    add = command.add_results(parser).add_argument
    add("-s", "--save", action="store_true", help="write decided masks and overlays")
    return parser


def test(options: argparse.Namespace) -> None:
    """Judge the images and print a table."""
    from methods.backend import load_backend

    load_backend()
    from methods import testing

    settings = testing.Options(
        images=options.input_dir,
        save=options.save,
        kind=options.method,
        dtype=options.dtype,
        include_finetuning=options.include_finetuning,
        folder=options.category,
        results=options.results,
        skip_unreadable=options.skip_unreadable,
    )
    path = adapted(options) if options.shots_from else options.path
    if options.input_dir:
        print_verdicts(testing.predict(path, settings))
        return
    for report in testing.test(path, settings):
        print_figures(report)


def adapted(options: argparse.Namespace) -> Path:
    """Return the file of the model with the shots of another product."""
    from methods.adapting import adapt
    from methods.finetuning import Options

    decision = Options(
        kind=options.method,
        dtype=options.dtype or "float64",
        results=options.results,
        skip_unreadable=options.skip_unreadable,
    )
    return adapt(options.path, options.shots_from, options.models, decision)


def print_figures(report: "Report") -> None:
    """Print how well a labelled set was judged, by class and in all."""
    from rich.console import Console
    from rich.table import Table

    result, counts = report.result, report.result["confusion"]
    table = Table("class", "images", "called defective", "judged right")
    for name in dict.fromkeys(row["class"] for row in report.rows):
        rows = [row for row in report.rows if row["class"] == name]
        called = sum(row["verdict"] == "defective" for row in rows)
        right = sum(row["verdict"] == row["label"] for row in rows)
        share = f"{right} ({right / len(rows):.0%})"
        table.add_row(name, str(len(rows)), str(called), share)
    console = Console()
    console.print(table)
    print(
        f"decision: {result['method']} map > {result['threshold']:.4g} on at least "
        f"{result['min_area']} pixels (from {result['decided_by']})\n"
        f"found {counts['true_positives']} of "
        f"{counts['true_positives'] + counts['false_negatives']} defects, "
        f"{counts['false_positives']} false alarms on "
        f"{counts['false_positives'] + counts['true_negatives']} good images"
    )
    for key, label in (
        ("TPR", "TPR"),
        ("TNR", "TNR"),
        ("score", "balanced score"),
        ("image_auroc", "image AUROC"),
        ("pixel_auroc", "pixel AUROC"),
    ):
        value = result[key]
        print(f"{label:<15}{'undefined' if value is None else f'{value:.3f}'}")
    print(f"results: {report.folder}")


def print_verdicts(report: "Report") -> None:
    """Print the verdicts on unlabelled images."""
    from rich.console import Console
    from rich.table import Table

    table = Table("image", "verdict", "score", "defect area (pixels)")
    for row in report.rows[:SHOWN]:
        area = str(row["defect_area"])
        table.add_row(row["file"], row["verdict"], f"{row['score']:.3g}", area)
    Console().print(table)
    defective = sum(row["verdict"] == "defective" for row in report.rows)
    if len(report.rows) > SHOWN:
        print(f"... and {len(report.rows) - SHOWN} more in scores.csv")
    print(f"{defective} of {len(report.rows)} images are defective")
    print(f"results: {report.folder}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    options = command.parse(build_parser(), argv)
    return command.run(lambda: test(options), debug=options.debug)


if __name__ == "__main__":
    sys.exit(main())
