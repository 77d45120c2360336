import numpy as np
import pytest

from methods.anogan.networks import GANShape
from methods.anogan.training import train
from methods.base import TrainingImages
from tests.array_images import ArrayImages


class Run:
    """What a training reports to."""

    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.pictures = {}

    def callbacks(self, settings):
        return []

    def picture(self, name, pixels):
        self.pictures[name] = pixels

    def save(self, arrays, state):
        self.saved = (
            {kind: [np.array(a) for a in values] for kind, values in arrays.items()},
            {**state, "history": list(state["history"])},
        )
        if state["epochs"] == self.stop_after:
            raise KeyboardInterrupt


def fit(images, chosen, width=2, encoder=False, **options):
    shape = GANShape((32, 32, 1), latent=4, width=width)
    data = TrainingImages(ArrayImages(images), ArrayImages(images[:2]))
    return train(shape, data, encoder, chosen, **options)


def test_generated_images_become_like_the_real_ones(images, settings, short_epochs):
    made, state = fit(images, settings(epochs=80), width=4)
    latents = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
    mean = np.asarray(made["generator"](latents)).mean(axis=0)[..., 0]
    assert mean[10:22, 10:22].mean() > mean[:6].mean() + 0.2
    keys = {"loss", "val_loss", "generator_loss", "discriminator_loss"}
    assert keys <= set(state["history"][-1])


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_a_resumed_training_ends_like_an_uninterrupted_one(
    images, settings, short_epochs, stop_after
):
    chosen = settings(epochs=4)
    whole, state = fit(images, chosen, encoder=True)
    run = Run(stop_after)
    with pytest.raises(KeyboardInterrupt):
        fit(images, chosen, encoder=True, run=run)
    resumed, again = fit(images, chosen, encoder=True, saved=run.saved)
    assert [row["epoch"] for row in again["history"]] == [1, 2, 3, 4]
    for one, other in zip(state["history"], again["history"], strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-3)
    for name, network in whole.items():
        for one, other in zip(network.weights, resumed[name].weights, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-3)


def test_samples_are_kept_after_every_epoch_of_the_gan(images, settings, short_epochs):
    run = Run()
    chosen = settings(epochs=4, learning_rate=0.5)
    fit(images, chosen, encoder=True, run=run)
    assert list(run.pictures) == ["epoch_001", "epoch_002"]
    assert run.pictures["epoch_002"].shape == (8 * 32, 8 * 32, 1)
    assert (run.pictures["epoch_001"] != run.pictures["epoch_002"]).any()


def test_the_encoder_comes_closer_and_leaves_the_gan_alone(
    images, settings, short_epochs
):
    alone, _ = fit(images, settings(epochs=40), width=4)
    made, state = fit(images, settings(epochs=80), width=4, encoder=True)
    losses = [row["loss"] for row in state["history"][40:]]
    assert losses[-1] < 0.9 * losses[0]
    for name in ("generator", "discriminator"):
        for one, other in zip(alone[name].weights, made[name].weights, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-3)
