"""Import Keras without the start-up chatter of its backend."""

import importlib
import logging
import os
import sys
import tempfile


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
