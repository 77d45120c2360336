#!/usr/bin/env python3
"""Train a method on the good images of a category and write its model file."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from methods import METHODS
from methods import options as method_options
from methods.diffusion import original
from processing import command

DEFAULT = "mvtecCAE"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of train.py."""
    parser = command.parser(__doc__)
    run = parser.add_argument_group("run")
    add = run.add_argument
    help_ = "category folder with train/good, such as mvtec/capsule; of unified, or a "
    help_ += "folder of them, such as mvtec"
    add("-d", "--input-dir", type=Path, metavar="FOLDER", help=help_)
    name, help_ = (
        command.one_of(METHODS),
        f"one of {', '.join(METHODS)}; default: {DEFAULT}",
    )
    add("-a", "--architecture", type=name, metavar="NAME", help=help_)
    help_ = "go on with an interrupted run, with the options it was started with"
    add("--resume", type=Path, metavar="RUN_FOLDER", help=help_)
    help_ = "add the good images of -d to a trained model, in a new run folder"
    add("--update", type=Path, metavar="MODEL", help=help_)
    command.add_skip_unreadable(run)
    method_options.add_method_options(parser)
    add = parser.add_argument_group("outputs").add_argument
    add("-i", "--inspect", action="store_true", help="write inspection pictures")
    models, help_ = Path("saved_models"), "where run folders go"
    add("--models", type=Path, default=models, metavar="FOLDER", help=help_)
    return parser


def train(options: argparse.Namespace) -> None:
    """Start or resume a run and say where its model is."""
    from methods.backend import load_backend

    load_backend()
    from methods.runs import TrainingRun
    from methods.several import KNOWN, start_several, train_several
    from methods.training import start_run, train_run
    from methods.updating import start_update
    from processing.dataset import scan_dataset

    if options.resume:
        run, record = TrainingRun.resume(options.resume)
    elif options.update:
        run, record = start_update(
            options.update,
            options.input_dir,
            root=options.models,
            skip_unreadable=options.skip_unreadable,
        )
    else:
        categories = scan_dataset(options.input_dir)
        start: Callable = start_several if categories else start_run
        run, record = start(
            categories or options.input_dir,
            options.architecture or DEFAULT,
            method_options.given(options),
            root=options.models,
            skip_unreadable=options.skip_unreadable,
        )
    train_ = train_several if KNOWN in record else train_run
    path = train_(run, record, inspect=options.inspect)
    print(f"model: {path}\nnext:  python3 finetune.py -p {path}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = build_parser()
    options = command.parse(parser, argv, original.options)
    if not options.input_dir and not options.resume:
        parser.error("the following arguments are required: -d/--input-dir")
    if options.update and (options.architecture or method_options.given(options)):
        parser.error("--update keeps the method of the model and its options")
    return command.run(lambda: train(options), debug=options.debug)


if __name__ == "__main__":
    sys.exit(main())
