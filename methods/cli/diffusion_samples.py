"""Draw samples from a trained diffusion model, to see whether it has learned."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from methods import METHODS
from processing.errors import UsageError
from processing.files import check_writable

from .method_checks import HORIZONS
from .parser import Parser, at_least, program_name, run_command
from .paths import read_model

if TYPE_CHECKING:
    from methods.diffusion.diffusion_method import Diffusion

GAP = 4  # pixels between pictures
EXPECTED = "Expected DDAD or AnoDDPM"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    options = build_parser().parse_args(argv)
    return run_command(lambda: sample(options), debug=options.debug)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of `python3 -m methods.diffusion`."""
    parser = Parser(
        prog=program_name("methods.diffusion"), description=__doc__, allow_abbrev=False
    )
    parser.add_argument(
        "--debug", action="store_true", help="show the traceback of an error"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser(
        "sample", help="samples and a denoising strip"
    ).add_argument
    help_ = "model file that train.py wrote"
    add("-p", "--path", type=Path, required=True, metavar="MODEL", help=help_)
    help_ = "picture to write; default: samples.png beside the model"
    add("-o", "--output", type=Path, metavar="FILE", help=help_)
    positive = at_least(1)
    help_ = "samples, and pictures of the strip; default: 8"
    add("-n", "--number", type=positive, default=8, metavar="N", help=help_)
    help_ = "calls of the UNet, a multiple of --number; default: 64"
    add("--steps", type=positive, default=64, metavar="N", help=help_)
    add("--seed", type=at_least(0), default=0, metavar="N", help="of the noise")
    return parser


def sample(options: argparse.Namespace) -> None:
    """Write the picture and print where it is."""
    record = read_model(options.path)
    if record.method in METHODS and record.method not in HORIZONS:
        kind = METHODS[record.method].rpartition(".")[2]
        raise UsageError(f"{options.path} holds a {kind}. {EXPECTED}")
    path = options.output or options.path.with_name("samples.png")
    check_writable(path.parent)
    from methods.engine.backend import load_backend

    load_backend()
    from methods.detector.model_file import load_model
    from methods.diffusion.diffusion_method import Diffusion
    from processing.report.overlays import write_png

    detector, _ = load_model(options.path)
    method = detector.method
    if not isinstance(method, Diffusion):
        raise UsageError(f"{options.path} holds a {type(method).__name__}. {EXPECTED}")
    if options.steps % options.number or options.steps > method.horizon:
        raise UsageError(
            f"--steps must be a multiple of --number, {options.number}, and at most "
            f"{method.horizon}. Received: {options.steps}"
        )
    stages = list(
        denoise(
            method, options.number, options.steps, np.random.default_rng(options.seed)
        )
    )
    write_png(path, picture(stages))
    print(f"{options.number} samples above, how the first one came about below: {path}")


def denoise(
    method: "Diffusion", number: int, steps: int, draws: np.random.Generator
) -> Iterator[np.ndarray]:
    """Yield `number` stages from noise to images, (number, h, w, c) in [-1, 1] each.

    The first is noise, the last are samples; between two stages are equally many steps.
    """
    from methods.diffusion.sampler import Sampler, ddpm_plan
    from methods.diffusion.schedule import reverse_timesteps
    from methods.engine.optimizer import predict

    timesteps = reverse_timesteps(method.horizon, steps)
    plan = ddpm_plan(method.process, timesteps)
    shape = method.image_shape
    noise = method.noise(draws, (number, *shape))
    images = noise * np.float32(method.process.noise_rate(timesteps[0]))
    sampler = Sampler(method.networks["unet"], clip=True)
    yield images
    # One more stage than `number` comes about, of which the second is left out.
    for stage, rows in enumerate(np.split(plan, number)):
        fresh = method.noise(draws, (len(rows), *shape))
        images = np.asarray(predict(sampler, (images, images, fresh, rows)))
        if stage > 0 or number == 1:
            yield images


def picture(stages: Sequence[np.ndarray]) -> Any:
    """Return uint8 pixels: all images of the last stage, and below the first of all."""
    rows = [stages[-1], np.stack([stage[0] for stage in stages])]
    tiles = [
        np.pad(row, ((0, 0), (0, GAP), (0, GAP), (0, 0)), constant_values=1)
        for row in rows
    ]
    lines = [np.concatenate(list(row), axis=1) for row in tiles]
    width = max(line.shape[1] for line in lines)
    lines = [
        np.pad(line, ((0, 0), (0, width - line.shape[1]), (0, 0)), constant_values=1)
        for line in lines
    ]
    pixels = np.concatenate(lines)
    pixels = np.rint(127.5 * (np.clip(pixels, -1, 1) + 1)).astype("uint8")
    return pixels[..., 0] if pixels.shape[-1] == 1 else pixels


if __name__ == "__main__":
    sys.exit(main())
