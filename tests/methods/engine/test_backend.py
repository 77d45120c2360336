import importlib
import logging

import keras
import pytest

from methods.engine.backend import load_backend, use_devices
from processing.errors import UsageError

JAX = keras.backend.backend() == "jax"


@pytest.mark.skipif(not JAX, reason="Keras shares batches with JAX alone")
def test_more_devices_than_there_are():
    with pytest.raises(UsageError, match=r"expected at most 2 \(cpu:0, cpu:1\)"):
        use_devices(3)


@pytest.mark.skipif(JAX, reason="of other backends")
def test_a_backend_that_cannot_share():
    use_devices(1)
    with pytest.raises(UsageError, match="KERAS_BACKEND=jax. Received: tensorflow"):
        use_devices(2)


def test_tensorflow_is_quiet_in_notebooks_too(monkeypatch):
    logger = logging.getLogger("tensorflow")
    # As importing it does where Python is interactive.
    loud = lambda _: logger.setLevel(logging.INFO)  # noqa: E731
    monkeypatch.setattr(importlib, "import_module", loud)
    load_backend()
    assert logger.level == logging.ERROR
