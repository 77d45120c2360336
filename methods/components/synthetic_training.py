"""Fit a trainer to good images of which half get synthetic defects."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import tree

from methods.base import Run
from methods.engine.batches import Epochs
from methods.engine.optimizer import ShapedAdam, compile_trainer, cosine, create
from methods.engine.settings import Settings
from methods.engine.training import fit, interrupted
from processing.data.image_set import ImageSet

from .synthetic_batches import training_batches, validation_batches

Take = Callable[[np.ndarray], Any]


class Taken(keras.utils.PyDataset):
    """Batches (images, masks) of which the images are replaced."""

    def __init__(self, batches: Any, take: Take) -> None:
        super().__init__(workers=batches.workers)
        self.batches, self.take = batches, take

    def start(self, epoch: int) -> None:
        """Draw what `epoch` is to hold."""
        self.batches.start(epoch)

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, step: int) -> tuple[Any, np.ndarray]:
        images, masks = self.batches[step]
        return self.take(images), masks


def fit_to_defects(
    trainer: keras.Model,
    train: ImageSet,
    validation: ImageSet,
    settings: Settings,
    run: Run | None = None,
    take: Take | None = None,
) -> dict[str, Any]:
    """Train on fresh defects in every epoch; leave the weights of the best epoch.

    Args:
        trainer: model from images whose `compute_loss` takes masks for `y`.
        train: good images to fit.
        validation: good images; the same defects on them every time decide on the best
            epoch, and when to stop.
        settings: how to train; `policy` does not count.
        run: where to keep logs and states, and to go on from.
        take: makes of a batch of images what the trainer is given; None for them.

    Returns:
        The state of the training.
    """
    batches = training_batches(train, settings.batch_size, settings.seed)
    checks = validation_batches(validation, settings.batch_size, settings.seed)
    return fit_to_batches(trainer, batches, checks, settings, run, take)


def fit_to_batches(
    trainer: keras.Model,
    batches: Epochs,
    checks: keras.utils.PyDataset,
    settings: Settings,
    run: Run | None = None,
    take: Take | None = None,
) -> dict[str, Any]:
    """Train on batches (images, masks), and check on others; see `fit_to_defects`."""
    if take:
        batches, checks = Taken(batches, take), Taken(checks, take)
    create(trainer, tree.map_structure(lambda x: x[:1], batches[0][0]))
    shape = cosine(len(batches) * settings.planned)
    compile_trainer(trainer, ShapedAdam(settings.peak, shape))
    return fit(trainer, batches, checks, settings, run, saved=interrupted(run))
