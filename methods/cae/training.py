"""Train an autoencoder on good images."""

from collections.abc import Callable
from typing import Protocol

import keras

from autoencoder.training import Trainer
from methods.engine.augmentation import Augmentation
from methods.engine.batches import Batches, InOrder
from methods.engine.epochs import dtype_policy, run_epochs
from methods.engine.learning_rate import FALLBACK, Sweep, find_learning_rate
from methods.engine.optimizer import ShapedAdam, compile_trainer, cosine, create
from methods.engine.settings import Settings
from methods.engine.training_state import Progress


class Hooks(Protocol):
    """What a training reports to, as it goes."""

    def swept(self, sweep: Sweep) -> None:
        """Take the result of the learning rate search."""

    def callbacks(self, settings: Settings) -> list[keras.callbacks.Callback]:
        """Return displays and logs for `fit`."""

    def save(self, arrays: dict, state: dict) -> None:
        """Store what a resumed run needs, after every epoch."""


def train(
    build: Callable[[], keras.Model],
    fit_set: tuple[Callable, int],
    validation_set: tuple[Callable, int],
    settings: Settings,
    *,
    hooks: Hooks | None = None,
    saved: tuple[dict, dict] | None = None,
) -> tuple[keras.Model, dict]:
    """Train the network that `build()` gives; return it and the training's state.

    The network is a float32 one with the weights of the best epoch, whatever the
    policy of the training.

    Args:
        build: returns a new network.
        fit_set: `load(indices)` -> uint8 images (n, h, w, c), and how many there are.
        validation_set: the same for the good images that decide when to stop.
        settings: how to train.
        hooks: what to report to.
        saved: the (arrays, state) of an interrupted run with the same settings.
    """
    keras.utils.set_random_seed(settings.seed)
    with dtype_policy(settings.policy):
        trainer = Trainer(build(), settings.loss, Augmentation(seed=settings.seed))
    batches = Batches(*fit_set, settings.batch_size, settings.seed)
    create(trainer, batches[0][:1])
    rate = settings.learning_rate or FALLBACK  # a saved state brings its own
    if settings.learning_rate is None and not saved:
        sweep = find_learning_rate(trainer, batches)
        rate = sweep.chosen
        if hooks:
            hooks.swept(sweep)
    compile_trainer(trainer, ShapedAdam(rate, cosine(len(batches) * settings.planned)))

    progress = Progress(
        settings.patience, settings.plateau, hooks.save if hooks else None
    )
    progress.state["policy"] = settings.policy
    if saved:
        progress.restore(trainer, *saved)
    validation = InOrder(*validation_set, settings.batch_size)
    callbacks = hooks.callbacks(settings) if hooks else []
    run_epochs(trainer, batches, validation, settings.planned, progress, callbacks)
    network = build()
    network.set_weights(progress.best_weights)
    return network, progress.state
