"""Time training and inference of mvtecCAE beside the same network in PyTorch.

Run from the repository root: python -m benchmarks.speed

PyTorch is optional. A copy outside of the environment is enough:
pip install --target FOLDER torch, then PYTHONPATH=FOLDER python -m benchmarks.speed.
"""

import argparse
import importlib
import itertools
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from methods.backend import load_backend

PARAMETERS = 746_210  # of mvtecCAE at 256 x 256 grey
TOLERANCE = 1e-4  # between our values and those of PyTorch
PRECISIONS = ("float32", "bfloat16")
REFERENCE = ("ours, as trained", "PyTorch")  # float32 of these gives the ratios
FEATURES = ("amx_bf16", "avx512_bf16")
COLUMNS = (24, 9, 5, 9, 10, 14, 14)  # widths; the ratios are training / inference


@dataclass(frozen=True)
class Candidate:
    """What is timed: a step of training and of inference, and their rates so far."""

    name: str
    precision: str
    loss: str
    train: Callable[[], Any]
    infer: Callable[[], Any]
    rates: list[tuple[float, float]] = field(default_factory=list)  # images / s

    @property
    def median(self) -> np.ndarray:
        """The median rates of training and inference, (2,), in images / s."""
        return np.median(self.rates, axis=0)


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table of images per second, and whether both networks agree."""
    args = parse_arguments(argv)
    load_backend()
    torch = optional_torch()
    set_threads(args.threads, torch)
    rng = np.random.default_rng(args.seed)
    images = rng.integers(0, 256, (args.batch, args.size, args.size, 1), np.uint8)

    ours = list(our_candidates(images, args.precisions))
    peers = list(peer_candidates(torch, images, args.precisions)) if torch else []
    pairs = itertools.zip_longest(ours, peers)
    candidates = [one for pair in pairs for one in pair if one]
    describe_run(args, torch)
    agree = torch is None or agreement(torch, images, rng)
    for _ in range(args.rounds):
        for candidate in candidates:
            time_round(candidate, args.batch, args.steps)
    print_table([*ours, *peers])
    return 0 if agree else 1


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    options = {
        "size": (256, "height and width of the images in pixels"),
        "batch": (8, "images a step"),
        "threads": (2, "threads of both libraries"),
        "rounds": (5, "rounds that the median is taken of"),
        "steps": (4, "steps of training and of inference a round"),
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


def optional_torch() -> Any:
    """Return PyTorch, or None where it is not installed."""
    try:
        return importlib.import_module("torch")
    except ImportError:
        return None


def set_threads(threads: int, torch: Any) -> None:
    """Give both libraries the same number of threads."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    if torch:
        torch.set_num_threads(threads)


def our_candidates(
    images: np.ndarray, precisions: Iterable[str]
) -> Iterable[Candidate]:
    """Yield our network as written, as trained, and as trained with augmentation."""
    import keras

    from autoencoder.augmentation import Augmentation

    for loss, precision in itertools.product(("l2", "ssim"), precisions):
        none = keras.layers.Identity()
        yield our_candidate("ours, as written", precision, loss, images, False, none)
        yield our_candidate("ours, as trained", precision, loss, images, True, none)
        if loss == "ssim":
            moved, name = Augmentation(seed=0), "ours, with augmentation"
            yield our_candidate(name, precision, loss, images, True, moved)


def our_candidate(
    name: str, precision: str, loss: str, images: np.ndarray, fused: bool, layer: Any
) -> Candidate:
    """Return our network behind an augmentation layer, trained as `Trainer` does."""
    from autoencoder.architectures import ARCHITECTURES
    from autoencoder.optimizer import ShapedAdam, compile_trainer, triangle
    from autoencoder.training import Trainer, dtype_policy

    with dtype_policy("mixed_bfloat16" if precision == "bfloat16" else precision):
        network = ARCHITECTURES["mvtecCAE"](images.shape[1:])
        trainer = Trainer(network, loss, layer)
    if not fused:
        trainer.network = network
    compile_trainer(trainer, ShapedAdam(1e-4, triangle(128)))
    inputs = images.astype("float32") / 255
    return Candidate(
        name,
        precision,
        loss,
        train=lambda: trainer.train_on_batch(images),
        infer=lambda: trainer.network.predict_on_batch(inputs),
    )


def peer_candidates(
    torch: Any, images: np.ndarray, precisions: Iterable[str]
) -> Iterable[Candidate]:
    """Yield the network in PyTorch, in its own memory layout and in channels-last."""
    layouts = {
        "PyTorch": torch.contiguous_format,
        "PyTorch channels-last": torch.channels_last,
    }
    for loss, precision, name in itertools.product(("l2", "ssim"), precisions, layouts):
        yield peer_candidate(torch, name, precision, loss, images, layouts[name])


def peer_candidate(
    torch: Any, name: str, precision: str, loss: str, images: np.ndarray, layout: Any
) -> Candidate:
    """Return the network in PyTorch with the same loss and optimizer."""
    network = peer_network(torch).to(memory_format=layout)
    optimizer = torch.optim.Adam(network.parameters(), 1e-4)
    inputs = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    measure = peer_ssim if loss == "ssim" else peer_l2

    def reconstruct() -> tuple[Any, Any]:
        targets = (inputs.float() / 255).contiguous(memory_format=layout)
        with torch.autocast("cpu", torch.bfloat16, precision == "bfloat16"):
            logits = network(targets)
        return targets, torch.sigmoid(logits.float())

    def train() -> None:
        optimizer.zero_grad()
        targets, reconstructions = reconstruct()
        measure(torch, targets, reconstructions).mean().backward()
        optimizer.step()

    def infer() -> np.ndarray:
        with torch.inference_mode():
            return reconstruct()[1].numpy()

    return Candidate(name, precision, loss, train, infer)


def peer_network(torch: Any) -> Any:
    """Return mvtecCAE in PyTorch, without the sigmoid, its padding as TensorFlow's."""
    from autoencoder.architectures.mvtec import DECODER, ENCODER

    nn, parts, channels = torch.nn, [], 1
    encoder = [(1, *layer) for layer in ENCODER]
    for upsampling, filters, kernel, stride in (
        *encoder,
        (1, 1, 8, 1),
        *DECODER,
        (2, 1, 8, 1),
    ):
        before, odd = divmod(kernel - stride, 2)
        if upsampling > 1:
            parts.append(nn.Upsample(scale_factor=upsampling))
        if odd:  # "same" puts the odd row and column at the end
            parts.append(nn.ZeroPad2d((before, before + 1, before, before + 1)))
        padding = 0 if odd else before
        parts.append(nn.Conv2d(channels, filters, kernel, stride, padding))
        if filters > 1:  # neither the code nor the output
            parts.append(nn.ReLU())
        channels = filters
    return nn.Sequential(*parts)


def peer_l2(torch: Any, images: Any, reconstructions: Any) -> Any:
    """Return the mean squared error in PyTorch, (n,)."""
    return torch.square(images - reconstructions).mean((1, 2, 3))


def peer_ssim(torch: Any, x: Any, y: Any) -> Any:
    """Return our SSIM loss of grey batches (n, 1, h, w) in PyTorch, (n,)."""
    from autoencoder.losses import C1, C2, gaussian_window

    window = torch.from_numpy(gaussian_window()).repeat(4, 1)
    moments = torch.cat([x, y, x * x + y * y, x * y], 1)
    convolve = torch.nn.functional.conv2d
    moments = convolve(moments, window[:, None, :, None], groups=4)
    moments = convolve(moments, window[:, None, None, :], groups=4)
    mean_x, mean_y, mean_squares, mean_xy = moments.split(1, 1)
    squares, product = mean_x * mean_x + mean_y * mean_y, mean_x * mean_y
    luminance = (2 * product + C1) / (squares + C1)
    contrast = (2 * (mean_xy - product) + C2) / (mean_squares - squares + C2)
    return 1 - (luminance * contrast).mean((1, 2, 3))
