import keras
import numpy as np
import pytest
from keras import layers

from autoencoder.architectures import ARCHITECTURES
from autoencoder.fusion import UpsampledConv, fold_matrix, fuse
from autoencoder.normalisation import KernelNormalization


@pytest.mark.parametrize(
    ("kernel", "upsampling", "stride"),
    [(8, 2, 1), (5, 2, 1), (4, 2, 2), (3, 2, 1), (4, 4, 2), (7, 3, 1), (6, 4, 1)],
)
def test_fused_convolution_equals_both_layers(rng, kernel, upsampling, stride):
    conv = layers.Conv2D(3, kernel, stride, "same", activation="relu")
    images = rng.standard_normal((2, 6, 10, 4), np.float32)
    expected = conv(layers.UpSampling2D(upsampling)(images))
    actual = UpsampledConv(conv, upsampling)(images)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_every_kernel_row_is_used_once_a_phase():
    fold = fold_matrix(8, 2, 1)
    assert fold.shape == (2, 5, 8)
    np.testing.assert_array_equal(fold.sum(axis=1), 1)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_fused_network_shares_weights_and_gives_equal_images(name, rng):
    side = 256 if name == "skipCAE" else 64
    network = ARCHITECTURES[name]((side, side, 1))
    fused = fuse(network)
    images = rng.random((1, side, side, 1), np.float32)
    assert [id(w) for w in fused.weights] == [id(w) for w in network.weights]
    np.testing.assert_allclose(fused(images), network(images), atol=1e-5)


def test_batch_normalisations_are_fused_under_tensorflow_alone():
    network = fuse(ARCHITECTURES["AE"]((64, 64, 1)))
    kinds = [type(layer) for layer in network.layers]
    fused = 3 if keras.backend.backend() == "tensorflow" else 0
    assert kinds.count(KernelNormalization) == fused
    assert kinds.count(layers.BatchNormalization) == 3 - fused


def test_convolutions_that_gain_nothing_stay():
    images = keras.Input((8, 8, 2))
    x = layers.UpSampling2D(2)(images)
    one, three = layers.Conv2D(2, 1)(x), layers.Conv2D(2, 3, padding="same")(x)
    fused = fuse(keras.Model(images, [one, three]))
    assert not any(isinstance(layer, UpsampledConv) for layer in fused.layers)
