"""Import Keras without the start-up chatter of its backend; use several devices."""

import importlib
import logging
import os
import sys
import tempfile

from processing.errors import UsageError


def load_backend() -> None:
    """Import Keras and its backend; what they print meanwhile shows only on failure.

    TensorFlow writes to the file descriptor of stderr before any of its own settings
    apply, so that is what is caught.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("jax").setLevel(logging.WARNING)  # the devices it did not find
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # "retracing" is meant
    sys.stderr.flush()
    before = os.dup(2)
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            importlib.import_module("keras")
        except BaseException:
            caught.seek(0)
            os.write(before, caught.read())
            raise
        finally:
            os.dup2(before, 2)
            os.close(before)


def use_devices(count: int) -> None:
    """Let `count` devices share every batch of all models made from now on.

    Raises:
        UsageError: there are fewer, or Keras cannot share batches on this backend.
    """
    if count == 1:
        return
    import keras

    from .devices import share

    if keras.backend.backend() != "jax":
        raise UsageError(
            "--devices: Keras shares batches with JAX alone, expected "
            f"KERAS_BACKEND=jax. Received: {keras.backend.backend()}"
        )
    devices = keras.distribution.list_devices()
    if count > len(devices):
        raise UsageError(
            f"--devices: expected at most {len(devices)} ({', '.join(devices)}). "
            f"Received: {count}"
        )
    share(devices[:count])
