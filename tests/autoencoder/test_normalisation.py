import keras
import numpy as np
import pytest
from keras import layers

from autoencoder.normalisation import KernelNormalization, has_kernel

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="other backends fuse by themselves"
)


def trained(layer, norm, images, weights):
    """Return output, gradients of a weighted sum, and the averages after one step."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        output = layer(images, training=True)
        total = tf.reduce_sum(tf.cast(output, "float32") * weights)
    gradients = tape.gradient(total, [images, norm.gamma, norm.beta])
    arrays = [output, *gradients, norm.moving_mean, norm.moving_variance]
    return [np.asarray(tf.cast(x, "float32")) for x in arrays]


def normalisation(rng, dtype):
    """Return a batch normalisation of three channels with weights of its own."""
    norm = layers.BatchNormalization(momentum=0.8, epsilon=1e-4, dtype=dtype)
    norm.build((None, 6, 5, 3))
    norm.set_weights(rng.uniform(0.5, 2, (4, 3)).astype("f4"))
    return norm


@pytest.mark.parametrize(
    ("dtype", "most"), [("float32", 2e-5), ("mixed_bfloat16", 0.02)]
)
def test_a_step_is_that_of_the_layer_by_keras(dtype, most, rng):
    images = tf.constant(3 + 2 * rng.standard_normal((4, 6, 5, 3)), "float32")
    weights = tf.constant(rng.standard_normal((4, 6, 5, 3)), "float32")
    if dtype == "mixed_bfloat16":
        images = tf.cast(images, "bfloat16")
    norm = normalisation(rng, dtype)
    before = norm.get_weights()
    expected = trained(norm, norm, images, weights)
    norm.set_weights(before)
    actual = trained(KernelNormalization(norm), norm, images, weights)
    for ours, theirs in zip(actual, expected, strict=True):
        scale = np.abs(theirs).max()
        np.testing.assert_allclose(ours, theirs, atol=most * scale)
    assert np.abs(actual[-1] - before[-1]).max() > 0.1


@pytest.mark.parametrize("trainable", [True, False])
def test_averages_count_when_it_does_not_train(trainable, rng):
    images = rng.standard_normal((4, 6, 5, 3), np.float32)
    norm = normalisation(rng, "float32")
    norm.trainable = trainable
    before = norm.get_weights()
    output = KernelNormalization(norm)(images, training=not trainable)
    np.testing.assert_array_equal(output, norm(images, training=False))
    np.testing.assert_array_equal(norm.get_weights(), before)


@pytest.mark.parametrize(
    "layer",
    [
        layers.BatchNormalization(scale=False),
        layers.BatchNormalization(center=False),
        layers.BatchNormalization(axis=1),
        layers.LayerNormalization(),
    ],
)
def test_others_have_no_kernel(layer):
    images, features = keras.Input((8, 8, 3)), keras.Input((3,))
    assert has_kernel(layers.BatchNormalization(), images)
    assert not has_kernel(layers.BatchNormalization(), features)
    assert not has_kernel(layer, images)
