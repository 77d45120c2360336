"""Train an autoencoder on good images: data, epochs, stopping, resuming."""

import contextlib
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import keras
import numpy as np
from keras import ops

from methods.engine.augmentation import Augmentation
from methods.engine.devices import shared
from methods.engine.learning_rate import FALLBACK, Sweep, find_learning_rate
from methods.engine.optimizer import ShapedAdam, compile_trainer, cosine, create
from methods.engine.training_state import Progress

from .fusion import fuse_upsampling
from .losses import LOSSES

EPOCH_IMAGES = 1024  # smaller sets are seen several times an epoch
EPOCHS = 60  # planned where no number is given
WORKERS = min(8, os.cpu_count() or 1)  # threads that make batches ahead


@dataclass(frozen=True)
class Settings:
    """How to train; all that a resumed run has to know.

    Attributes:
        loss: a key of `LOSSES`.
        batch_size: images a step.
        epochs: the largest number of epochs, or None for `EPOCHS`.
        learning_rate: the peak rate, or None to search for it.
        policy: Keras dtype policy of the training, such as "mixed_bfloat16".
        seed: of weights, order and augmentation.
        patience: epochs without improvement until the end.
        plateau: epochs without improvement until the learning rate is halved.
    """

    loss: str = "ssim"
    batch_size: int = 8
    epochs: int | None = None
    learning_rate: float | None = None
    policy: str = "float32"
    seed: int = 42
    patience: int = 12
    plateau: int = 6

    @property
    def planned(self) -> int:
        """The number of epochs that the learning rate is planned for."""
        return self.epochs or EPOCHS


def images_per_epoch(count: int, batch_size: int) -> int:
    """Return how many images, repeats included, an epoch of `count` images takes."""
    batch_size = min(batch_size, count)
    return math.ceil(max(count, EPOCH_IMAGES) / batch_size) * batch_size


class Epochs(Protocol):
    """Batches that are others in every epoch."""

    def start(self, epoch: int) -> None:
        """Draw what `epoch` is to hold."""

    def __len__(self) -> int:
        """Return how many batches an epoch has."""

    def __getitem__(self, step: int) -> Any:
        """Return one batch."""


class Batches(keras.utils.PyDataset):
    """Shuffled batches of what `load(indices)` gives, epoch after epoch.

    The order depends on `seed` and `epoch` alone, so that a resumed run sees the
    same images.

    A `transform(images, seed, start)` makes what a batch is to hold, with `workers`
    threads. All that is random in it is to come from its `seed`, (seed, epoch), and
    from `start`, the place of the first image in the epoch.
    """

    def __init__(
        self,
        load: Callable,
        count: int,
        batch_size: int,
        seed: int,
        *,
        transform: Callable | None = None,
        workers: int = 1,
    ):
        super().__init__(workers=workers)
        self.load = load
        self.count = count
        self.batch_size = min(batch_size, count)
        self.steps = images_per_epoch(count, batch_size) // self.batch_size
        self.seed = seed
        self.transform = transform
        self.start(0)

    def start(self, epoch: int) -> None:
        """Draw the order of `epoch`."""
        self.epoch = epoch
        draws = np.random.default_rng((self.seed, epoch))
        rounds = math.ceil(self.steps * self.batch_size / self.count)
        order = [draws.permutation(self.count) for _ in range(rounds)]
        self.order = np.concatenate(order)

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int):
        start = step * self.batch_size
        images = self.load(self.order[start : start + self.batch_size])
        if self.transform is None:
            return images
        return self.transform(images, (self.seed, self.epoch), start)


class InOrder(keras.utils.PyDataset):
    """All images that `load(indices)` gives, once, in order."""

    def __init__(self, load: Callable, count: int, batch_size: int) -> None:
        super().__init__()
        self.load = load
        self.count = count
        self.batch_size = batch_size

    def __len__(self) -> int:
        return math.ceil(self.count / self.batch_size)

    def __getitem__(self, step: int):
        start = step * self.batch_size
        return self.load(np.arange(start, min(start + self.batch_size, self.count)))


class Trainer(keras.Model):
    """An autoencoder, the augmentation in front of it, and its loss."""

    def __init__(self, network: keras.Model, loss: str, augmentation: Augmentation):
        super().__init__()
        self.network = fuse_upsampling(network)
        self.reconstruction_loss = LOSSES[loss]
        self.augmentation = augmentation

    def call(self, images, training=False):
        """Return the (augmented) uint8 images in [0, 1] and their reconstructions."""
        targets = ops.cast(images, "float32") / 255
        targets = self.augmentation(targets, training=training)
        return targets, self.network(targets, training=training)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """Return the mean reconstruction loss, and the penalties while training."""
        loss = ops.mean(self.reconstruction_loss(*y_pred))
        penalties = self.network.losses if training else []
        return loss + sum(penalties, 0.0)


@contextlib.contextmanager
def dtype_policy(name: str):
    """Build layers under the dtype policy `name` inside the `with` block."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


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
