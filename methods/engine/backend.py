"""Import Keras without the start-up chatter of its backend; use several devices."""

import contextlib
import importlib
import json
import logging
import os
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from processing.errors import UsageError

BACKENDS = {"tensorflow": "tensorflow", "jax": "jax", "torch": "torch"}  # packages


def load_backend() -> None:
    """Import Keras and its backend; what they print meanwhile shows only on failure.

    TensorFlow writes to the file descriptor of stderr before any of its own settings
    apply, so that is what is caught.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("jax").setLevel(logging.WARNING)  # the devices it did not find
    sys.stderr.flush()
    before = os.dup(2)
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            importlib.import_module("keras")
        except Exception:
            caught.seek(0)
            os.write(before, caught.read())
            raise
        finally:
            os.dup2(before, 2)
            os.close(before)
    # Afterwards, as TensorFlow sets another level in notebooks. "Retracing" is meant.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def chosen_backend() -> str:
    """Return the backend that Keras is set to import."""
    chosen = os.environ.get("KERAS_BACKEND")
    if not chosen:
        home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
        with contextlib.suppress(OSError, ValueError, AttributeError):
            chosen = json.loads((home / "keras.json").read_text()).get("backend")
    return chosen or "tensorflow"


def check_backend(devices: int = 1) -> None:
    """Raise `UsageError` for a backend that is not there, or cannot share batches."""
    chosen = chosen_backend()
    if chosen not in BACKENDS or find_spec(BACKENDS[chosen]) is None:
        raise UsageError(
            f"KERAS_BACKEND: expected one of {', '.join(BACKENDS)} that is installed. "
            f"Received: {chosen}"
        )
    if devices > 1 and chosen != "jax":
        raise UsageError(
            "--devices: Keras shares batches with JAX alone, expected "
            f"KERAS_BACKEND=jax. Received: {chosen}"
        )


def use_devices(count: int) -> None:
    """Let `count` devices share every batch of all models made from now on.

    Raises:
        UsageError: there are fewer, or Keras cannot share batches on this backend.
    """
    if count == 1:
        return
    import keras

    from .devices import share

    check_backend(count)
    devices = keras.distribution.list_devices()
    if count > len(devices):
        raise UsageError(
            f"--devices: expected at most {len(devices)} ({', '.join(devices)}). "
            f"Received: {count}"
        )
    share(devices[:count])
