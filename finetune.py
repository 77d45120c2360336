#!/usr/bin/env python3
"""Find the minimum defect area and the threshold of a trained model."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from processing import command


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of finetune.py."""
    parser = command.parser(__doc__)
    images = command.add_model(parser, "model file that train.py wrote")
    help_ = "category folder, if it is not where it was at training"
    images.add_argument("-d", "--input-dir", type=Path, metavar="FOLDER", help=help_)
    command.add_skip_unreadable(images)

    add = parser.add_argument_group("decision").add_argument
    help_ = "residual maps; default: ssim, or l2 for a model trained with that loss"
    add("-m", "--method", choices=("ssim", "l2"), help=help_)
    types, help_ = ("float64", "uint8"), "search the maps as they are or on 256 steps"
    add("-t", "--dtype", choices=types, default="float64", help=help_)
    help_ = "do not count regions that touch the image border"
    add("--clear-border", action="store_true", help=help_)
    help_ = "the original's raw maps, grid of thresholds and areas, and border rule"
    add("--legacy", action="store_true", help=help_)
    command.add_results(parser)
    return parser


def finetune(options: argparse.Namespace) -> None:
    """Find the decision and print it."""
    from methods.backend import load_backend

    load_backend()
    from methods import finetuning

    folder, result = finetuning.finetune(
        options.path,
        finetuning.Options(
            kind=options.method,
            dtype=options.dtype,
            clear_border=options.clear_border,
            legacy=options.legacy,
            folder=options.input_dir,
            results=options.results,
            skip_unreadable=options.skip_unreadable,
        ),
    )
    print(f"minimum area: {result['best_min_area']} pixels")
    print(f"threshold:    {result['best_threshold']:.4g}  ({result['method']} map)")
    if result["best_score"] is not None:
        low, high = result["score_interval_95"]
        print(
            f"score:        {result['best_score']:.3f}  (TPR {result['TPR']:.3f}, TNR "
            f"{result['TNR']:.3f}; 95 % interval {low:.3f} to {high:.3f}, on "
            f"{len(result['finetuning_files'])} images)"
        )
    print(f"results: {folder}\nnext:    python3 test.py -p {options.path} -s")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    options = command.parse(build_parser(), argv)
    return command.run(lambda: finetune(options), debug=options.debug)


if __name__ == "__main__":
    sys.exit(main())
