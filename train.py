#!/usr/bin/env python3
"""Train a method on the good images of a category and write its model file."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from methods import METHODS
from processing import command

CHANNELS = {"ssim": 1, "mssim": 3, "l2": 1}  # unless -c says otherwise


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of train.py."""
    parser = command.parser(__doc__)
    images = parser.add_argument_group("images")
    add = images.add_argument
    help_ = "category folder with train/good, such as mvtec/capsule"
    add("-d", "--input-dir", type=Path, metavar="FOLDER", help=help_)
    help_ = "default: rgb for the mssim loss, grayscale for the others"
    add("-c", "--color", choices=("grayscale", "rgb"), help=help_)
    positive = command.at_least(1)
    help_ = "side in pixels that images are resized to"
    add("--size", type=positive, default=256, metavar="N", help=help_)
    command.add_skip_unreadable(images)

    add = parser.add_argument_group("method").add_argument
    name, help_ = command.one_of(METHODS), f"one of {', '.join(METHODS)}"
    add(
        "-a",
        "--architecture",
        type=name,
        default="mvtecCAE",
        metavar="NAME",
        help=help_,
    )
    name, help_ = command.one_of(CHANNELS), f"one of {', '.join(CHANNELS)}"
    add("-l", "--loss", type=name, default="ssim", metavar="NAME", help=help_)
    help_ = "values of the code; default: the architecture's own number"
    add("--latent", type=positive, metavar="N", help=help_)
    sigma, help_ = command.at_least(0, float), "blur of the anomaly maps; 0 for none"
    add("--sigma", type=sigma, default=4.0, metavar="PIXELS", help=help_)
    _add_training(parser)
    return parser


def _add_training(parser: argparse.ArgumentParser) -> None:
    """Add how to train, and what to write."""
    add = parser.add_argument_group("training").add_argument
    positive = command.at_least(1)
    add("-b", "--batch", type=positive, default=8, metavar="N", help="images a step")
    help_ = "cap on the epochs; default: 60, fewer where validation stops improving"
    add("--epochs", type=positive, metavar="N", help=help_)
    rate, help_ = command.at_least(1e-9, float), "peak learning rate; default: searched"
    add("--lr", type=rate, metavar="RATE", help=help_)
    choices, help_ = (
        ("auto", "float32", "bfloat16"),
        "auto takes bfloat16 if it is faster",
    )
    add("--precision", choices=choices, default="auto", help=help_)
    add(
        "--seed", type=command.at_least(0), default=42, metavar="N", help="of all draws"
    )
    help_ = "go on with an interrupted run, with the options it was started with"
    add("--resume", type=Path, metavar="RUN_FOLDER", help=help_)

    add = parser.add_argument_group("outputs").add_argument
    add("-i", "--inspect", action="store_true", help="write inspection pictures")
    models, help_ = Path("saved_models"), "where run folders go"
    add("--models", type=Path, default=models, metavar="FOLDER", help=help_)


def train(options: argparse.Namespace) -> None:
    """Start or resume a run and say where its model is."""
    from methods.backend import load_backend

    load_backend()
    from methods.runs import TrainingRun
    from methods.training import start_run, train_run

    if options.resume:
        run, record = TrainingRun.resume(options.resume)
    else:
        channels = {None: CHANNELS[options.loss], "grayscale": 1, "rgb": 3}
        config = {
            "image_shape": (options.size, options.size, channels[options.color]),
            "loss": options.loss,
            "latent": options.latent,
            "batch_size": options.batch,
            "epochs": options.epochs,
            "learning_rate": options.lr,
            "precision": options.precision,
            "sigma": options.sigma,
            "seed": options.seed,
        }
        run, record = start_run(
            options.input_dir,
            options.architecture,
            config,
            root=options.models,
            skip_unreadable=options.skip_unreadable,
        )
    path = train_run(run, record, inspect=options.inspect)
    print(f"model: {path}\nnext:  python3 finetune.py -p {path}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = build_parser()
    options = command.parse(parser, argv)
    if not options.input_dir and not options.resume:
        parser.error("the following arguments are required: -d/--input-dir")
    return command.run(lambda: train(options), debug=options.debug)


if __name__ == "__main__":
    sys.exit(main())
