"""Train the networks of a GAN on good images, and the encoder of f-AnoGAN."""

from collections.abc import Callable
from typing import Any

import keras

from methods.engine.batches import Batches, InOrder
from methods.engine.epochs import dtype_policy, run_epochs
from methods.engine.optimizer import compile_trainer
from methods.engine.training_state import Progress

from .adversarial_training import Adversaries
from .encoder_training import Encoding
from .samples import Samples
from .settings import Settings

BETA = 0.5  # of Adam (Radford et al. 2016)


def train(
    fit_set: tuple[Callable, int],
    validation_set: tuple[Callable, int],
    settings: Settings,
    *,
    hooks: Any = None,
    saved: tuple[dict, dict] | None = None,
) -> tuple[dict[str, Any], dict]:
    """Train the networks; return them by name, in float32, and the training's state.

    Epochs count on from the adversarial training to that of the encoder, and so does
    the history.

    Args:
        fit_set: `load(indices)` -> uint8 images (n, h, w, c), and how many there are.
        validation_set: the same for other good images, whose losses are recorded.
        settings: how to train.
        hooks: a `methods.base.Run`, to report to.
        saved: the (arrays, state) of an interrupted run with the same settings.
    """
    data = (
        Batches(*fit_set, settings.batch_size, settings.seed),
        InOrder(*validation_set, settings.batch_size),
    )
    made, state = settings.build(), saved[1] if saved else {}
    trained = {name: made[name] for name in ("generator", "discriminator")}
    if state.get("stage") != Encoding.__name__:
        adversaries = _built(Adversaries, settings)
        state = _run(adversaries, data, settings, settings.epochs, hooks, saved)
        trained, saved = adversaries.networks(), None
    if settings.encoder_epochs:
        encoding = _built(lambda s: Encoding(s, trained), settings)
        before = saved or ({}, state)
        state = _run(encoding, data, settings, settings.planned, hooks, before)
        trained = encoding.networks()
    for name, network in trained.items():
        made[name].set_weights(network.get_weights())
    return made, state


def _built(kind: Callable, settings: Settings) -> keras.Model:
    """Return a trainer under the dtype policy, with the seed's weights."""
    keras.utils.set_random_seed(settings.seed)
    with dtype_policy(settings.policy):
        trainer = kind(settings)
    rate, betas = settings.learning_rate, {"beta_1": BETA, "beta_2": 0.999}
    compile_trainer(trainer, keras.optimizers.Adam(rate, **betas))
    return trainer


def _run(
    trainer: keras.Model,
    data: tuple[Batches, InOrder],
    settings: Settings,
    epochs: int,
    hooks: Any,
    before: tuple[dict, dict] | None,
) -> dict:
    """Train up to `epochs` from `before`, (arrays, state); return the new state.

    No arrays: a trainer that begins after the epochs of the one before it.
    """
    progress = Progress(None, save=hooks.save if hooks else None)
    if before and before[0]:
        progress.restore(trainer, *before)
    elif before:
        progress.state.update({key: before[1][key] for key in ("epochs", "history")})
    progress.state.update(policy=settings.policy, stage=type(trainer).__name__)
    callbacks = hooks.callbacks(settings) if hooks else []
    if hooks and isinstance(trainer, Adversaries):
        callbacks.append(Samples(settings, hooks.picture))
    run_epochs(trainer, *data, epochs, progress, callbacks)
    return progress.state
