import keras
import numpy as np
import pytest

from autoencoder.architectures import ARCHITECTURES
from methods.cae.training import train
from methods.engine.batches import Batches, InOrder, images_per_epoch
from methods.engine.epochs import run_epochs
from methods.engine.settings import Settings
from methods.engine.training_state import Progress, TrainingDivergedError


def build():
    return ARCHITECTURES["mvtecCAE"]((32, 32, 1))


@pytest.fixture
def images(rng):
    ramp = np.linspace(0, 255, 32)
    shifted = [np.roll(ramp, rng.integers(0, 8)) for _ in range(6)]
    return np.stack([np.tile(row, (32, 1)) for row in shifted])[..., None].astype(
        "uint8"
    )


def part(images, *indices):
    chosen = images[list(indices)]
    return chosen.__getitem__, len(chosen)


def test_training_lowers_the_loss_and_keeps_the_best_weights(images, short_epochs):
    settings = Settings(loss="l2", batch_size=2, epochs=30, learning_rate=5e-3)
    network, state = train(
        build, part(images, 0, 1, 2, 3), part(images, 4, 5), settings
    )
    losses = [row["val_loss"] for row in state["history"]]
    assert min(losses) < 0.7 * losses[0]
    targets = images[4:].astype("float32") / 255
    best = np.mean((network.predict(targets, verbose=0) - targets) ** 2)
    assert best == pytest.approx(min(losses), rel=1e-3)
    assert state["best_epoch"] == np.argmin(losses) + 1


def test_same_seed_same_training(images, short_epochs):
    settings = Settings(loss="l2", batch_size=2, epochs=2, learning_rate=1e-3, seed=3)
    runs = [
        train(build, part(images, 0, 1), part(images, 4), settings) for _ in range(2)
    ]
    losses = [[row["loss"] for row in state["history"]] for _, state in runs]
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_network_is_float32_after_mixed_training(images, short_epochs):
    settings = Settings(
        loss="ssim", epochs=1, learning_rate=1e-3, policy="mixed_bfloat16"
    )
    network, state = train(build, part(images, 0, 1), part(images, 4), settings)
    assert {layer.compute_dtype for layer in network.layers} == {"float32"}
    assert state["policy"] == "mixed_bfloat16"


def test_sweep_is_reported(images, short_epochs, monkeypatch):
    class Hooks:
        found = None

        def swept(self, sweep):
            self.found = sweep

        def callbacks(self, settings):
            return []

        def save(self, arrays, state):
            self.state = state

    monkeypatch.setattr("methods.engine.learning_rate.STEPS", 30)
    hooks = Hooks()
    settings = Settings(loss="l2", batch_size=2, epochs=1)
    _, state = train(build, part(images, 0, 1), part(images, 4), settings, hooks=hooks)
    assert len(hooks.found.rates) <= 30
    assert state["history"][0]["learning_rate"] == pytest.approx(hooks.found.chosen)
    assert hooks.state == state


def test_epochs_of_small_sets_repeat_images():
    assert images_per_epoch(60, 8) == 1024
    assert images_per_epoch(2000, 8) == 2000
    assert images_per_epoch(3, 8) == 1026


def test_every_image_comes_once_before_any_comes_again():
    batches = Batches(lambda indices: indices, 10, 4, seed=1)
    seen = np.concatenate([batches[i] for i in range(5)])
    assert sorted(seen[:10]) == sorted(seen[10:20]) == list(range(10))
    again = Batches(lambda indices: indices, 10, 4, seed=1)
    batches.start(1)
    again.start(1)
    assert (batches[0] == again[0]).all()
    assert not (np.concatenate([again[i] for i in range(5)]) == seen).all()


class Means(keras.Model):
    """Learns nothing; its loss is the mean of a batch."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1)

    def call(self, x):
        return self.dense(x)

    def compute_loss(self, x, y, y_pred, sample_weight=None, training=True):
        return keras.ops.mean(x) + 0 * keras.ops.sum(y_pred)


def followed(state):
    """Return the means of the batches of epochs 1 to 4, from those that `state` has."""
    seen = []

    class Recorder(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.total = 0.0

        def on_train_batch_end(self, batch, logs=None):
            total = float(logs["loss"]) * (batch + 1)
            seen.append(round(total - self.total, 1))
            self.total = total

    model, progress = Means(), Progress(patience=None)
    model.compile("sgd", jit_compile=False)
    progress.state.update(state)
    batches = Batches(lambda i: i[:, None].astype("float32"), 40, 4, seed=1)
    validation = InOrder(batches.load, 4, 4)
    run_epochs(model, batches, validation, 4, progress, [Recorder()])
    return np.reshape(seen, (-1, 10)), batches


def test_a_resumed_training_sees_the_batches_of_an_uninterrupted_one(short_epochs):
    whole, batches = followed({})
    for epoch, means in enumerate(whole):
        batches.start(epoch)
        np.testing.assert_allclose(means, [batches[i].mean() for i in range(10)], 0.02)
    np.testing.assert_array_equal(followed({"epochs": 2})[0], whole[2:])


def test_a_transform_gets_the_epoch_and_the_place():
    batches = Batches(
        lambda indices: indices, 10, 4, seed=1, transform=lambda *given: given
    )
    batches.start(3)
    images, seed, start = batches[2]
    assert (images == batches.order[8:12]).all()
    assert (seed, start) == ((1, 3), 8)


def test_in_order():
    batches = InOrder(lambda indices: indices, 5, 2)
    assert [list(batches[i]) for i in range(len(batches))] == [[0, 1], [2, 3], [4]]


class FakeModel:
    """Just what `Progress` needs of a model."""

    def __init__(self):
        self.optimizer = type("", (), {"learning_rate": 0.4, "variables": []})()
        self.variables = []
        self.stop_training = False
        self.weight = 0.0

    def get_weights(self):
        return [np.array(self.weight)]

    def set_weights(self, weights):
        self.weight = float(weights[0])


def follow(progress, losses):
    """Show `progress` one epoch after another; return the model."""
    model = FakeModel()
    progress.set_model(model)
    for epoch, loss in enumerate(losses):
        progress.on_epoch_begin(epoch)
        model.weight = float(epoch)
        progress.on_test_end()
        progress.on_epoch_end(epoch, {"loss": 1.0, "val_loss": loss})
        if model.stop_training:
            break
    progress.on_train_end()
    return model


def test_plateau_halves_the_rate_and_patience_ends_the_training():
    progress = Progress(patience=5, plateau=2)
    model = follow(progress, [3, 2, 4, 4, 4, 4, 4, 4, 4])
    rates = [row["learning_rate"] for row in progress.state["history"]]
    assert rates == [0.4, 0.4, 0.4, 0.4, 0.2, 0.2, 0.1]
    assert progress.state["finished"]
    assert progress.state["best_epoch"] == 2
    assert model.weight == 1  # that of the second epoch


def test_best_weights_are_those_that_were_validated():
    """Not those that the training goes on with."""
    progress = Progress(patience=5, plateau=2)
    model = FakeModel()
    progress.set_model(model)
    progress.on_epoch_begin(0)
    model.weight = 5.0
    progress.on_test_end()
    model.weight = 6.0
    progress.on_epoch_end(0, {"loss": 1.0, "val_loss": 1.0})
    progress.on_train_end()
    assert model.weight == 5


def test_without_patience_the_last_weights_stay():
    progress = Progress(patience=None)
    model = follow(progress, [2, 1, 4, 3])
    assert not progress.state["finished"]
    assert [row["learning_rate"] for row in progress.state["history"]] == [0.4] * 4
    assert progress.state["best_epoch"] == 4
    assert model.weight == 3


def test_loss_that_is_not_finite_ends_the_training(caplog):
    progress = Progress(patience=5, plateau=2)
    model = follow(progress, [3, np.nan, 1])
    assert model.weight == 0
    assert "not finite in epoch 2" in caplog.text
    with pytest.raises(TrainingDivergedError, match="epoch 1 at learning rate 0.4"):
        follow(Progress(patience=5, plateau=2), [np.inf])
