"""Early stopping, plateaus, the best weights, and all that a resumed run needs."""

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from methods.base import StateError
from processing.errors import shortened

log = logging.getLogger(__name__)

SMALLEST_RATE = 1e-7
POLICIES = ("float32", "mixed_bfloat16")
KINDS = {  # of a state's values
    **dict.fromkeys(("epochs", "best_epoch", "waiting"), int),
    **{"policy": str, "best": float, "finished": bool, "history": list},
}
COLUMNS = {"epoch", "loss", "val_loss", "learning_rate", "seconds"}  # of a history


class TrainingDivergedError(RuntimeError):
    """The loss was not finite before any epoch had ended well."""


class Progress(keras.callbacks.Callback):
    """Stop without improvement, halve the rate on plateaus, keep the best weights.

    Those are the weights that were validated: averaged ones, if a callback behind this
    one puts them into the model for the validation.

    Args:
        patience: epochs without a lower val_loss until training ends; None where the
            val_loss means nothing: trains to the end and keeps the last weights.
        plateau: epochs without a lower val_loss until the learning rate is halved.
        save: called after every epoch with arrays by name and a JSON-able state.

    Attributes:
        state: epoch counters and `history`, one dict an epoch.
    """

    def __init__(
        self, patience: int | None, plateau: int = 1, save: Callable | None = None
    ):
        super().__init__()
        self.patience = patience
        self.plateau = plateau
        self.save = save
        self.best_weights: list[np.ndarray] = []
        self.validated: list[np.ndarray] = []
        self.state: dict = {
            "epochs": 0,
            "best": math.inf,
            "best_epoch": 0,
            "waiting": 0,
            "finished": False,
            "history": [],
        }

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note the time."""
        self.started = time.perf_counter()

    def on_test_end(self, logs: Any = None) -> None:
        """Note the weights that were validated."""
        self.validated = self.model.get_weights()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Record the epoch and decide what follows it."""
        state, rate = self.state, float(self.model.optimizer.learning_rate)
        loss, val_loss = float(logs["loss"]), float(logs["val_loss"])
        seconds = time.perf_counter() - self.started
        row = {"epoch": epoch + 1, **{key: float(value) for key, value in logs.items()}}
        state["history"].append({**row, "learning_rate": rate, "seconds": seconds})
        state["epochs"] = epoch + 1
        if not math.isfinite(loss + val_loss):
            self._diverged(epoch, rate)
        elif self.patience is None or val_loss < state["best"]:
            state.update(best=val_loss, best_epoch=epoch + 1, waiting=0)
            self.best_weights = self.validated
        else:
            self._wait(rate)
        if self.save:
            self.save(self.arrays(), state)

    def _wait(self, rate: float) -> None:
        self.state["waiting"] += 1
        if self.state["waiting"] >= self.patience:
            self.finish()
        elif self.state["waiting"] % self.plateau == 0:
            self.model.optimizer.learning_rate = max(rate / 2, SMALLEST_RATE)

    def _diverged(self, epoch: int, rate: float) -> None:
        if not self.best_weights:
            raise TrainingDivergedError(
                f"the loss was not finite in epoch {epoch + 1} at learning rate "
                f"{rate:g}; expected a smaller rate (--lr)"
            )
        log.warning("the loss was not finite in epoch %d; stopping there", epoch + 1)
        self.finish()

    def finish(self) -> None:
        """End the training after this epoch."""
        self.state["finished"] = True
        self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        """Put the best weights back."""
        if self.best_weights:
            self.model.set_weights(self.best_weights)

    def arrays(self) -> dict[str, list[np.ndarray]]:
        """Return all that changes in training, by kind."""
        optimizer = self.model.optimizer.variables
        return {
            "current": [np.asarray(v) for v in self.model.variables],
            "optimizer": [np.asarray(v) for v in optimizer],
            "best": self.best_weights,
        }

    def restore(self, model: Any, arrays: Mapping, state: Mapping) -> None:
        """Put a saved state into this callback and the compiled `model`.

        Raises:
            StateError: arrays of another model.
        """
        model.optimizer.build(model.trainable_variables)
        kinds = {"current": model.variables, "optimizer": model.optimizer.variables}
        for kind, variables in {**kinds, "best": model.weights}.items():
            check_arrays(kind, arrays, variables)
        self.state = {**self.state, **state}
        self.best_weights = list(arrays["best"])
        for kind, variables in kinds.items():
            for variable, value in zip(variables, arrays[kind], strict=True):
                variable.assign(value)


def check_state(state: Any) -> None:
    """Raise `StateError` unless a state is one that `Progress` saves."""
    expect(isinstance(state, dict), "state", "an object", state)
    for key, kind in KINDS.items():
        expect(key in state, "state", f"the key {key!r}", [*state])
        expect(type(state[key]) is kind, key, kind.__name__, state[key])
    history, epochs = state["history"], state["epochs"]
    expect(
        state["policy"] in POLICIES, "policy", " or ".join(POLICIES), state["policy"]
    )
    expect(math.isfinite(state["best"]), "best", "a finite number", state["best"])
    expect(
        0 <= state["best_epoch"] <= epochs,
        "best_epoch",
        "an epoch",
        state["best_epoch"],
    )
    expect(0 < epochs == len(history), "history", f"{epochs} rows", history)
    for row in history:
        right = isinstance(row, dict) and row.keys() >= COLUMNS
        right = right and all(type(value) in (int, float) for value in row.values())
        expect(right, "history", f"numbers: {', '.join(sorted(COLUMNS))}", row)


def check_arrays(kind: str, arrays: Mapping, variables: Sequence[Any]) -> None:
    """Raise `StateError` unless arrays of a kind have the variables' shapes."""
    found = arrays.get(kind, [])
    expect(len(found) == len(variables), kind, f"{len(variables)} arrays", len(found))
    for index, (array, variable) in enumerate(zip(found, variables, strict=True)):
        shape = tuple(variable.shape)
        expect(array.shape == shape, f"{kind}/{index}", f"shape {shape}", array.shape)


def expect(right: bool, place: str, expected: str, received: Any) -> None:
    """Raise `StateError` where something in a state is not right."""
    if not right:
        received = shortened(ascii(received))
        raise StateError(f"{place}: expected {expected}. Received: {received}")
