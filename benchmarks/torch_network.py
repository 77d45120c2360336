"""A Keras network of stock layers in PyTorch, with the same weights."""

from collections.abc import Callable
from typing import Any

import keras
import torch
from torch import nn
from torch.nn import functional

Tensor = torch.Tensor


class Translated(nn.Module):
    """What a functional Keras model computes, of images (n, c, h, w).

    Layers begin with the weights that those of the model have. Upsampling and the
    convolution behind it stay two steps.

    Args:
        network: of the layers of `TRANSLATIONS`, from one tensor to one.
    """

    def __init__(self, network: keras.Model):
        super().__init__()
        self.steps: list[tuple[str, list[int], int]] = []
        self.penalties: list[tuple[str, float]] = []
        self.start, self.end = id(network.input), id(network.output)
        for layer in network.layers:
            if isinstance(layer, keras.layers.InputLayer):
                continue
            self.add_module(layer.name, TRANSLATIONS[type(layer).__name__](layer))
            inputs = layer.input if isinstance(layer.input, list) else [layer.input]
            self.steps.append((layer.name, [id(x) for x in inputs], id(layer.output)))
            regularizer = getattr(layer, "kernel_regularizer", None)
            if regularizer:
                self.penalties.append((layer.name, float(regularizer.l2)))

    def forward(self, images: Tensor) -> Tensor:
        """Return the model's output, (n, c, h, w)."""
        made = {self.start: images}
        for name, inputs, output in self.steps:
            made[output] = getattr(self, name)(*[made[i] for i in inputs])
        return made[self.end]

    def penalty(self) -> Tensor | float:
        """Return the sum of the penalties on weights."""
        modules = ((getattr(self, name), factor) for name, factor in self.penalties)
        return sum(factor * m.kernel.weight.square().sum() for m, factor in modules)


class Step(nn.Module):
    """A layer with weights, and what comes before and after it."""

    def __init__(self, kernel: nn.Module, before: Callable, after: Callable):
        super().__init__()
        self.kernel, self.before, self.after = kernel, before, after

    def forward(self, x: Tensor) -> Tensor:
        """Return what the layer makes of a batch."""
        return self.after(self.kernel(self.before(x)))


class Function(nn.Module):
    """A layer without weights."""

    def __init__(self, function: Callable):
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return what the layer makes of batches."""
        return self.function(*inputs)


def _tensor(array: Any) -> Tensor:
    return torch.from_numpy(array.copy())


def _fill(module: nn.Module, layer: Any, axes: tuple[int, ...]) -> nn.Module:
    """Put kernel and bias of a Keras layer into a module; `axes` of the kernel."""
    kernel, bias = layer.get_weights()
    with torch.no_grad():
        module.weight.copy_(_tensor(kernel.transpose(axes)))
        module.bias.copy_(_tensor(bias))
    return module


def _activation(layer: Any) -> Callable:
    return ACTIVATIONS[layer.activation.__name__]


ACTIVATIONS: dict[str, Callable] = {
    "linear": lambda x: x,
    "relu": functional.relu,
    "sigmoid": lambda x: torch.sigmoid(x.float()),
}


def _padding(layer: Any) -> tuple[int, int]:
    """Return the rows of "same" padding before and after, for sides that suit."""
    total = max(layer.kernel_size[0] - layer.strides[0], 0)
    before = total // 2 if layer.padding == "same" else 0
    return before, total - before if layer.padding == "same" else 0


def _conv(layer: Any) -> nn.Module:
    before, after = _padding(layer)
    channels, even = layer.kernel.shape[2], before == after
    module = nn.Conv2d(
        channels,
        layer.filters,
        tuple(layer.kernel_size),
        tuple(layer.strides),
        before if even else 0,
    )
    pad = ACTIVATIONS["linear"] if even else nn.ZeroPad2d((before, after) * 2)
    return Step(_fill(module, layer, (3, 2, 0, 1)), pad, _activation(layer))


def _transposed(layer: Any) -> nn.Module:
    before, after = _padding(layer)
    activation, cut = _activation(layer), after - before
    module = nn.ConvTranspose2d(
        layer.kernel.shape[3],
        layer.filters,
        tuple(layer.kernel_size),
        tuple(layer.strides),
        before,
    )

    def end(x: Tensor) -> Tensor:
        return activation(x[..., :-cut, :-cut] if cut else x)

    same = ACTIVATIONS["linear"]
    return Step(_fill(module, layer, (3, 2, 0, 1)), same, end)


def _dense(layer: Any) -> nn.Module:
    module = nn.Linear(*layer.kernel.shape)
    same = ACTIVATIONS["linear"]
    return Step(_fill(module, layer, (1, 0)), same, _activation(layer))


def _norm(layer: Any) -> nn.Module:
    gamma, beta, mean, variance = map(_tensor, layer.get_weights())
    module = nn.BatchNorm2d(len(gamma), layer.epsilon, 1 - layer.momentum)
    names = ("weight", "bias", "running_mean", "running_var")
    values = zip(names, (gamma, beta, mean, variance), strict=True)
    module.load_state_dict(dict(values), strict=False)
    return module


def _pooling(layer: Any) -> nn.Module:
    size, stride = layer.pool_size[0], layer.strides[0]
    total = size - stride if layer.padding == "same" else 0
    pad = total // 2, total - total // 2

    def pool(x: Tensor) -> Tensor:
        if pad[0] == pad[1]:
            return functional.max_pool2d(x, size, stride, pad[0])
        x = functional.pad(x, pad * 2, value=-torch.inf)
        return functional.max_pool2d(x, size, stride)

    return Function(pool)


def _flatten(layer: Any) -> nn.Module:
    return Function(lambda x: x.permute(0, 2, 3, 1).flatten(1))


def _reshape(layer: Any) -> nn.Module:
    shape = layer.target_shape
    return Function(lambda x: x.reshape(-1, *shape).permute(0, 3, 1, 2))


TRANSLATIONS: dict[str, Callable[[Any], nn.Module]] = {
    "Activation": lambda layer: Function(_activation(layer)),
    "Add": lambda _: Function(torch.add),
    "BatchNormalization": _norm,
    "Concatenate": lambda _: Function(lambda *parts: torch.cat(parts, 1)),
    "Conv2D": _conv,
    "Conv2DTranspose": _transposed,
    "Dense": _dense,
    "Flatten": _flatten,
    "LeakyReLU": lambda layer: nn.LeakyReLU(layer.negative_slope),
    "MaxPooling2D": _pooling,
    "ReLU": lambda _: nn.ReLU(),
    "Rescaling": lambda layer: Function(lambda x: x * layer.scale + layer.offset),
    "Reshape": _reshape,
    "UpSampling2D": lambda layer: nn.Upsample(scale_factor=tuple(layer.size)),
}
