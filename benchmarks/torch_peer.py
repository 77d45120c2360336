"""The autoencoders and their losses in PyTorch, for `benchmarks.speed` to compare."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from autoencoder.losses import C1, C2, gaussian_window

from .torch_network import Tensor, Translated

LAYOUTS = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}


def l2(images: Tensor, outputs: Tensor) -> Tensor:
    """Return the mean squared error, (n,)."""
    return torch.square(images - outputs).mean((1, 2, 3))


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """Return 1 - mean SSIM of grey batches (n, 1, h, w) as in `losses.ssim`, (n,)."""
    window = torch.from_numpy(gaussian_window()).repeat(4, 1)
    moments = torch.cat([x, y, x * x + y * y, x * y], 1)
    moments = functional.conv2d(moments, window[:, None, :, None], groups=4)
    moments = functional.conv2d(moments, window[:, None, None, :], groups=4)
    mean_x, mean_y, mean_squares, mean_xy = moments.split(1, 1)
    squares, product = mean_x * mean_x + mean_y * mean_y, mean_x * mean_y
    luminance = (2 * product + C1) / (squares + C1)
    contrast = (2 * (mean_xy - product) + C2) / (mean_squares - squares + C2)
    return 1 - (luminance * contrast).mean((1, 2, 3))


LOSSES = {"l2": l2, "ssim": ssim}


def steps(
    network: Any, images: np.ndarray, loss: str, precision: str, layout: str
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return a training and an inference step on uint8 images (n, h, w, 1).

    Args:
        network: the Keras network to translate.
        images: the batch of every step.
        loss: a key of `LOSSES`.
        precision: "float32", or "bfloat16" for `torch.autocast`.
        layout: of the memory, a key of `LAYOUTS`.
    """
    memory = LAYOUTS[layout]
    peer = Translated(network).to(memory_format=memory)
    optimizer = torch.optim.Adam(peer.parameters(), 1e-4)
    inputs = to_tensor(images)

    def reconstruct() -> tuple[Tensor, Tensor]:
        targets = (inputs.float() / 255).contiguous(memory_format=memory)
        with torch.autocast("cpu", torch.bfloat16, precision == "bfloat16"):
            outputs = peer(targets)
        return targets, outputs.float()

    def train() -> None:
        peer.train()
        optimizer.zero_grad()
        (LOSSES[loss](*reconstruct()).mean() + peer.penalty()).backward()
        optimizer.step()

    def infer() -> np.ndarray:
        peer.eval()
        with torch.inference_mode():
            return reconstruct()[1].numpy()

    return train, infer


def judged(
    network: Any, images: np.ndarray
) -> tuple[int, np.ndarray, dict[str, np.ndarray]]:
    """Return what a Keras network makes of images (n, h, w, 1) in [0, 1] in PyTorch.

    Returns the number of its trained parameters, the reconstructions (n, h, w, 1), and
    every loss (n,).
    """
    peer, targets = Translated(network).eval(), to_tensor(images)
    with torch.no_grad():
        outputs = peer(targets)
        losses = {name: loss(targets, outputs).numpy() for name, loss in LOSSES.items()}
    count = sum(parameter.numel() for parameter in peer.parameters())
    return count, outputs.permute(0, 2, 3, 1).numpy(), losses


def to_tensor(images: np.ndarray) -> Tensor:
    """Return images (n, h, w, c) as (n, c, h, w)."""
    return torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
