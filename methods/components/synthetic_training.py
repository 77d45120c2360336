"""Fit a trainer to good images of which half get synthetic defects."""

from typing import Any

import keras

from methods.base import Run
from methods.engine.batches import Epochs
from methods.engine.epochs import run_epochs
from methods.engine.learning_rate import FALLBACK
from methods.engine.optimizer import ShapedAdam, compile_trainer, cosine, create
from methods.engine.settings import Settings
from methods.engine.training_state import Progress
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
        validation: good images; the same defects on them every time tell the best
            epoch, and when to stop.
        settings: how to train; `loss` and `policy` do not count.
        run: where to keep logs and states, and to go on from.

    Returns:
        The state of `methods.engine.training_state.Progress`.
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
    rate = settings.learning_rate or FALLBACK
    compile_trainer(trainer, ShapedAdam(rate, shape))
    progress = Progress(settings.patience, settings.plateau, run.save if run else None)
    saved = run.saved() if run else None
    if saved:
        progress.restore(trainer, *saved)
    callbacks = run.callbacks(settings) if run else []
    run_epochs(trainer, batches, checks, settings.planned, progress, callbacks)
    trainer.set_weights(progress.best_weights)
    return progress.state
