"""Train an autoencoder to reconstruct good images."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from autoencoder.fusion import fuse
from autoencoder.losses import LOSSES
from methods.base import Run, TrainingImages
from methods.engine.augmentation import Augmentation
from methods.engine.learning_rate import rate_for
from methods.engine.loss_model import LossModel
from methods.engine.optimizer import ShapedAdam, compile_trainer, cosine, create
from methods.engine.settings import Settings
from methods.engine.training import Saved, build_trainer, fit

from .corruption import CLEAN, Corruption, batches_of


class Reconstructor(LossModel):
    """An autoencoder, the augmentation in front of it, and its loss.

    A batch (n, h, w, c) is its own target. In one of (n, h, w, 2c) the images to give
    back come first, and behind them what the network sees of them.
    """

    def __init__(self, network: keras.Model, loss: str, augmentation: Any):
        super().__init__()
        self.network = fuse(network)
        self.reconstruction_loss = LOSSES[loss]
        self.augmentation = augmentation

    def call(self, images: Any, training: bool = False) -> tuple[Any, Any]:
        """Return the (augmented) images in [0, 1] and their reconstructions."""
        channels = self.network.output_shape[-1]
        images = self.augmentation(images, training=training)
        seen = images[..., -channels:]
        return images[..., :channels], self.network(seen, training=training)

    def batch_loss(self, targets: Any, outputs: Any) -> Any:
        return ops.mean(self.reconstruction_loss(*outputs))


def train(
    build: Callable[[], keras.Model],
    images: TrainingImages,
    loss: str,
    settings: Settings,
    run: Run | None = None,
    saved: Saved | None = None,
    corruption: Corruption = CLEAN,
    search: bool = False,
) -> tuple[keras.Model, dict]:
    """Train the network that `build()` gives; return it and the training's state.

    The network is a float32 one with the weights of the best epoch, whatever the
    policy of the training.

    Args:
        build: returns a new network.
        images: good ones to fit, and to stop by.
        loss: a key of `LOSSES`.
        settings: how to train; see `learning_rate.rate_for` of one without a rate.
        run: where to keep logs and states.
        saved: the arrays and state of an interrupted run with the same settings.
        corruption: of the images that the network is to give back.
        search: for a learning rate, even if one is remembered.
    """
    trainer = build_trainer(
        lambda: Reconstructor(build(), loss, Augmentation(seed=settings.seed)), settings
    )
    batches, checks = batches_of(images, settings, corruption)
    create(trainer, batches[0][:1])
    begun = {"rate_from": "unknown"}  # of a state of an earlier version
    rate = settings.peak  # a saved state brings its own
    if not saved:
        subject = {
            "network": [trainer.network.name, trainer.network.count_params()],
            "images": list(trainer.network.input_shape[1:]),
            "loss": loss,
            "batch_size": settings.batch_size,
            "policy": settings.policy,
            "corruption": list(corruption),
        }
        rate, begun["rate_from"] = rate_for(
            trainer, batches, settings, subject, run, anew=search
        )
    compile_trainer(trainer, ShapedAdam(rate, cosine(len(batches) * settings.planned)))
    state = fit(trainer, batches, checks, settings, run, saved=saved, state=begun)
    network = build()
    network.set_weights(trainer.network.get_weights())
    return network, state
