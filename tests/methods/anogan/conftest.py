"""Tiny GANs and what they are trained on."""

import numpy as np
import pytest

from methods.engine.settings import Settings


@pytest.fixture(scope="module")
def settings():
    """Return a function from changes to settings of a training of seconds."""

    def make(**changes):
        options = {"batch_size": 4, "epochs": 2, "learning_rate": 2e-3, "seed": 3}
        return Settings(**{**options, "patience": None, **changes})

    return make


@pytest.fixture(scope="module")
def images():
    """Return eight images of a bright square on dark ground."""
    images = np.random.default_rng(0).integers(0, 40, (8, 32, 32, 1)).astype("uint8")
    images[:, 8:24, 8:24] += 200
    return images
