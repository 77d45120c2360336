"""Tiny GANs and what they are trained on."""

import pytest

from methods.anogan.settings import Settings


@pytest.fixture
def settings():
    """Return a function from changes to settings of a training of seconds."""

    def make(**changes):
        options = {
            "image_shape": (32, 32, 1),
            "latent": 4,
            "width": 2,
            "batch_size": 4,
            "epochs": 2,
            "encoder_epochs": 0,
            "learning_rate": 2e-3,
            "policy": "float32",
            "seed": 3,
        }
        return Settings(**{**options, **changes})

    return make


@pytest.fixture
def images(rng):
    """Return eight images of a bright square on dark ground."""
    images = rng.integers(0, 40, (8, 32, 32, 1)).astype("uint8")
    images[:, 8:24, 8:24] += 200
    return images
