#!/usr/bin/env python3
"""Train a method on the good images of a category and write its model file."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from methods import METHODS
from methods.cli import method_options
from methods.cli import parser as command
from methods.cli.expansion import DEFAULT, expanded


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of train.py."""
    parser = command.parser(__doc__)
    run = parser.add_argument_group("run")
    add = run.add_argument
    help_ = "category folder with train/good, such as mvtec/capsule, or a folder of "
    help_ += "categories, to train them all; unified learns these in one model"
    add("-d", "--input-dir", type=Path, metavar="FOLDER", help=help_)
    name, help_ = (
        command.some_of(METHODS),
        f"one of {', '.join(METHODS)}, or several with commas in between; default: "
        f"{DEFAULT}",
    )
    add("-a", "--architecture", type=name, metavar="NAMES", help=help_)
    help_ = "go on with an interrupted run, with the options it was started with"
    add("--resume", type=Path, metavar="RUN_FOLDER", help=help_)
    help_ = "add the good images of -d to a trained model, in a new run folder"
    add("--update", type=Path, metavar="MODEL", help=help_)
    command.add_skip_unreadable(run)
    command.add_ray(run)
    help_ = "GPUs that share each batch; with JAX alone (KERAS_BACKEND=jax)"
    add("--devices", type=command.at_least(1), default=1, metavar="N", help=help_)
    method_options.add_method_options(parser)
    add = parser.add_argument_group("outputs").add_argument
    add("-i", "--inspect", action="store_true", help="write inspection pictures")
    models, help_ = Path("saved_models"), "where run folders go"
    add("--models", type=Path, default=models, metavar="FOLDER", help=help_)
    return parser


def train(options: argparse.Namespace) -> None:
    """Start or resume a run and say where its model is."""
    from methods.components.sharded_method import check_shared
    from methods.detector.categories import KNOWN
    from methods.engine.backend import use_devices
    from methods.pipeline.multi_category import start_several, train_several
    from methods.pipeline.run_folder import TrainingRun
    from methods.pipeline.training import start_run, train_run
    from methods.pipeline.updating import start_update
    from processing.data.dataset import scan_dataset

    use_devices(options.devices)
    if options.resume:
        run, record = TrainingRun.resume(options.resume)
        check_shared(record["method"], options.ray)
    elif options.update:
        run, record = start_update(
            options.update,
            options.input_dir,
            root=options.models,
            skip_unreadable=options.skip_unreadable,
        )
    else:
        (method,) = options.architecture
        check_shared(method, options.ray)
        categories = scan_dataset(options.input_dir)
        start: Callable = start_several if categories else start_run
        run, record = start(
            categories or options.input_dir,
            method,
            method_options.given(options),
            root=options.models,
            skip_unreadable=options.skip_unreadable,
        )
    run.cluster = options.ray
    train_ = train_several if KNOWN in record else train_run
    with run.alone():
        path = train_(run, record, inspect=options.inspect)
    print(f"model: {path}\nnext:  python3 finetune.py -p {path}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = build_parser()
    runs = expanded(parser, argv)
    options = [parser.parse_args(run) for run in runs]
    first = options[0]
    if not first.input_dir and not first.resume:
        parser.error("the following arguments are required: -d/--input-dir")
    if first.update and (first.architecture or method_options.given(first)):
        parser.error("--update keeps the method of the model and its options")

    def work() -> None:
        from methods.engine.backend import load_backend

        load_backend()
        if len(runs) == 1:
            train(first)
        else:
            from methods.pipeline.sweeps import train_all

            train_all(Path(__file__), runs, parser.parse_args)

    return command.run(work, debug=first.debug)


if __name__ == "__main__":
    sys.exit(main())
