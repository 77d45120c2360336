"""Time training and reconstructions of a diffusion UNet beside PyTorch.

Run from the repository root: python -m benchmarks.diffusion. It computes on a GPU where
there is one. PyTorch is optional, and may be outside of the environment: pip install
--target FOLDER torch, then PYTHONPATH=FOLDER python -m benchmarks.diffusion
"""

import argparse
import importlib
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from benchmarks.speed import cpu, seconds
from methods.diffusion.presets import PRESETS, architecture
from methods.engine.backend import load_backend

PRECISIONS = ("float32", "bfloat16")
CALLS = 10  # of the network in a reconstruction, DDAD's number
TOLERANCE = 1e-3  # between the networks' outputs
KINDS = ("Conv2D", "GroupNormalization", "Dense")
WIDTHS = (12, 12, 17, 20, 22)


@dataclass(frozen=True)
class Candidate:
    """What is timed: a training step and a reconstruction, and their times so far."""

    name: str
    precision: str
    train: Callable[[], Any]
    reconstruct: Callable[[], Any]
    times: list[tuple[float, float]] = field(default_factory=list)

    @property
    def median(self) -> np.ndarray:
        """Seconds of a training step and of a batch of reconstructions, (2,)."""
        return np.median(self.times, axis=0)


def main(argv: Sequence[str] | None = None) -> int:
    """Print steps and reconstructions a second, and whether both networks agree."""
    args = parse_arguments(argv)
    load_backend()
    peer = load_peer()
    shape = (args.size, args.size, 3)
    # PyTorch has no dropout and no patches here: both are left out of ours as well.
    plan = replace(architecture(args.preset, shape), dropout=0.0, patch=1)
    draws = np.random.default_rng(0)
    batch = (
        draws.integers(0, 256, (args.batch, *shape), np.uint8),
        draws.standard_normal((args.batch, *shape), np.float32),
        draws.integers(0, 1000, args.batch, np.int32),
    )
    describe(args, peer)
    agree = peer is None or agreement(peer, plan, batch[1], batch[2])
    candidates = []
    for precision in args.precisions:
        candidates.append(
            Candidate("ours", precision, *our_steps(batch, plan, precision))
        )
        if peer:
            steps = peer.steps(*batch, plan, precision)
            candidates.append(Candidate("PyTorch", precision, *steps))
    for _ in range(args.rounds):
        for one in candidates:
            steps = (one.train, one.reconstruct)
            one.times.append(tuple(seconds(step, args.steps) for step in steps))
    print_table(candidates, args.batch)
    return 0 if agree else 1


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("--preset", choices=PRESETS, default="small", help="size of the UNet")
    add("--size", type=int, default=64, help="height and width of the images")
    add("--batch", type=int, default=16, help="images a step")
    add("--rounds", type=int, default=3, help="rounds that the median is taken of")
    add("--steps", type=int, default=3, help="steps of each kind a round")
    help_ = "precisions to time"
    add("--precisions", nargs="+", choices=PRECISIONS, default=PRECISIONS, help=help_)
    return parser.parse_args(argv)


def load_peer() -> Any:
    """Return the peer, or None without PyTorch."""
    try:
        importlib.import_module("torch")
    except ImportError:
        return None
    return importlib.import_module("benchmarks.torch_unet")


def describe(args: argparse.Namespace, peer: Any) -> None:
    """Print what is timed, on what."""
    import keras

    devices = ", ".join(keras.distribution.list_devices())
    print(
        f"UNet {args.preset} at {args.size} x {args.size} RGB, batch {args.batch}, Adam"
    )
    print(f"Keras {keras.__version__} on {keras.backend.backend()}: {devices}")
    where = f"PyTorch {peer.torch.__version__}: {peer.device()}" if peer else ""
    print(where or "PyTorch is not installed: no comparison (the docstring says how)")
    print(f"CPU: {cpu('model name')}, {os.cpu_count()} cores")
    print(f"other load: {os.getloadavg()[0]:.1f} (near 0, or the rates mean nothing)")


def our_steps(
    batch: tuple, plan: Any, precision: str
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return a training step and a reconstruction on (images, noise, timesteps)."""
    from methods.diffusion.sampler import Sampler, ddim_plan
    from methods.diffusion.schedule import Schedule, reverse_timesteps
    from methods.diffusion.training import Denoiser, DenoisingSettings, compile_denoiser
    from methods.diffusion.unet import unet
    from methods.engine.training import dtype_policy

    images, noise, timesteps = batch
    batch = (images.astype("float32") / 255, noise, timesteps)
    schedule = Schedule()
    with dtype_policy("mixed_bfloat16" if precision == "bfloat16" else precision):
        denoiser = Denoiser(unet(images.shape[1:], plan), schedule)
    denoiser([part[:1] for part in batch])
    compile_denoiser(denoiser, DenoisingSettings(start=250), steps=10_000)
    sampler = Sampler(denoiser.network, clip=False)
    rows = ddim_plan(schedule, reverse_timesteps(250, CALLS), 1.0, 2.0)
    fresh = np.zeros((CALLS, *images.shape[1:]), "float32")
    return (
        lambda: denoiser.train_on_batch(batch),
        lambda: sampler.predict_on_batch((noise, noise, fresh, rows)),
    )


def agreement(peer: Any, plan: Any, images: np.ndarray, timesteps: np.ndarray) -> bool:
    """Print and return whether both make the same of images with the same weights."""
    from methods.diffusion.unet import unet

    network = unet(images.shape[1:], plan)
    draws = np.random.default_rng(1)
    for weight in network.weights:
        if not np.asarray(weight).any():  # else it predicts no noise
            weight.assign(draws.normal(0, 0.05, weight.shape))
    times = timesteps.astype("float32")
    ours = network.predict_on_batch((images, times))
    theirs = peer.predicted(in_order(network), images, times, plan)
    largest = float(np.abs(ours - theirs).max() / np.abs(ours).max())
    print(f"same weights in both, {network.count_params():,} parameters; largest "
          f"difference of the outputs: {largest:.1e}")  # fmt: skip
    return largest < TOLERANCE


def in_order(network: Any) -> list[np.ndarray]:
    """Return weights by kind of layer, each kind in the order it was made in.

    Keras numbers layers as they are made, but lists them by their depth.
    """
    places = {"first": -1, "time.dense1": -2, "time.dense2": -1, "last": 10**6}

    def place(layer: Any) -> int:
        number = re.search(r"_(\d+)$", layer.name)
        return places.get(layer.name, int(number[1]) if number else 0)

    weights = []
    for kind in KINDS:
        layers = [x for x in network.layers if type(x).__name__ == kind]
        for layer in sorted(layers, key=place):
            weights += layer.get_weights()
    return weights


def print_table(candidates: Sequence[Candidate], batch: int) -> None:
    """Print a row for each candidate."""
    row(
        "what", "precision", "training steps/s", "reconstructions/s", "ratio to PyTorch"
    )
    by_name = {(c.name, c.precision): c.median for c in candidates}
    for (name, precision), median in by_name.items():
        base = by_name.get(("PyTorch", precision))
        ratio = "" if base is None else "{:.2f} / {:.2f}".format(*base / median)
        rates = 1 / median[0], batch / median[1]
        row(name, precision, *(f"{rate:.2f}" for rate in rates), ratio)
    print(f"\na reconstruction is {CALLS} calls of the network; ratios: training / "
          "reconstruction, same precision")  # fmt: skip


def row(*cells: str) -> None:
    """Print a row of the table."""
    print("".join(f"{x:<{w}}" for x, w in zip(cells, WIDTHS, strict=True)).rstrip())


if __name__ == "__main__":
    raise SystemExit(main())
