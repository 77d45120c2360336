"""The training of a network, whatever it learns: from the start, or resumed."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import keras

from methods.base import Run

from .batches import Epochs
from .devices import shared
from .precision import choose_policy
from .settings import Settings
from .training_state import Progress, check_state

Saved = tuple[dict, dict]  # arrays and state of an interrupted training
Model = TypeVar("Model", bound=keras.Model)


def interrupted(run: Run | None) -> Saved | None:
    """Return what an interrupted training has saved, if any.

    Raises:
        StateError: a state that no training saves.
    """
    saved = run.saved() if run else None
    if saved:
        check_state(saved[1])
    return saved


def resumed(run: Run | None, precision: str) -> tuple[Saved | None, str]:
    """Return what `interrupted` does, and the dtype policy."""
    saved = interrupted(run)
    return saved, saved[1]["policy"] if saved else choose_policy(precision)


@contextlib.contextmanager
def dtype_policy(name: str) -> Iterator[None]:
    """Build layers under the dtype policy `name` inside the `with` block."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def build_trainer(make: Callable[[], Model], settings: Settings) -> Model:
    """Return what `make()` builds under the dtype policy, with the seed's weights."""
    keras.utils.set_random_seed(settings.seed)
    with dtype_policy(settings.policy):
        return make()


def fit(
    trainer: keras.Model,
    batches: Epochs,
    validation: keras.utils.PyDataset,
    settings: Settings,
    run: Run | None = None,
    *,
    saved: Saved | None = None,
    state: Mapping[str, Any] | None = None,
    until: int | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> dict[str, Any]:
    """Run the epochs that are left; leave the best epoch's weights in `trainer`.

    Args:
        trainer: compiled.
        batches: to learn from.
        validation: decides on the best epoch, and when to stop.
        settings: how to train.
        run: where to keep logs and states.
        saved: the arrays and state to go on from.
        state: what the state begins with, if not with no epoch at all.
        until: the last epoch, if it is not that of `settings`.
        callbacks: that come before those of `run`.

    Returns:
        The state of `training_state.Progress`.
    """
    progress = Progress(settings.patience, settings.plateau, run.save if run else None)
    progress.state |= {"policy": settings.policy, **(state or {})}
    if saved:
        progress.restore(trainer, *saved)
    first, last = progress.state["epochs"], until or settings.planned
    if not progress.state["finished"] and first < last:
        start = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: batches.start(epoch)
        )
        shown = run.callbacks(settings) if run else []
        trainer.fit(
            shared(batches),
            validation_data=shared(validation),
            initial_epoch=first,
            epochs=last,
            callbacks=[start, progress, *callbacks, *shown],
            shuffle=False,  # Keras would draw from a state that no checkpoint holds
            verbose=0,
        )
    if progress.best_weights:
        trainer.set_weights(progress.best_weights)
    return progress.state


def summary(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a person wants to know of a training run, from its state."""
    return {
        "precision": state["policy"],
        "epochs": state["epochs"],
        "seconds": sum(row["seconds"] for row in state["history"]),
    }
