"""The UNet of `methods.diffusion` in PyTorch, for `benchmarks.diffusion` to compare."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from methods.diffusion.unet import PERIODS, Architecture

Tensor = torch.Tensor
CALLS = 10  # of the network in a reconstruction


def device() -> str:
    """Return where PyTorch computes: a GPU if there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def _norm(channels: int, groups: int) -> nn.GroupNorm:
    return nn.GroupNorm(math.gcd(groups, channels), channels, eps=1e-5)


class Residual(nn.Module):
    """A residual block, with the order of parameters that Keras has."""

    def __init__(
        self, before: int, after: int, architecture: Architecture, sampling: str = ""
    ) -> None:
        super().__init__()
        self.sampling = sampling
        groups = architecture.groups
        self.norm1 = _norm(before, groups)
        self.conv1 = nn.Conv2d(before, after, 3, padding=1)
        self.time = nn.Linear(4 * architecture.base, after)
        self.norm2 = _norm(after, groups)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1)
        self.skip = nn.Conv2d(before, after, 1) if before != after else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Add two convolutions to x, (n, c, h, w)."""
        inner = functional.silu(self.norm1(x))
        if self.sampling == "down":
            inner, x = functional.avg_pool2d(inner, 2), functional.avg_pool2d(x, 2)
        elif self.sampling == "up":
            inner, x = (functional.interpolate(y, scale_factor=2) for y in (inner, x))
        inner = self.conv1(inner) + self.time(time)[:, :, None, None]
        inner = self.conv2(functional.silu(self.norm2(inner)))
        return self.skip(x) + inner


class Attention(nn.Module):
    """Self-attention among all positions."""

    def __init__(self, channels: int, architecture: Architecture) -> None:
        super().__init__()
        self.heads = architecture.heads
        self.norm = _norm(channels, architecture.groups)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.project = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Add what every position gathers, (n, c, h, w)."""
        n, channels, height, width = x.shape
        shape = (n, 3, self.heads, channels // self.heads, height * width)
        query, key, value = (
            self.qkv(self.norm(x)).reshape(shape).transpose(3, 4).unbind(1)
        )
        gathered = functional.scaled_dot_product_attention(query, key, value)
        gathered = gathered.transpose(2, 3).reshape(x.shape)
        return x + self.project(gathered)


class UNet(nn.Module):
    """The UNet of `architecture`, without patches and dropout, for (n, c, h, w)."""

    def __init__(self, image_shape: tuple, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.side = min(image_shape[:2])
        base, time = architecture.base, 4 * architecture.base
        self.time1, self.time2 = nn.Linear(base, time), nn.Linear(time, time)
        self.first = nn.Conv2d(image_shape[2], base, 3, padding=1)
        # Their order is that of the parameters, as Keras makes them.
        self.down, self.middle, self.up = (nn.ModuleList() for _ in range(3))
        widths = self._descend()
        x = widths[-1]
        ends = [Residual(x, x, architecture) for _ in range(2)]
        self.middle.extend([ends[0], self._attention(x), ends[1]])
        x = self._ascend(widths)
        self.norm = _norm(x, architecture.groups)
        self.last = nn.Conv2d(x, image_shape[2], 3, padding=1)

    def _attention(self, channels: int) -> Attention:
        return Attention(channels, self.architecture)

    def _stage(self, before: int, after: int, sampling: str = "") -> nn.ModuleList:
        parts: list[nn.Module] = [Residual(before, after, self.architecture, sampling)]
        if not sampling and self.side in self.architecture.attention:
            parts.append(self._attention(after))
        return nn.ModuleList(parts)

    def _descend(self) -> list[int]:
        """Fill `down` and return the widths of what it leaves for the way up."""
        base = self.architecture.base
        widths = [base]
        for level, multiplier in enumerate(self.architecture.multipliers):
            if level > 0:
                self.down.append(self._stage(widths[-1], widths[-1], "down"))
                widths.append(widths[-1])
                self.side //= 2
            for _ in range(self.architecture.blocks):
                self.down.append(self._stage(widths[-1], multiplier * base))
                widths.append(multiplier * base)
        return widths

    def _ascend(self, widths: list[int]) -> int:
        """Fill `up` and return the width at its end."""
        x = widths[-1]
        levels = list(enumerate(self.architecture.multipliers))
        for level, multiplier in reversed(levels):
            width = multiplier * self.architecture.base
            for _ in range(self.architecture.blocks + 1):
                self.up.append(self._stage(x + widths.pop(), width))
                x = width
            if level > 0:
                self.up.append(self._stage(x, x, "up"))
                self.side *= 2
        return x

    def forward(self, images: Tensor, timesteps: Tensor) -> Tensor:
        """Return the noise in images (n, c, h, w) at timesteps (n,)."""
        time = sinusoids(timesteps, self.architecture.base)
        time = functional.silu(self.time1(time))
        time = functional.silu(self.time2(time))
        x = self.first(images)
        skips = [x]
        for part in self.down:
            x = run(part, x, time)
            skips.append(x)
        x = run(self.middle, x, time)
        for part in self.up:
            up = part[0].sampling == "up"
            x = run(part, x if up else torch.cat([x, skips.pop()], 1), time)
        return self.last(functional.silu(self.norm(x)))


def run(part: Sequence[nn.Module], x: Tensor, time: Tensor) -> Tensor:
    """Apply residual blocks and attentions one after the other."""
    for layer in part:
        x = layer(x, time) if isinstance(layer, Residual) else layer(x)
    return x


def sinusoids(timesteps: Tensor, width: int) -> Tensor:
    """Return (n, width), sines first."""
    exponents = torch.arange(width // 2, device=timesteps.device) / (width // 2)
    angles = timesteps[:, None] * torch.exp(-math.log(PERIODS) * exponents)
    return torch.cat([angles.sin(), angles.cos()], 1)


def steps(
    images: np.ndarray,
    noise: np.ndarray,
    timesteps: np.ndarray,
    architecture: Architecture,
    precision: str,
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return a training step and a reconstruction of `CALLS` calls of the network.

    Args:
        images: uint8 (n, h, w, c).
        noise: of the same shape, added with equal weight: the cost is what matters.
        timesteps: (n,).
        architecture: of the network.
        precision: "float32", or "bfloat16" for `torch.autocast`.
    """
    where = device()
    network = UNet(images.shape[1:], architecture).to(where)
    network = network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), 1e-4)
    clean, target = (
        torch.from_numpy(x.transpose(0, 3, 1, 2).astype("float32")).to(where)
        for x in (images / 127.5 - 1, noise)
    )
    noisy = (clean + target).contiguous(memory_format=torch.channels_last)
    times = torch.from_numpy(timesteps.astype("float32")).to(where)

    def predict() -> Tensor:
        with torch.autocast(where, torch.bfloat16, precision == "bfloat16"):
            return network(noisy, times).float()

    def train() -> float:
        optimizer.zero_grad()
        loss = functional.mse_loss(predict(), target)
        loss.backward()
        optimizer.step()
        return float(loss.detach())  # waits for a GPU

    def reconstruct() -> np.ndarray:
        with torch.inference_mode():
            x = noisy
            for _ in range(CALLS):  # as much work as steps of DDIM, whatever the shares
                with torch.autocast(where, torch.bfloat16, precision == "bfloat16"):
                    predicted_noise = network(x, times).float()
                guess = (x - 0.5 * predicted_noise) / 0.8
                x = 0.9 * guess + 0.3 * predicted_noise + 0.1 * target
            return x.cpu().numpy()

    return train, reconstruct


def predicted(
    weights: Sequence[np.ndarray],
    images: np.ndarray,
    timesteps: np.ndarray,
    architecture: Architecture,
) -> np.ndarray:
    """Return the noise (n, h, w, c) that the network predicts with `weights`.

    They are those of all convolutions as Keras has them, then of all normalisations,
    then of all dense layers, each kind in the order in which the layers were made.
    """
    network = UNet(images.shape[1:], architecture)
    kinds = (nn.Conv2d, nn.GroupNorm, nn.Linear)
    layers = [x for kind in kinds for x in network.modules() if isinstance(x, kind)]
    parameters = [parameter for layer in layers for parameter in layer.parameters()]
    with torch.no_grad():
        for parameter, weight in zip(parameters, weights, strict=True):
            axes = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}[weight.ndim]
            parameter.copy_(torch.from_numpy(weight.transpose(axes).copy()))
        inputs = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
        noise = network(inputs, torch.from_numpy(timesteps))
    return noise.permute(0, 2, 3, 1).numpy()
