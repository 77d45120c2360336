import keras
import numpy as np
import pytest
from keras import layers

from methods.anogan import networks
from methods.components.pullback import value_and_vjp


def by_autodiff(chain, x, weights):
    """Return the gradient of sum(weights * chain(x)) by the backend's own means."""

    def loss(x):
        for layer in chain:
            x = layer(x)
        return keras.ops.sum(weights * x)

    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.grad(loss)(x))
    if keras.backend.backend() != "tensorflow":
        pytest.skip("compares with TensorFlow's and JAX's gradients")
    import tensorflow as tf

    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = loss(x)
    return tape.gradient(value, x).numpy()


def shaken(network, rng):
    """Give every weight, statistics too, a random value; variances stay positive."""
    network.set_weights(
        [np.abs(rng.normal(0.5, 0.3, w.shape)) + 0.1 for w in network.weights]
    )
    for layer in network.layers:
        if hasattr(layer, "kernel"):
            layer.kernel.assign(rng.normal(0, 0.1, layer.kernel.shape))
    return network


def chains(rng):
    shape = (32, 32, 3)
    yield shaken(networks.generator(shape, 5, 2), rng).layers[1:], (2, 5)
    yield shaken(networks.discriminator(shape, 2), rng).layers[1:], (2, *shape)
    kernels = layers.Conv2D(4, 6, 4, "same"), layers.Conv2D(3, 3)
    dense = layers.Flatten(), layers.Dense(5), layers.ReLU(), layers.Dense(2)
    network = keras.Sequential([layers.Input((16, 16, 2)), *kernels, *dense])
    yield shaken(network, rng).layers, (2, 16, 16, 2)


def test_gradients_are_those_of_autodiff(rng):
    for chain, shape in chains(rng):
        x = rng.normal(size=shape).astype("float32")
        value, vjp = value_and_vjp(chain, x)
        weights = rng.normal(size=value.shape).astype("float32")
        gradient = np.asarray(vjp(weights))
        assert gradient.shape == shape
        expected = by_autodiff(chain, x, weights)
        np.testing.assert_allclose(
            gradient, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max()
        )


@pytest.mark.parametrize(
    "layer", [layers.MaxPooling2D(), layers.Dense(2, "relu"), layers.Activation("relu")]
)
def test_a_layer_without_a_rule_is_refused(layer, rng):
    with pytest.raises(ValueError, match=f"no rule .* {layer.name}"):
        value_and_vjp([layer], rng.random((1, 4, 4, 2), "float32"))
