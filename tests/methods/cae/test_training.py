import keras
import numpy as np
import pytest

from autoencoder.architectures import ARCHITECTURES
from methods.base import TrainingImages
from methods.cae.corruption import Corruption
from methods.cae.training import Reconstructor, train
from methods.engine.augmentation import Augmentation
from methods.engine.settings import Settings
from tests.array_images import ArrayImages

from .conftest import two_layers


def build():
    return ARCHITECTURES["mvtecCAE"]((32, 32, 1))


def build_small():
    return two_layers((32, 32, 1), latent=4)


@pytest.fixture
def images(rng):
    ramp = np.linspace(0, 255, 32)
    shifted = [np.roll(ramp, rng.integers(0, 8)) for _ in range(6)]
    return np.stack([np.tile(row, (32, 1)) for row in shifted])[..., None].astype(
        "uint8"
    )


def parts(images, fit, validation):
    chosen = (ArrayImages(images[part]) for part in (fit, validation))
    return TrainingImages(*chosen)


def test_training_lowers_the_loss_and_keeps_the_best_weights(images, short_epochs):
    settings = Settings(batch_size=2, epochs=30, learning_rate=5e-3)
    data = parts(images, [0, 1, 2, 3], [4, 5])
    network, state = train(build, data, "l2", settings)
    losses = [row["val_loss"] for row in state["history"]]
    assert min(losses) < 0.7 * losses[0]
    targets = images[4:].astype("float32") / 255
    best = np.mean((network.predict(targets, verbose=0) - targets) ** 2)
    assert best == pytest.approx(min(losses), rel=1e-3)
    assert state["best_epoch"] == np.argmin(losses) + 1


def test_same_seed_same_training(images, short_epochs, eager):
    settings = Settings(batch_size=2, epochs=2, learning_rate=1e-3, seed=3)
    data = parts(images, [0, 1], [4])
    runs = [train(build_small, data, "l2", settings) for _ in range(2)]
    losses = [[row["loss"] for row in state["history"]] for _, state in runs]
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_network_is_float32_after_mixed_training(images, short_epochs, eager):
    settings = Settings(epochs=1, learning_rate=1e-3, policy="mixed_bfloat16")
    network, state = train(build, parts(images, [0, 1], [4]), "ssim", settings)
    assert {layer.compute_dtype for layer in network.layers} == {"float32"}
    assert state["policy"] == "mixed_bfloat16"


def test_sweep_is_reported(images, short_epochs, monkeypatch):
    class Run:
        found = None

        def report_learning_rate(self, curve):
            self.found = curve

        def callbacks(self, settings):
            return []

        def save(self, arrays, state):
            self.state = state

    monkeypatch.setattr("methods.engine.learning_rate.STEPS", 30)
    run = Run()
    settings = Settings(batch_size=2, epochs=1)
    data = parts(images, [0, 1], [4])
    _, state = train(build_small, data, "l2", settings, run)
    assert len(run.found.rates) <= 30
    assert state["history"][0]["learning_rate"] == pytest.approx(run.found.chosen)
    assert run.state == state


def test_what_is_seen_is_moved_as_the_target_is_and_compared_with_it(rng, eager):
    """The network gives back what it sees."""
    seen = keras.Input((32, 32, 1))
    network = keras.Model(seen, keras.layers.Activation("linear")(seen))
    trainer = Reconstructor(network, "l2", Augmentation(seed=1))
    good = rng.random((2, 32, 32, 1), np.float32)
    corrupted = good.copy()
    corrupted[0] = 0
    for training in (False, True):
        pairs = np.concatenate([good, corrupted], axis=-1)
        targets, outputs = map(np.asarray, trainer(pairs, training=training))
        np.testing.assert_array_equal(targets[1], outputs[1])
        assert not outputs[0].any()
        assert trainer.batch_loss(None, (targets, outputs)) > 0.1
    assert np.abs(targets - good).max() > 0.1  # moved


def test_a_corruption_changes_the_training(images, short_epochs, eager):
    settings = Settings(batch_size=2, epochs=2, learning_rate=0.5, seed=3)
    data = parts(images, [0, 1], [4])
    losses = []
    for corruption in (Corruption(1.0, "both"), Corruption()):
        _, state = train(build_small, data, "l2", settings, corruption=corruption)
        losses.append([row["loss"] for row in state["history"]])
    assert losses[0] != pytest.approx(losses[1], rel=1e-4)


def test_a_state_that_does_not_know_its_rate_is_resumed(images, short_epochs, eager):
    """As a version before this key has saved it."""
    kept = []

    class Run:
        def callbacks(self, settings):
            return []

        def save(self, arrays, state):
            kept.append((arrays, {x: y for x, y in state.items() if x != "rate_from"}))

    settings = Settings(batch_size=2, epochs=1, learning_rate=1e-3)
    data = parts(images, [0, 1], [4])
    _, state = train(build_small, data, "l2", settings, Run())
    assert state["rate_from"] == "given"
    _, state = train(build_small, data, "l2", settings, saved=kept[0])
    assert state["rate_from"] == "unknown"
