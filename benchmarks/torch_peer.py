"""mvtecCAE and its losses in PyTorch, for `benchmarks.speed` to compare with."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from autoencoder.architectures.mvtec import DECODER, ENCODER
from autoencoder.losses import C1, C2, gaussian_window

Tensor = torch.Tensor
LAYOUTS = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}


def mvtec_cae() -> nn.Sequential:
    """Return mvtecCAE for grey images without its sigmoid, padded as TensorFlow does.

    Takes and returns (n, 1, h, w).
    """
    encoder = [(1, *layer) for layer in ENCODER]
    code, output = (1, 1, 8, 1), (2, 1, 8, 1)
    parts: list[nn.Module] = []
    channels = 1
    for upsampling, filters, kernel, stride in (*encoder, code, *DECODER, output):
        if upsampling > 1:
            parts.append(nn.Upsample(scale_factor=upsampling))
        before, odd = divmod(kernel - stride, 2)
        if odd:  # the odd row and column of "same" are at the end
            parts.append(nn.ZeroPad2d((before, before + 1, before, before + 1)))
        padding = 0 if odd else before
        parts.append(nn.Conv2d(channels, filters, kernel, stride, padding))
        if filters > 1:  # neither the code nor the output
            parts.append(nn.ReLU())
        channels = filters
    return nn.Sequential(*parts)


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
    images: np.ndarray, loss: str, precision: str, layout: str
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return a training and an inference step on uint8 images (n, h, w, 1).

    Args:
        images: the batch of every step.
        loss: a key of `LOSSES`.
        precision: "float32", or "bfloat16" for `torch.autocast`.
        layout: of the memory, a key of `LAYOUTS`.
    """
    memory = LAYOUTS[layout]
    network = mvtec_cae().to(memory_format=memory)
    optimizer = torch.optim.Adam(network.parameters(), 1e-4)
    inputs = to_tensor(images)

    def reconstruct() -> tuple[Tensor, Tensor]:
        targets = (inputs.float() / 255).contiguous(memory_format=memory)
        with torch.autocast("cpu", torch.bfloat16, precision == "bfloat16"):
            logits = network(targets)
        return targets, torch.sigmoid(logits.float())

    def train() -> None:
        optimizer.zero_grad()
        LOSSES[loss](*reconstruct()).mean().backward()
        optimizer.step()

    def infer() -> np.ndarray:
        with torch.inference_mode():
            return reconstruct()[1].numpy()

    return train, infer


def judged(
    weights: Sequence[np.ndarray], images: np.ndarray
) -> tuple[int, np.ndarray, dict[str, np.ndarray]]:
    """Return what the network makes of images (n, h, w, 1) in [0, 1] with `weights`.

    The weights are kernel and bias of every convolution, as Keras has them. Returns
    the number of parameters, the reconstructions (n, h, w, 1), and every loss (n,).
    """
    network = mvtec_cae()
    targets = to_tensor(images)
    with torch.no_grad():
        for parameter, weight in zip(network.parameters(), weights, strict=True):
            axes = (3, 2, 0, 1) if weight.ndim == 4 else (0,)
            parameter.copy_(torch.from_numpy(weight.transpose(axes).copy()))
        outputs = torch.sigmoid(network(targets))
        losses = {name: loss(targets, outputs).numpy() for name, loss in LOSSES.items()}
    count = sum(parameter.numel() for parameter in network.parameters())
    return count, outputs.permute(0, 2, 3, 1).numpy(), losses


def to_tensor(images: np.ndarray) -> Tensor:
    """Return images (n, h, w, c) as (n, c, h, w)."""
    return torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
