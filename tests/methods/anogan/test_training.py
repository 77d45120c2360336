import numpy as np
import pytest

from methods.anogan.networks import GANShape
from methods.anogan.training import train
from methods.base import StateError, TrainingImages
from tests.array_images import ArrayImages
from tests.methods.conftest import untraced_trainers

RATE = 4e-3  # seen after four epochs of 80 images
EPOCHS, IMAGES = 4, 80


class Run:
    """What a training reports to."""

    def __init__(self):
        self.pictures = {}
        self.saved = {}

    def callbacks(self, settings):
        return []

    def picture(self, name, pixels):
        self.pictures[name] = pixels

    def save(self, arrays, state):
        """Keep the state of each epoch, as an interruption right then leaves it."""
        self.saved[state["epochs"]] = (
            {kind: [np.array(a) for a in values] for kind, values in arrays.items()},
            {**state, "history": list(state["history"])},
        )


def fit(images, chosen, width=2, encoder=False, **options):
    shape = GANShape((32, 32, 1), latent=4, width=width)
    data = TrainingImages(ArrayImages(images), ArrayImages(images[:2]))
    return train(shape, data, encoder, chosen, **options)


@pytest.fixture(scope="module")
def alone(images, settings):
    """Return the networks of a GAN without an encoder, its state, and what it saved."""
    run = Run()
    chosen = settings(epochs=EPOCHS, learning_rate=RATE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("methods.engine.batches.EPOCH_IMAGES", IMAGES)
        return *fit(images, chosen, width=4, run=run), run.saved[EPOCHS]


def test_generated_images_become_like_the_real_ones(alone):
    made, state, _ = alone
    latents = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
    mean = np.asarray(made["generator"](latents)).mean(axis=0)[..., 0]
    assert mean[10:22, 10:22].mean() > mean[:6].mean() + 0.2
    keys = {"loss", "val_loss", "generator_loss", "discriminator_loss"}
    assert keys <= set(state["history"][-1])


@pytest.fixture(scope="module")
def whole(images, settings):
    """Return settings, the networks of a GAN and an encoder, the state, and the run."""
    chosen, run = settings(epochs=4, batch_size=8, learning_rate=1e-2), Run()
    with pytest.MonkeyPatch.context() as patch, untraced_trainers():
        patch.setattr("methods.engine.batches.EPOCH_IMAGES", 1)
        return chosen, *fit(images, chosen, encoder=True, run=run), run


def test_a_resumed_training_ends_like_an_uninterrupted_one(
    images, whole, short_epochs, eager
):
    """After an epoch of the GAN, after its last, and after one of the encoder."""
    chosen, networks, state, run = whole
    for stopped in (1, 2, 3):
        saved = run.saved[stopped]
        resumed, again = fit(images, chosen, encoder=True, saved=saved)
        assert [row["epoch"] for row in again["history"]] == [1, 2, 3, 4]
        for one, other in zip(state["history"], again["history"], strict=True):
            assert one["loss"] == pytest.approx(other["loss"], rel=1e-3)
        for name, network in networks.items():
            for one, other in zip(network.weights, resumed[name].weights, strict=True):
                np.testing.assert_allclose(one, other, atol=1e-3)

    arrays, state = run.saved[1]
    for wrong in ("x", "Encoding"):
        with pytest.raises(StateError, match="(stage|current.*): expected "):
            fit(
                images,
                chosen,
                encoder=True,
                saved=(arrays, {**state, "stage": wrong}),
            )


def test_samples_are_kept_after_every_epoch_of_the_gan(whole):
    pictures = whole[-1].pictures
    assert list(pictures) == ["epoch_001", "epoch_002"]
    assert pictures["epoch_002"].shape == (8 * 32, 8 * 32, 1)
    assert (pictures["epoch_001"] != pictures["epoch_002"]).any()


def test_the_encoder_comes_closer_and_leaves_the_gan_alone(
    alone, images, settings, monkeypatch
):
    monkeypatch.setattr("methods.engine.batches.EPOCH_IMAGES", IMAGES)
    options = {"width": 4, "encoder": True, "saved": alone[2]}
    chosen = settings(epochs=2 * EPOCHS, learning_rate=RATE)
    made, state = fit(images, chosen, **options)
    losses = [row["loss"] for row in state["history"][EPOCHS:]]
    assert losses[-1] < 0.9 * losses[0]
    for name in ("generator", "discriminator"):
        for one, other in zip(alone[0][name].weights, made[name].weights, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-3)
