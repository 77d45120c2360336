"""Train the networks of a GAN on good images, and the encoder of f-AnoGAN."""

from collections.abc import Callable
from typing import Any

import keras

from methods.base import Run, TrainingImages
from methods.engine.batches import Batches, InOrder
from methods.engine.optimizer import compile_trainer
from methods.engine.settings import Settings
from methods.engine.training import Saved, build_trainer, fit
from methods.engine.training_state import expect

from .adversarial_training import Adversaries
from .encoder_training import Encoding
from .networks import GANShape
from .samples import Samples

BETA = 0.5  # of Adam (Radford et al. 2016)
STAGES = (Adversaries.__name__, Encoding.__name__)


def train(
    shape: GANShape,
    images: TrainingImages,
    encoder: bool,
    settings: Settings,
    run: Run | None = None,
    saved: Saved | None = None,
) -> tuple[dict[str, Any], dict]:
    """Train the networks; return them by name, in float32, and the training's state.

    Epochs count on from the adversarial training to that of the encoder, and so does
    the history.

    Args:
        shape: of the networks.
        images: good ones to fit, and others whose losses are recorded.
        encoder: train an encoder, too, in the second half of the epochs.
        settings: how to train; its epochs are those of all networks.
        run: where to keep logs and states.
        saved: the arrays and state of an interrupted run with the same settings.
    """
    good, validation = images.good, images.validation
    data = (
        Batches(good.load, len(good), settings.batch_size, settings.seed),
        InOrder(validation.load, len(validation), settings.batch_size),
    )
    state = saved[1] if saved else {}
    stage = state.get("stage", STAGES[0])
    expect(stage in STAGES[: 1 + encoder], "stage", " or ".join(STAGES), stage)
    networks = shape.build(encoder)
    trained = {name: networks[name] for name in ("generator", "discriminator")}
    if stage != Encoding.__name__:
        adversaries = _built(lambda: Adversaries(shape, settings.seed), settings)
        samples = [Samples(shape.latent, settings.seed, run.picture)] if run else []
        state = fit(
            adversaries,
            *data,
            settings,
            run,
            saved=saved,
            state={"stage": Adversaries.__name__},
            until=settings.planned // 2 if encoder else None,
            callbacks=samples,
        )
        trained, saved = adversaries.networks(), None
    if encoder:
        encoding = _built(lambda: Encoding(shape, trained, settings.seed), settings)
        begun = {key: state[key] for key in ("epochs", "history")}
        begun["stage"] = Encoding.__name__
        state = fit(encoding, *data, settings, run, saved=saved, state=begun)
        trained = encoding.networks()
    for name, network in trained.items():
        networks[name].set_weights(network.get_weights())
    return networks, state


def _built(make: Callable, settings: Settings) -> Any:
    """Return a compiled trainer under the dtype policy, with the seed's weights."""
    trainer = build_trainer(make, settings)
    betas = {"beta_1": BETA, "beta_2": 0.999}
    compile_trainer(trainer, keras.optimizers.Adam(settings.peak, **betas))
    return trainer
