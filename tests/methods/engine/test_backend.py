import importlib
import json
import logging
import subprocess
import sys

import keras
import pytest

from methods.engine import backend
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


PROGRAM = """
import json, sys
from methods.engine import backend
backend.spare_imports()
backend.load_backend()
spared = [name for name in backend.UNUSED if name in sys.modules]
import matplotlib.pyplot, pandas, sklearn.cluster
print(json.dumps([spared, "keras" in sys.modules]))
"""


@pytest.mark.skipif(JAX, reason="which imports JAX")
def test_programs_import_keras_without_what_they_do_not_use():
    """What they import themselves afterwards is there."""
    words = [sys.executable, "-W", "ignore", "-c", PROGRAM]
    output = subprocess.run(words, capture_output=True, text=True, check=True)
    assert json.loads(output.stdout.splitlines()[-1]) == [[], True]


def test_what_is_hidden_is_there_again(monkeypatch):
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with backend._hidden(["colorsys", "json"]):
        with pytest.raises(ImportError, match="colorsys"):
            importlib.import_module("colorsys")
        assert importlib.import_module("json") is json  # was imported before
    assert importlib.import_module("colorsys")
