#!/usr/bin/env python3
"""Train a method on the good images of a category and write its model file."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from methods import METHODS
from processing import command

DEFAULT_CHANNELS = {"ssim": 1, "mssim": 3, "l2": 1}


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of train.py."""
    parser = command.parser(__doc__)
    images = parser.add_argument_group("images")
    images.add_argument(
        "-d",
        "--input-dir",
        type=Path,
        metavar="FOLDER",
        help="category folder with train/good, such as mvtec/capsule",
    )
    images.add_argument(
        "-c",
        "--color",
        choices=("grayscale", "rgb"),
        help="default: rgb for the mssim loss, grayscale for the others",
    )
    images.add_argument(
        "--size",
        type=command.at_least(1),
        default=256,
        metavar="N",
        help="side in pixels that images are resized to",
    )
    command.add_skip_unreadable(images)
    method = parser.add_argument_group("method")
    method.add_argument(
        "-a",
        "--architecture",
        type=command.one_of(METHODS),
        default="mvtecCAE",
        metavar="NAME",
        help=f"one of {', '.join(METHODS)}",
    )
    method.add_argument(
        "-l",
        "--loss",
        type=command.one_of(DEFAULT_CHANNELS),
        default="ssim",
        metavar="NAME",
        help="ssim, mssim or l2",
    )
    method.add_argument(
        "--latent",
        type=command.at_least(1),
        metavar="N",
        help="values of the code; default: the architecture's own number",
    )
    method.add_argument(
        "--sigma",
        type=command.at_least(0, float),
        default=4.0,
        metavar="PIXELS",
        help="blur of the anomaly maps; 0 for none",
    )
    training = parser.add_argument_group("training")
    training.add_argument(
        "-b", "--batch", type=command.at_least(1), default=8, metavar="N",
        help="images a step",
    )  # fmt: skip
    training.add_argument(
        "--epochs",
        type=command.at_least(1),
        metavar="N",
        help="cap on the epochs; default: until validation stops improving",
    )
    training.add_argument(
        "--lr",
        type=command.at_least(1e-9, float),
        metavar="RATE",
        help="peak learning rate; default: found by a sweep",
    )
    training.add_argument(
        "--precision",
        choices=("auto", "float32", "bfloat16"),
        default="auto",
        help="arithmetic of the training; auto takes the faster one",
    )
    training.add_argument("--seed", type=int, default=42, help="of everything random")
    training.add_argument(
        "--resume",
        type=Path,
        metavar="RUN_FOLDER",
        help="go on with an interrupted run, with the options it was started with",
    )
    outputs = parser.add_argument_group("outputs")
    outputs.add_argument(
        "-i", "--inspect", action="store_true", help="write inspection pictures"
    )
    outputs.add_argument(
        "--models", type=Path, default=Path("saved_models"), metavar="FOLDER",
        help="where run folders go",
    )  # fmt: skip
    return parser


def train(options: argparse.Namespace) -> None:
    """Start or resume a run and say where its model is."""
    from methods.backend import load_backend

    load_backend()
    from methods.runs import TrainingRun
    from methods.training import start_run, train_run

    if options.resume:
        run, record = TrainingRun.resume(options.resume)
    else:
        color = options.color or ("rgb" if options.loss == "mssim" else "grayscale")
        config = {
            "image_shape": (options.size, options.size, 3 if color == "rgb" else 1),
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
