#!/usr/bin/env python3
"""Judge images with a trained and finetuned model."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from processing import command


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of test.py."""
    parser = command.parser(__doc__)
    images = command.add_model(parser, "model file that finetune.py was run on")
    add = images.add_argument
    help_ = "folder or file of new images; default: the category's test images"
    add("-d", "--input-dir", type=Path, metavar="IMAGES", help=help_)
    help_ = "category folder, if it is not where it was at training"
    add("--category", type=Path, metavar="FOLDER", help=help_)
    help_ = "judge the test images that finetuning used, too"
    add("--include-finetuning", action="store_true", help=help_)
    command.add_skip_unreadable(images)

    add = parser.add_argument_group("decision").add_argument
    add("-m", "--method", metavar="MAP", help="only decisions made on these maps")
    types, help_ = ("float64", "uint8"), "only decisions made on maps of this type"
    add("-t", "--dtype", choices=types, help=help_)

    add = command.add_results(parser).add_argument
    help_ = "figures of pixels from all scores, kept in memory, instead of bins"
    add("--exact", action="store_true", help=help_)
    add("-s", "--save", action="store_true", help="write decided masks and overlays")
    return parser


def test(options: argparse.Namespace) -> None:
    """Judge the images and print a table."""
    from methods.backend import load_backend

    load_backend()
    from methods import tables, testing

    settings = testing.Options(
        images=options.input_dir,
        save=options.save,
        kind=options.method,
        dtype=options.dtype,
        include_finetuning=options.include_finetuning,
        folder=options.category,
        results=options.results,
        skip_unreadable=options.skip_unreadable,
        exact=options.exact,
    )
    if options.input_dir:
        tables.print_verdicts(testing.predict(options.path, settings))
        return
    for report in testing.test(options.path, settings):
        tables.print_figures(report)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    options = command.parse(build_parser(), argv)
    return command.run(lambda: test(options), debug=options.debug)


if __name__ == "__main__":
    sys.exit(main())
