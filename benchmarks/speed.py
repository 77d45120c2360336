"""Time training and inference of mvtecCAE beside the same network in PyTorch.

Run from the repository root: python -m benchmarks.speed. PyTorch is optional, and may
be outside of the environment: pip install --target FOLDER torch, then
PYTHONPATH=FOLDER python -m benchmarks.speed
"""

import argparse
import importlib
import itertools
import os
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from methods.engine.backend import load_backend

PARAMETERS = 746_210  # of mvtecCAE
TOLERANCE = 1e-4  # between our values and those of PyTorch
PRECISIONS = ("float32", "bfloat16")
LOSSES = ("l2", "ssim")
FEATURES = {  # of the CPU
    "amx_bf16": "bfloat16 matrix products, several times as fast as float32",
    "avx512_bf16": "bfloat16 dot products, up to twice as fast as float32",
}
OURS, PEER = "ours, fused", "PyTorch"  # their float32 gives the ratios
WIDTHS = (25, 10, 6, 10, 11, 16, 15)


@dataclass(frozen=True)
class Candidate:
    """What is timed: a step of training, one of inference, and their rates so far."""

    name: str
    precision: str
    loss: str
    train: Callable[[], Any]
    infer: Callable[[], Any]
    rates: list[np.ndarray] = field(default_factory=list)

    @property
    def median(self) -> np.ndarray:
        """Images per second in training and in inference, (2,)."""
        return np.median(self.rates, axis=0)


def main(argv: Sequence[str] | None = None) -> int:
    """Print images per second, ratios, and whether both networks agree."""
    args = parse_arguments(argv)
    load_backend()
    peer = load_peer(args.threads)
    rng = np.random.default_rng(args.seed)
    images = rng.integers(0, 256, (args.batch, args.size, args.size, 1), np.uint8)
    describe(args, peer)
    agree = peer is None or agreement(peer, images)
    ours = our_candidates(images, args.precisions)
    peers = peer_candidates(peer, images, args.precisions) if peer else []
    pairs = list(itertools.zip_longest(ours, peers))
    candidates = [one for pair in pairs for one in pair if one]
    for _ in range(args.rounds):
        for candidate in candidates:
            steps = (candidate.train, candidate.infer)
            times = [seconds(step, args.steps) for step in steps]
            candidate.rates.append(args.batch / np.array(times))
    print_table(candidates)
    return 0 if agree else 1


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    options = {
        "size": (256, "height and width of the images in pixels"),
        "batch": (8, "images a step"),
        "threads": (2, "threads of both libraries"),
        "rounds": (5, "rounds that the median is taken of"),
        "steps": (4, "steps of training, and of inference, a round"),
        "seed": (0, "seed of the images"),
    }
    for name, (default, text) in options.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=text)
    parser.add_argument(
        "--precisions",
        nargs="+",
        choices=PRECISIONS,
        default=PRECISIONS,
        help="precisions to time",
    )
    return parser.parse_args(argv)


def load_peer(threads: int) -> Any:
    """Set the threads of both libraries; return the peer, or None without PyTorch."""
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")  # one function a candidate is no retracing
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        return None
    torch.set_num_threads(threads)
    return importlib.import_module("benchmarks.torch_peer")


def describe(args: argparse.Namespace, peer: Any) -> None:
    """Print what is timed, on what."""
    import keras
    import tensorflow as tf

    libraries = f"Keras {keras.__version__}, TensorFlow {tf.__version__}"
    if peer:
        libraries += f", PyTorch {peer.torch.__version__}"
    print(f"mvtecCAE at {args.size} x {args.size} grey, batch {args.batch}, Adam")
    print(f"{libraries}, {args.threads} thread(s) each")
    print(f"median of {args.rounds} interleaved rounds of {args.steps} steps")
    if not peer:
        print("PyTorch is not installed: no comparison (the docstring says how)")
    print(f"other load: {os.getloadavg()[0]:.1f} (near 0, or the rates mean nothing)")
    print(f"\nCPU: {cpu('model name') or platform.processor()}")
    flags = cpu("flags").split()
    for feature, text in FEATURES.items():
        print(f"  {feature:<12}{'yes' if feature in flags else 'no':<4}{text}")
    if not set(FEATURES) & set(flags):
        print("  without either bfloat16 is emulated, and slower than float32")


def cpu(key: str) -> str:
    """Return what Linux says of the first CPU under `key`, or an empty string."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    values = (line.partition(":")[2] for line in lines if line.startswith(key))
    return next(values, "").strip()


def agreement(peer: Any, images: np.ndarray) -> bool:
    """Print and return whether both have the same network and losses."""
    from autoencoder.architectures import ARCHITECTURES
    from autoencoder.losses import LOSSES

    network = ARCHITECTURES["mvtecCAE"](images.shape[1:])
    inputs = images.astype("float32") / 255
    outputs = network.predict_on_batch(inputs)
    count, peer_outputs, peer_losses = peer.judged(network.get_weights(), inputs)
    largest = {"reconstructions": float(np.abs(outputs - peer_outputs).max())}
    for name, values in peer_losses.items():
        difference = np.asarray(LOSSES[name](inputs, outputs)) - values
        largest[name] = float(np.abs(difference).max())
    same = count == network.count_params() == PARAMETERS
    print(f"\nsame weights in both, {count:,} parameters: {same}; largest difference:")
    print(", ".join(f"{name} {value:.1e}" for name, value in largest.items()))
    return same and max(largest.values()) < TOLERANCE


def our_candidates(images: np.ndarray, precisions: Iterable[str]) -> list[Candidate]:
    """Return our network as written, fused, and as trained: fused and augmented."""
    from keras import layers

    from methods.engine.augmentation import Augmentation

    candidates = []
    for loss, precision in itertools.product(LOSSES, precisions):
        kinds = [("ours, as written", False, layers.Identity())]
        kinds.append((OURS, True, layers.Identity()))
        if loss == "ssim":
            kinds.append(("ours, as trained", True, Augmentation(seed=0)))
        for name, fused, augmentation in kinds:
            steps = our_steps(images, loss, precision, fused, augmentation)
            candidates.append(Candidate(name, precision, loss, *steps))
    return candidates


def our_steps(
    images: np.ndarray, loss: str, precision: str, fused: bool, augmentation: Any
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return a training and an inference step on uint8 images (n, h, w, 1)."""
    from autoencoder.architectures import ARCHITECTURES
    from methods.cae.training import Reconstructor
    from methods.engine.optimizer import ShapedAdam, compile_trainer, cosine
    from methods.engine.training import dtype_policy

    with dtype_policy("mixed_bfloat16" if precision == "bfloat16" else precision):
        network = ARCHITECTURES["mvtecCAE"](images.shape[1:])
        trainer = Reconstructor(network, loss, augmentation)
    if not fused:
        trainer.network = network
    compile_trainer(trainer, ShapedAdam(1e-4, cosine(10_000)))
    inputs = images.astype("float32") / 255
    return (
        lambda: trainer.train_on_batch(images / np.float32(255)),
        lambda: trainer.network.predict_on_batch(inputs),
    )


def peer_candidates(
    peer: Any, images: np.ndarray, precisions: Iterable[str]
) -> list[Candidate]:
    """Return the network in PyTorch, in its own memory layout and in channels-last."""
    candidates = []
    for loss, precision in itertools.product(LOSSES, precisions):
        for layout in peer.LAYOUTS:
            name = PEER if layout == "contiguous" else f"{PEER} {layout}"
            steps = peer.steps(images, loss, precision, layout)
            candidates.append(Candidate(name, precision, loss, *steps))
    return candidates


def seconds(step: Callable[[], Any], steps: int) -> float:
    """Return the mean seconds of a step, after one that warms up."""
    step()
    start = perf_counter()
    for _ in range(steps):
        step()
    return (perf_counter() - start) / steps


def print_table(candidates: Sequence[Candidate]) -> None:
    """Print a row for each candidate, by loss."""
    medians = {(c.name, c.precision, c.loss): c.median for c in candidates}
    row("what", "precision", "loss", "training", "inference", "ratio to", "ratio to")
    row("", "", "", "img/s", "img/s", "PyTorch float32", "our float32")
    for name, precision, loss in sorted(medians, key=lambda key: (key[2], key[0])):
        training, inference = medians[name, precision, loss]
        ratios = []
        for reference in (PEER, OURS):
            base = medians.get((reference, "float32", loss))
            ratio = None if base is None else medians[name, precision, loss] / base
            ratios.append("" if ratio is None else "{:.2f} / {:.2f}".format(*ratio))
        row(name, precision, loss, f"{training:.1f}", f"{inference:.1f}", *ratios)
    print(f"\nratios: training / inference, to {PEER} and to {OURS}, of the same loss")
    print("train.py may take either precision; finetune.py and test.py take float32")


def row(*cells: str) -> None:
    """Print a row of the table."""
    print("".join(f"{x:<{w}}" for x, w in zip(cells, WIDTHS, strict=True)).rstrip())


if __name__ == "__main__":
    raise SystemExit(main())
