"""Fit a trainer to good images of which half get synthetic defects."""

from typing import Any

import keras

from methods.base import Run
from methods.engine.batches import Epochs
from methods.engine.optimizer import ShapedAdam, compile_trainer, cosine, create
from methods.engine.settings import Settings
from methods.engine.training import fit, interrupted
from processing.data.image_set import ImageSet

from .synthetic_batches import training_batches, validation_batches


def fit_to_defects(
    trainer: keras.Model,
    train: ImageSet,
    validation: ImageSet,
    settings: Settings,
    run: Run | None = None,
) -> dict[str, Any]:
    """Train on fresh defects in every epoch; leave the weights of the best epoch.

    Args:
        trainer: model from images whose `compute_loss` takes masks for `y`.
        train: good images to fit.
        validation: good images; the same defects on them every time decide on the best
            epoch, and when to stop.
        settings: how to train; `policy` does not count.
        run: where to keep logs and states, and to go on from.

    Returns:
        The state of the training.
    """
    batches = training_batches(train, settings.batch_size, settings.seed)
    checks = validation_batches(validation, settings.batch_size, settings.seed)
    return fit_to_batches(trainer, batches, checks, settings, run)


def fit_to_batches(
    trainer: keras.Model,
    batches: Epochs,
    checks: keras.utils.PyDataset,
    settings: Settings,
    run: Run | None = None,
) -> dict[str, Any]:
    """Train on batches (images, masks), and check on others; see `fit_to_defects`."""
    create(trainer, batches[0][0][:1])
    shape = cosine(len(batches) * settings.planned)
    compile_trainer(trainer, ShapedAdam(settings.peak, shape))
    return fit(trainer, batches, checks, settings, run, saved=interrupted(run))
