"""Write a fitted method as one graph, from images to maps and scores."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from methods.detector.export import SUFFIXES, export

from .parser import (
    add_decision,
    add_model,
    add_own_methods,
    new_parser,
    parse,
    run_command,
)
from .paths import check_export


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of `python3 -m methods.export`."""
    parser = new_parser("Write a trained model as a graph for other programs.")
    model = add_model(parser, "model file that train.py wrote")
    help_ = "of a model of several categories: the one to judge"
    model.add_argument("--category", metavar="NAME", help=help_)
    add_own_methods(model)
    add_decision(model)
    add = parser.add_argument_group("outputs").add_argument
    add("-f", "--format", choices=sorted(SUFFIXES), default="onnx", help="kind of file")
    help_ = "file to write; default: beside the model"
    add("-o", "--output", type=Path, metavar="FILE", help=help_)
    results, help_ = Path("results"), "where finetune.py put its decisions"
    add("--results", type=Path, default=results, metavar="FOLDER", help=help_)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    options = parse(build_parser(), argv)

    def work() -> None:
        check_export(options)
        from methods.engine.backend import load_backend

        load_backend()
        path, difference = export(
            options.path,
            options.format,
            options.output,
            results=options.results,
            category=options.category,
            decision=options.decision,
        )
        print(f"graph: {path}\nmaps differ by {difference:.1e} of the largest value")

    return run_command(work, debug=options.debug)
