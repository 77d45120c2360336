"""Sharing batches among devices: the same training, whatever their number."""

import keras
import numpy as np
import pytest

from autoencoder.architectures import ARCHITECTURES
from methods.base import TrainingImages
from methods.cae.training import train
from methods.engine.batches import InOrder
from methods.engine.devices import Filled, share
from methods.engine.settings import Settings
from tests.array_images import ArrayImages

JAX = keras.backend.backend() == "jax"
on_jax = pytest.mark.skipif(not JAX, reason="Keras shares batches with JAX alone")


@pytest.fixture(autouse=True)
def unshared():
    yield
    keras.distribution.set_distribution(None)


def test_a_batch_is_filled_up_with_its_first_images():
    batches = InOrder(lambda chosen: (chosen, chosen[:, None] * 2.5), 7, 4)
    batches = Filled(batches, 3)
    assert len(batches) == 2
    for batch, expected in zip(
        (batches[0], batches[1]), ([0, 1, 2, 3, 0, 1], [4, 5, 6]), strict=True
    ):
        np.testing.assert_array_equal(batch[0], expected)
        np.testing.assert_array_equal(batch[1], np.array(expected)[:, None] * 2.5)


@on_jax
@pytest.mark.usefixtures("short_epochs", "few_layers")
def test_two_devices_train_as_one(rng):
    images = rng.integers(0, 256, (12, 64, 64, 1), np.uint8)
    settings = Settings(epochs=2, learning_rate=1e-3, batch_size=4)
    losses = []
    for devices in (1, 2):
        if devices == 2:
            share(["cpu:0", "cpu:1"])
        network, state = train(
            lambda: ARCHITECTURES["mvtecCAE"]((64, 64, 1)),
            TrainingImages(
                ArrayImages(images[:8]),
                ArrayImages(images[8:11]),  # an uneven batch
            ),
            "ssim",
            settings,
        )
        losses.append([(row["loss"], row["val_loss"]) for row in state["history"]])
        kernel = network.trainable_weights[0].value
        assert len(kernel.sharding.device_set) == devices
        assert network.predict_on_batch(images[:3] / 255).shape == (3, 64, 64, 1)
    np.testing.assert_allclose(losses[0], losses[1], rtol=2e-2)
    training, _ = np.array(losses).transpose(2, 0, 1)
    np.testing.assert_allclose(training[0], training[1], rtol=1e-4)
