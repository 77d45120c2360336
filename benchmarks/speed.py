"""Time training and inference of autoencoders beside the same networks in PyTorch.

Run from the repository root: python -m benchmarks.speed. PyTorch is optional, and may
be outside of the environment: pip install --target FOLDER torch, then
PYTHONPATH=FOLDER python -m benchmarks.speed. All networks: --size 128 --losses ssim
--networks mvtecCAE paperCAE baselineCAE inceptionCAE resnetCAE skipCAE AE
"""

import argparse
import importlib
import itertools
import math
import os
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from methods.engine.backend import load_backend

TOLERANCE = 1e-4  # between our values and those of PyTorch
PRECISIONS = ("float32", "bfloat16")
LOSSES = ("l2", "ssim")
NETWORKS = ("mvtecCAE", "paperCAE", "baselineCAE", "inceptionCAE", "resnetCAE")
NETWORKS += ("skipCAE", "AE")
FEWEST = {"skipCAE": 256}  # pixels of a side
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
    describe(args, peer)
    agree = True
    for name in args.networks:
        side = max(args.size, FEWEST.get(name, 0))
        images = rng.integers(0, 256, (args.batch, side, side, 1), np.uint8)
        agree &= compare(name, images, args, peer)
    print(f"\nratios: training / inference, to {PEER} and to {OURS}, of the same loss")
    print("train.py may take either precision; finetune.py and test.py take float32")
    return 0 if agree else 1


def compare(name: str, images: np.ndarray, args: argparse.Namespace, peer: Any) -> bool:
    """Print the rates of a network; return whether it agrees with the peer's."""
    import keras

    from autoencoder.architectures import ARCHITECTURES

    keras.utils.set_random_seed(args.seed)
    network = ARCHITECTURES[name](images.shape[1:])
    side = images.shape[1]
    print(f"\n{name} at {side} x {side}, {network.count_params():,} parameters")
    agree = peer is None or agreement(peer, network, images)
    kinds = list(itertools.product(args.losses, args.precisions))
    ours = our_candidates(name, images, kinds)
    peers = peer_candidates(peer, network, images, kinds) if peer else []
    pairs = list(itertools.zip_longest(ours, peers))
    candidates = [one for pair in pairs for one in pair if one]
    for _ in range(args.rounds):
        for candidate in candidates:
            steps = (candidate.train, candidate.infer)
            times = [seconds(step, args.steps) for step in steps]
            candidate.rates.append(args.batch / np.array(times))
    print_table(candidates)
    keras.utils.clear_session()
    return agree


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
    for name, known in (("networks", NETWORKS), ("losses", LOSSES)):
        default = NETWORKS[:1] if known is NETWORKS else known
        text = f"{name} to time"
        parser.add_argument(
            f"--{name}", nargs="+", choices=known, default=default, help=text
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
    print(f"grey images, batch {args.batch}, Adam")
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


def agreement(peer: Any, network: Any, images: np.ndarray) -> bool:
    """Print and return whether a network and its losses are the same in the peer."""
    from autoencoder.losses import LOSSES

    inputs = images.astype("float32") / 255
    outputs = network.predict_on_batch(inputs)
    count, peer_outputs, peer_losses = peer.judged(network, inputs)
    largest = {"reconstructions": float(np.abs(outputs - peer_outputs).max())}
    for name, values in peer_losses.items():
        difference = np.asarray(LOSSES[name](inputs, outputs)) - values
        largest[name] = float(np.abs(difference).max())
    same = count == sum(math.prod(x.shape) for x in network.trainable_weights)
    print(f"as many weights in both: {same}; largest difference:")
    print(", ".join(f"{name} {value:.1e}" for name, value in largest.items()))
    return same and max(largest.values()) < TOLERANCE


def our_candidates(
    network: str, images: np.ndarray, kinds: Iterable[tuple[str, str]]
) -> list[Candidate]:
    """Return our network as written, fused, and as trained: fused and augmented.

    Args:
        network: a key of `ARCHITECTURES`.
        images: the batch of every step.
        kinds: pairs of a loss and a precision.
    """
    from keras import layers

    from methods.engine.augmentation import Augmentation

    candidates = []
    for loss, precision in kinds:
        ways = [("ours, as written", False, layers.Identity())]
        ways.append((OURS, True, layers.Identity()))
        if loss == "ssim":
            ways.append(("ours, as trained", True, Augmentation(seed=0)))
        for name, fused, augmentation in ways:
            steps = our_steps(network, images, loss, precision, fused, augmentation)
            candidates.append(Candidate(name, precision, loss, *steps))
    return candidates


def our_steps(
    name: str,
    images: np.ndarray,
    loss: str,
    precision: str,
    fused: bool,
    augmentation: Any,
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return a training and an inference step on uint8 images (n, h, w, 1)."""
    from autoencoder.architectures import ARCHITECTURES
    from methods.cae.training import Reconstructor
    from methods.engine.optimizer import ShapedAdam, compile_trainer, cosine
    from methods.engine.training import dtype_policy

    with dtype_policy("mixed_bfloat16" if precision == "bfloat16" else precision):
        network = ARCHITECTURES[name](images.shape[1:])
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
    peer: Any, network: Any, images: np.ndarray, kinds: Iterable[tuple[str, str]]
) -> list[Candidate]:
    """Return the network in PyTorch, in its own memory layout and in channels-last."""
    candidates = []
    for loss, precision in kinds:
        for layout in peer.LAYOUTS:
            name = PEER if layout == "contiguous" else f"{PEER} {layout}"
            steps = peer.steps(network, images, loss, precision, layout)
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


def row(*cells: str) -> None:
    """Print a row of the table."""
    print("".join(f"{x:<{w}}" for x, w in zip(cells, WIDTHS, strict=True)).rstrip())


if __name__ == "__main__":
    raise SystemExit(main())
