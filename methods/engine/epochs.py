"""The epochs of a training run, from the first that is left."""

import contextlib
from collections.abc import Iterator

import keras

from .batches import Epochs
from .devices import shared
from .training_state import Progress


@contextlib.contextmanager
def dtype_policy(name: str) -> Iterator[None]:
    """Build layers under the dtype policy `name` inside the `with` block."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def run_epochs(
    trainer: keras.Model,
    batches: Epochs,
    validation: keras.utils.PyDataset,
    epochs: int,
    progress: Progress,
    callbacks: list[keras.callbacks.Callback],
) -> None:
    """Run those of all `epochs` that `progress` has not seen yet, if any."""
    first = progress.state["epochs"]
    if progress.state["finished"] or first >= epochs:
        return
    start = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: batches.start(epoch)
    )
    trainer.fit(
        shared(batches),
        validation_data=shared(validation),
        initial_epoch=first,
        epochs=epochs,
        callbacks=[start, progress, *callbacks],
        shuffle=False,  # Keras would draw from a state that no checkpoint holds
        verbose=0,
    )
