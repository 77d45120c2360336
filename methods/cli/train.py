"""Train a method on the good images of a category and write its model file."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import methods
from methods import METHODS

from . import method_options
from .expansion import DEFAULT, expand_runs
from .method_help import MethodHelp
from .parser import (
    Interrupted,
    add_ray,
    add_skip_unreadable,
    at_least,
    command_line,
    method_names,
    new_parser,
    run_command,
    show_messages,
)
from .paths import check_training, check_trainings, program
from .terminal import prepare_output, say


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of train.py."""
    parser = new_parser(__doc__, MethodHelp)
    run = parser.add_argument_group("run")
    add = run.add_argument
    help_ = "category folder, such as mvtec/capsule with train/good, or labels.csv, or "
    help_ += "a folder of categories, to train them all; unified learns these in one "
    help_ += "model"
    add("-d", "--input-dir", type=Path, metavar="FOLDER", help=help_)
    help_ = f"one of {', '.join(METHODS)}, or package.module:Class of your own, or "
    help_ += f"several with commas in between; default: {DEFAULT}"
    add("-a", "--architecture", type=method_names, metavar="NAMES", help=help_)
    help_ = "go on with an interrupted run, with the options it was started with"
    add("--resume", type=Path, metavar="RUN_FOLDER", help=help_)
    help_ = "add the good images of -d, or of --labels, to a trained model, in a new "
    help_ += "run folder"
    add("--update", type=Path, metavar="MODEL", help=help_)
    help_ = (
        "table of images that are good or defective, whatever their folder says, as "
    )
    help_ += "reports write it: good ones join the training, defective ones leave it"
    add("--labels", type=Path, metavar="FILE", help=help_)
    add_skip_unreadable(run)
    add_ray(run)
    help_ = "GPUs that share each batch; with JAX alone (KERAS_BACKEND=jax)"
    add("--devices", type=at_least(1), default=1, metavar="N", help=help_)
    method_options.add_method_options(parser)
    add = parser.add_argument_group("outputs").add_argument
    add("-i", "--inspect", action="store_true", help="write inspection pictures")
    models, help_ = Path("saved_models"), "where run folders go"
    add("--models", type=Path, default=models, metavar="FOLDER", help=help_)
    return parser


def train(options: argparse.Namespace) -> None:
    """Start or resume a run and say where its model is."""
    from methods.components.sharded_method import check_shared
    from methods.engine.backend import use_devices
    from methods.pipeline import multi_category, training
    from methods.pipeline.run_folder import TrainingRun
    from methods.pipeline.updating import start_update
    from processing.data.dataset import scan_dataset

    use_devices(options.devices)
    if options.resume:
        run, record = TrainingRun.resume(options.resume)
        methods.recorded(record.method, run.folder)
        check_shared(record.method, options.ray)
    elif options.update:
        run, record = start_update(
            options.update,
            options.input_dir,
            labels=options.labels,
            known_defects=options.known_defects,
            root=options.models,
            skip_unreadable=options.skip_unreadable,
        )
    else:
        (method,) = options.architecture
        check_shared(method, options.ray)
        categories = scan_dataset(options.input_dir)
        pipeline = multi_category if categories else training
        labels = {"labels": options.labels} if options.labels else {}
        run, record = pipeline.start_run(
            categories or options.input_dir,
            method,
            method_options.given(options),
            root=options.models,
            skip_unreadable=options.skip_unreadable,
            **labels,
        )
    run.cluster = options.ray
    pipeline = multi_category if record.categories else training
    try:
        with run.alone():
            path = pipeline.train_run(run, record, inspect=options.inspect)
    except KeyboardInterrupt as error:
        raise Interrupted(*resuming(run.folder, record.method, options)) from error
    say(f"model: {path}")
    say(f"next:  {command_line('finetune.py', '-p', str(path))}")


def resuming(folder: Path, method: str, options: argparse.Namespace) -> Iterator[str]:
    """Yield the command line that goes on with a run, for `Interrupted`."""
    from methods.pipeline.run_folder import INFO

    if (folder / INFO).exists():  # it was finished
        return
    yield from ("train.py", "--resume", str(folder))
    if method not in METHODS:
        yield from ("-a", method)
    if options.ray:
        yield f"--ray={options.ray}"
    if options.devices > 1:
        yield f"--devices={options.devices}"
    if options.inspect:
        yield "-i"


def train_runs(
    runs: Sequence[Sequence[str]], parsed: Sequence[argparse.Namespace]
) -> None:
    """Run each of `runs`, command lines and what they were parsed to, on its own."""
    from methods.pipeline.sweeps import TrainingCommand, train_all

    commands = [
        TrainingCommand(
            arguments,
            options.input_dir,
            options.architecture[0],
            method_options.given(options),
            options.models,
            options.inspect,
        )
        for arguments, options in zip(runs, parsed, strict=True)
    ]
    train_all(program("train"), commands, parsed[0].ray)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    prepare_output()
    parser = build_parser()
    show_messages()
    runs = expand_runs(parser, argv)
    options = [parser.parse_args(run) for run in runs]
    first = options[0]
    if not first.input_dir and not first.resume and not (first.update and first.labels):
        parser.error("the following arguments are required: -d/--input-dir")
    ours = [name for name in first.architecture or () if name in METHODS]
    if first.update and (
        ours or method_options.given(first).keys() - {"known_defects"}
    ):
        parser.error("--update keeps the method of the model and its options")
    if first.labels and (first.resume or len(runs) > 1):
        parser.error("--labels is for one new run")

    def work() -> None:
        if len(runs) == 1:
            check_training(first)
        else:
            check_trainings(options)
        from methods.engine.backend import load_backend

        load_backend()
        if len(runs) == 1:
            train(first)
        else:
            train_runs(runs, options)

    again = command_line("train.py", *(sys.argv[1:] if argv is None else argv))
    return run_command(work, debug=first.debug, again=again)
