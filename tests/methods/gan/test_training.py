import keras
import numpy as np
import pytest

from methods.gan import training
from methods.gan.training import Adversaries, Settings, cross_entropy, grid, train


def settings(**changes):
    options = {
        "image_shape": (32, 32, 1),
        "latent": 4,
        "width": 2,
        "batch_size": 4,
        "epochs": 2,
        "encoder_epochs": 0,
        "learning_rate": 2e-3,
        "policy": "float32",
        "seed": 3,
    }
    return Settings(**{**options, **changes})


@pytest.fixture
def images(rng):
    """Return eight images of a bright square on dark ground."""
    images = rng.integers(0, 40, (8, 32, 32, 1)).astype("uint8")
    images[:, 8:24, 8:24] += 200
    return images


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


def fit(images, chosen, **options):
    data = (images.__getitem__, len(images)), (images[:2].__getitem__, 2)
    return train(*data, chosen, **options)


def test_cross_entropy_by_hand():
    logits = np.float32([[0.5], [-2.0]])
    for target in (0.0, 0.9, 1.0):
        p = 1 / (1 + np.exp(-logits))
        expected = -np.mean(target * np.log(p) + (1 - target) * np.log(1 - p))
        assert float(cross_entropy(logits, target)) == pytest.approx(expected, 1e-5)


def gradients(model, images):
    """Return the largest gradient of each network: a step of SGD with rate 1."""
    model.compile(keras.optimizers.SGD(1.0), jit_compile=False)
    networks = (model.generator, model.discriminator)
    before = [[np.array(w) for w in n.trainable_weights] for n in networks]
    model.train_on_batch(images)
    return [
        max(
            np.abs(np.array(weight) - value).max()
            for weight, value in zip(network.trainable_weights, old, strict=True)
        )
        for network, old in zip(networks, before, strict=True)
    ]


@pytest.mark.parametrize("trained", [0, 1])
def test_each_loss_reaches_its_own_network_alone(images, trained, monkeypatch):
    def one_of(logits, target):
        generators = target == 1.0
        kept = generators == (trained == 0)
        return keras.ops.mean(keras.ops.softplus(-logits)) * float(kept)

    monkeypatch.setattr(training, "cross_entropy", one_of)
    steps = gradients(Adversaries(settings()), images)
    assert steps[trained] > 0
    assert steps[1 - trained] == 0


def test_averages_follow_the_generator(images, monkeypatch):
    monkeypatch.setattr(training, "FOLLOWING", 0.75)
    model = Adversaries(settings())
    before = [np.array(w) for w in model.average.weights]
    for old, weight in zip(before, model.generator.weights, strict=True):
        np.testing.assert_array_equal(old, np.array(weight))
    gradients(model, images)
    first = [np.array(w) for w in model.generator.weights]
    model.train_on_batch(images)
    for old, weight, mean in zip(before, first, model.average.weights, strict=True):
        if "moving" not in mean.path:  # statistics change before they are followed
            np.testing.assert_allclose(mean, 0.75 * old + 0.25 * weight, atol=1e-5)


def test_generated_images_become_like_the_real_ones(images, short_epochs):
    made, state = fit(images, settings(epochs=40, width=4))
    latents = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
    mean = np.asarray(made["generator"](latents)).mean(axis=0)[..., 0]
    assert mean[10:22, 10:22].mean() > mean[:6].mean() + 0.4
    keys = {"loss", "val_loss", "generator_loss", "discriminator_loss"}
    assert keys <= set(state["history"][-1])


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_a_resumed_training_ends_like_an_uninterrupted_one(
    images, short_epochs, stop_after
):
    chosen = settings(encoder_epochs=2)
    whole, state = fit(images, chosen)
    run = Run(stop_after)
    with pytest.raises(KeyboardInterrupt):
        fit(images, chosen, hooks=run)
    resumed, again = fit(images, chosen, saved=run.saved)
    assert [row["epoch"] for row in again["history"]] == [1, 2, 3, 4]
    for one, other in zip(state["history"], again["history"], strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-3)
    for name, network in whole.items():
        for one, other in zip(network.weights, resumed[name].weights, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-3)


def test_samples_are_kept_after_every_epoch_of_the_gan(images, short_epochs):
    run = Run()
    fit(images, settings(encoder_epochs=1), hooks=run)
    assert list(run.pictures) == ["epoch_001", "epoch_002"]
    assert run.pictures["epoch_002"].shape == (8 * 32, 8 * 32, 1)
    assert (run.pictures["epoch_001"] != run.pictures["epoch_002"]).any()


def test_the_encoder_comes_closer_and_leaves_the_gan_alone(images, short_epochs):
    alone, _ = fit(images, settings())
    made, state = fit(images, settings(encoder_epochs=20))
    losses = [row["loss"] for row in state["history"][2:]]
    assert losses[-1] < 0.9 * losses[0]
    for name in ("generator", "discriminator"):
        for one, other in zip(alone[name].weights, made[name].weights, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-3)


def test_grid_puts_images_in_rows():
    images = np.zeros((4, 2, 2, 1), "float32")
    images[1] = 1.0
    images[2] = 0.5
    expected = [[0, 0, 255, 255]] * 2 + [[128, 128, 0, 0]] * 2
    np.testing.assert_array_equal(grid(images)[..., 0], expected)
