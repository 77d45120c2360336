"""Train a segmenter behind a trained autoencoder, on synthetic defects."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import ops

from autoencoder.fusion import fuse
from methods.base import Run, TrainingImages
from methods.components.mask_losses import focal_loss
from methods.components.synthetic_batches import drawing
from methods.engine.augmentation import Augmentation
from methods.engine.batches import Batches, InOrder
from methods.engine.loss_model import LossModel
from methods.engine.optimizer import ShapedAdam, compile_trainer, cosine, create
from methods.engine.settings import Settings
from methods.engine.training import Saved, build_trainer, fit
from methods.engine.training_state import expect

from .segmenter import segmenter, side_by_side

EPOCHS = 30  # where no number is given
RATE = 1e-3  # peak, of Adam
SHARE = 0.75  # of the images that get a defect
BEFORE = "autoencoder"  # key in the state: what is known of the autoencoder's training
KEPT = {"epochs": int, "best_epoch": int, "best": float, "rate_from": str}


class Segmentation(LossModel):
    """A segmenter behind an autoencoder that stays as it is."""

    def __init__(
        self, autoencoder: keras.Model, network: keras.Model, augmentation: Any
    ):
        super().__init__()
        self.autoencoder = fuse(autoencoder)
        self.autoencoder.trainable = False
        self.network = fuse(network)
        self.augmentation = augmentation

    def call(self, marked: Any, training: bool = False) -> tuple[Any, Any]:
        """Return masks and log odds, (n, h, w), of images and masks (n, h, w, c + 1).

        The augmentation moves both alike.
        """
        marked = self.augmentation(marked, training=training)
        images, masks = marked[..., :-1], marked[..., -1]
        pairs = side_by_side(images, self.autoencoder)
        return masks, self.network(pairs, training=training)

    def batch_loss(self, targets: Any, outputs: Any) -> Any:
        return ops.mean(focal_loss(*outputs))


def batches_of(images: TrainingImages, settings: Settings) -> tuple[Batches, InOrder]:
    """Return batches of images and masks (n, h, w, c + 1), to learn from and to check.

    Those to learn from have other defects in every epoch, the others always the same.
    """
    good, validation = images.good, images.validation
    size, seed = settings.batch_size, settings.seed
    draw = drawing(good, seed, SHARE)

    def marked(batch: np.ndarray, *place: Any) -> np.ndarray:
        pictures, masks = draw(batch, *place)
        return np.concatenate([pictures, masks[..., None]], axis=-1, dtype=np.float32)

    def check(places: np.ndarray) -> np.ndarray:
        return marked(validation.load(places), seed, int(places[0]))

    learned = Batches(good.load, len(good), size, seed, transform=marked)
    return learned, InOrder(check, len(validation), size)


def before_of(saved: Saved | None) -> dict[str, Any] | None:
    """Return what a training that was interrupted here knew of the autoencoder's.

    None if it had not come to the segmenter.

    Raises:
        StateError: it had, and the state lacks something of it.
    """
    before = saved[1].get(BEFORE) if saved else None
    if before is None:
        return None
    expect(isinstance(before, dict), BEFORE, "an object", before)
    for key, kind in KEPT.items():
        value = before.get(key)
        expect(type(value) is kind, f"{BEFORE}.{key}", kind.__name__, value)
    return before


def train(
    build: Callable[[], keras.Model],
    trained: keras.Model | None,
    before: Mapping[str, Any],
    images: TrainingImages,
    settings: Settings,
    run: Run | None = None,
    saved: Saved | None = None,
) -> tuple[keras.Model, keras.Model, dict]:
    """Return the autoencoder, its segmenter, both in float32, and the training's state.

    Epochs and history count on from the autoencoder's.

    Args:
        build: returns a new autoencoder.
        trained: autoencoder; None for that of `saved`.
        before: the state of its training, or of that what `before_of` returns.
        images: good ones to draw defects on, and others to stop by.
        settings: of the autoencoder's training; of the rates none counts here.
        run: where to keep logs and states.
        saved: the arrays and state of a run that was interrupted here.
    """
    epochs = settings.epochs or EPOCHS
    planned = replace(settings, epochs=before["epochs"] + epochs)

    def make() -> Segmentation:
        autoencoder = build()
        if trained is not None:
            autoencoder.set_weights(trained.get_weights())
        moved = Augmentation(seed=settings.seed)
        network = segmenter(autoencoder.input_shape[1:])
        return Segmentation(autoencoder, network, moved)

    trainer = build_trainer(make, settings)
    batches, checks = batches_of(images, settings)
    create(trainer, batches[0][:1])
    compile_trainer(trainer, ShapedAdam(RATE, cosine(len(batches) * epochs)))
    begun = {BEFORE: {key: before[key] for key in KEPT}}
    if not saved:
        begun |= {key: before[key] for key in ("epochs", "history")}
    state = fit(trainer, batches, checks, planned, run, saved=saved, state=begun)
    if trained is None:
        trained = build()
        trained.set_weights(trainer.autoencoder.get_weights())
    network = segmenter(trained.input_shape[1:])
    network.set_weights(trainer.network.get_weights())
    return trained, network, state
