"""Vector-Jacobian products of chains of layers in closed form, on every backend.

Keras has no operation for gradients that its backends share outside of training. At
inference a chain of stock layers needs none: the gradient of a convolution is its
transposed convolution with the same kernel, and the other way round.
"""

from collections.abc import Callable, Sequence
from typing import Any

from keras import layers, ops

VJP = Callable[[Any], Any]  # from the gradient of a layer's output to that of its input


def _conv(layer: Any, x: Any) -> tuple[Any, VJP]:
    def vjp(gradient: Any) -> Any:
        return ops.conv_transpose(
            gradient, layer.kernel, strides=layer.strides, padding=layer.padding
        )

    return layer(x), vjp


def _conv_transpose(layer: Any, x: Any) -> tuple[Any, VJP]:
    def vjp(gradient: Any) -> Any:
        return ops.conv(
            gradient, layer.kernel, strides=layer.strides, padding=layer.padding
        )

    return layer(x), vjp


def _dense(layer: Any, x: Any) -> tuple[Any, VJP]:
    return layer(x), lambda gradient: ops.matmul(gradient, ops.transpose(layer.kernel))


def _batch_normalization(layer: Any, x: Any) -> tuple[Any, VJP]:
    scale = layer.gamma / ops.sqrt(layer.moving_variance + layer.epsilon)
    return layer(x, training=False), lambda gradient: gradient * scale


def _relu(layer: Any, x: Any) -> tuple[Any, VJP]:
    slope = getattr(layer, "negative_slope", 0.0)
    return layer(x), lambda gradient: ops.where(x > 0, gradient, slope * gradient)


def _tanh(layer: Any, x: Any) -> tuple[Any, VJP]:
    y = layer(x)
    return y, lambda gradient: gradient * (1 - y * y)


def _rescaling(layer: Any, x: Any) -> tuple[Any, VJP]:
    return layer(x), lambda gradient: gradient * layer.scale


def _reshape(layer: Any, x: Any) -> tuple[Any, VJP]:
    shape = (-1, *x.shape[1:])
    return layer(x), lambda gradient: ops.reshape(gradient, shape)


RULES: dict[type, Callable] = {
    layers.Conv2D: _conv,
    layers.Conv2DTranspose: _conv_transpose,
    layers.Dense: _dense,
    layers.BatchNormalization: _batch_normalization,
    layers.ReLU: _relu,
    layers.LeakyReLU: _relu,
    layers.Activation: _tanh,
    layers.Flatten: _reshape,
    layers.Reshape: _reshape,
    layers.Rescaling: _rescaling,
}


def check_chain(chain: Sequence[Any]) -> None:
    """Raise ValueError for a layer that there is no rule for."""
    for layer in chain:
        activation = getattr(getattr(layer, "activation", None), "__name__", "linear")
        expected = "tanh" if isinstance(layer, layers.Activation) else "linear"
        if type(layer) not in RULES or activation != expected:
            raise ValueError(f"no rule for the gradient of {layer.name} ({activation})")


def value_and_vjp(chain: Sequence[Any], x: Any) -> tuple[Any, VJP]:
    """Return the output of a chain of layers at inference, and its VJP.

    Args:
        chain: layers of `RULES`, one after the other; convolutions without an
            activation of their own, and with strides that divide their input.
        x: input of the first one.

    Returns:
        The output, and the function from a loss's gradient with respect to it to the
        gradient with respect to `x`, both of the same shapes.
    """
    check_chain(chain)
    vjps = []
    for layer in chain:
        x, of_layer = RULES[type(layer)](layer, x)
        vjps.append(of_layer)

    def vjp(gradient: Any) -> Any:
        for of_layer in reversed(vjps):
            gradient = of_layer(gradient)
        return gradient

    return x, vjp
