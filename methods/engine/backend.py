"""Import Keras without the start-up chatter of its backend; use several devices."""

import contextlib
import importlib
import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from processing.errors import UsageError

# What Keras and TensorFlow import, where it is installed, for functions of theirs that
# no program of ours calls; it is half of the time that they take.
UNUSED = ("jax", "matplotlib", "pandas", "sklearn")
BACKENDS = {"tensorflow": "tensorflow", "jax": "jax", "torch": "torch"}  # packages


_spared: list[str] = []


def spare_imports() -> None:
    """Let `load_backend` import Keras without `UNUSED`.

    For programs: in a notebook someone may call those functions of Keras.
    """
    _spared[:] = [name for name in UNUSED if name != chosen_backend()]


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
            with _hidden(_spared):
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


@contextlib.contextmanager
def _hidden(names: Sequence[str]) -> Iterator[None]:
    """Let packages that are not imported yet be as if they were not installed."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


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
