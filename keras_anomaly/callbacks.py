"""What is told of a training run while it runs."""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from processing.errors import UsageError, UserError

if TYPE_CHECKING:
    from .detector import Detector


class Callback:
    """Is told of a training run; subclasses override what they need."""

    def on_fit_begin(self, detector: "Detector") -> None:
        """Take a detector whose training begins."""

    def on_epoch(self, epoch: int, logs: dict[str, float]) -> None:
        """Take what Keras knows after an epoch, such as "loss" and "val_loss".

        Methods that train no network, such as PaDiM and PatchCore, have no epochs.

        Args:
            epoch: counted from 0, in each stage of a method that trains in several.
            logs: by name.
        """

    def on_fit_end(self, detector: "Detector") -> None:
        """Take a detector that is fitted and calibrated."""


def as_keras(callback: Any) -> Any:
    """Return a callback as one of Keras; a `UsageError` for what is neither."""
    import keras

    if isinstance(callback, Callback):
        return keras.callbacks.LambdaCallback(on_epoch_end=callback.on_epoch)
    if isinstance(callback, keras.callbacks.Callback):
        return callback
    raise UsageError(
        "callbacks: expected objects of keras_anomaly.Callback, or of Keras. "
        f"Received: {type(callback).__name__}"
    )


def optional(package: str) -> Any:
    """Import a package that is an extra; a `UserError` if it is not installed."""
    if find_spec(package) is None:
        raise UserError(
            f"{package} is not installed: pip install 'keras-anomaly[{package}]'"
        )
    return import_module(package)


def settings(detector: "Detector") -> dict[str, Any]:
    """Return what a logger notes of a detector: its method and its parameters."""
    return {"method": detector.method, **detector.get_params()}


def summary(detector: "Detector") -> dict[str, float]:
    """Return the numbers that a logger notes of a fitted detector: its decision."""
    decision = detector.decision_
    found = {
        "threshold": decision.threshold,
        "min_area": decision.min_area,
        "recall": decision.TPR,
        "specificity": decision.TNR,
    }
    return {key: float(value) for key, value in found.items() if value is not None}
