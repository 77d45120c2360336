import keras
import numpy as np
import pytest

from autoencoder.architectures import ARCHITECTURES
from methods.cae.segmenter import marking_model, segmenter
from processing.maps.residuals import smooth


@pytest.mark.parametrize("shape", [(64, 64, 1), (32, 96, 3)])
def test_shapes(shape, rng, eager):
    height, width, channels = shape
    network = segmenter(shape)
    assert network.output_shape == (None, height, width)
    pairs = rng.random((2, height, width, 2 * channels), np.float32)
    assert network.predict_on_batch(pairs).shape == (2, height, width)


def test_maps_are_blurred_probabilities_and_scores_their_highest_values(rng, eager):
    autoencoder, network = ARCHITECTURES["AE"]((32, 32, 1)), segmenter((32, 32, 1))
    images = rng.random((3, 32, 32, 1), np.float32)
    maps, scores = marking_model(autoencoder, network, 1.5).predict_on_batch(images)
    pairs = np.concatenate([images, autoencoder.predict_on_batch(images)], axis=-1)
    logits = network.predict_on_batch(pairs)
    expected = smooth(1 / (1 + np.exp(-logits)), 1.5)
    np.testing.assert_allclose(maps, expected, atol=1e-5)
    np.testing.assert_array_equal(scores, maps.max(axis=(1, 2)))


def test_the_reconstruction_is_seen(rng, eager):
    """Of the same images, another autoencoder gives another map."""
    network, images = segmenter((32, 32, 1)), rng.random((1, 32, 32, 1), np.float32)
    seen = keras.Input((32, 32, 1))
    maps = [
        marking_model(keras.Model(seen, value * seen), network, 0.0)(images)[0]
        for value in (0.0, 1.0)
    ]
    assert np.abs(np.asarray(maps[0]) - np.asarray(maps[1])).max() > 1e-4
