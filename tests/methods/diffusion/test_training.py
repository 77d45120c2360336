import keras
import numpy as np
import pytest
from keras import layers

from methods.diffusion.noise import Noise
from methods.diffusion.schedule import Schedule
from methods.diffusion.training import (
    Denoiser,
    DenoisingSettings,
    FixedBatches,
    NoisyBatches,
    average_decay,
    compile_denoiser,
    train,
)

SHAPE = (8, 8, 1)
SCHEDULE = Schedule()


def build():
    """Return the least that takes and gives what a UNet does."""
    images, timesteps = keras.Input(SHAPE), keras.Input(())
    time = layers.Reshape((1, 1, 1))(timesteps)
    x = layers.Conv2D(16, 3, padding="same", activation="silu")(images)
    x = layers.Add()([x, layers.Dense(16)(layers.Rescaling(1e-3)(time))])
    last = layers.Conv2D(1, 3, padding="same", kernel_initializer="zeros", name="last")
    return keras.Model([images, timesteps], last(x))


@pytest.fixture
def images():
    """Eight ramps."""
    ramp = np.linspace(0, 255, 8)
    rows = [np.tile(np.roll(ramp, i), (8, 1)) for i in range(8)]
    return np.stack(rows)[..., None].astype("float32") / 255


def data(images, settings):
    noise = Noise()
    return (
        NoisyBatches(images[:6].__getitem__, 6, settings, noise, SCHEDULE.steps),
        FixedBatches(images[6:].__getitem__, 2, settings, noise),
    )


def train_on(images, settings, **options):
    return train(build, SCHEDULE, *data(images, settings), settings, **options)


@pytest.fixture
def short(monkeypatch, short_epochs):
    monkeypatch.setattr("methods.diffusion.training.VALIDATIONS", 4)


def test_batches_depend_on_seed_epoch_and_step_alone(images, short_epochs):
    settings = DenoisingSettings(start=250, batch_size=3)
    first, second = (data(images, settings)[0] for _ in range(2))
    second[1], second[0]
    for ours, theirs in zip(first[1][0], second[1][0], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert not np.array_equal(first[0][0][1], first[1][0][1])
    second.start(1)
    assert not np.array_equal(first[0][0][1], second[0][0][1])


def test_half_of_the_timesteps_lie_where_reconstructions_begin(images, monkeypatch):
    monkeypatch.setattr("methods.engine.batches.EPOCH_IMAGES", 6000)
    batches, _ = data(images, DenoisingSettings(start=200, batch_size=6))
    timesteps = np.concatenate([batches[i][0][2] for i in range(len(batches))])
    assert timesteps.dtype == np.int32
    assert 0 <= timesteps.min() < 5
    assert 990 < timesteps.max() < 1000
    assert (timesteps < 200).mean() == pytest.approx(0.5 + 0.5 * 0.2, abs=0.03)


def test_validation_stays_and_is_spread_evenly(images):
    _, fixed = data(images, DenoisingSettings(start=100, batch_size=16))
    assert sum(len(fixed[i][0][0]) for i in range(len(fixed))) == 96
    for ours, theirs in zip(fixed[1][0], fixed[1][0], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    counts, _ = np.histogram(fixed.timesteps, bins=10, range=(0, 100))
    assert counts.min() >= 8
    counts, _ = np.histogram(fixed.timesteps[::2], bins=4, range=(0, 100))
    assert counts.min() >= 9


def test_loss_of_a_network_that_predicts_no_noise(images):
    denoiser = Denoiser(build(), SCHEDULE)
    batch = data(images, DenoisingSettings(start=250))[1][0][0]
    made = denoiser(batch)
    assert float(denoiser.compute_loss(y_pred=made)) == pytest.approx(
        np.mean(batch[1] ** 2), rel=1e-5
    )


def test_averaged_weights_look_back_on_a_twentieth():
    assert average_decay(2000) == pytest.approx(1 - 1 / 100)
    assert average_decay(10**9) == 0.9999
    assert average_decay(10) == 0


def test_training_lowers_the_loss_and_keeps_averaged_weights(images, monkeypatch):
    monkeypatch.setattr("methods.engine.batches.EPOCH_IMAGES", 180)
    monkeypatch.setattr("methods.diffusion.training.VALIDATIONS", 4)
    settings = DenoisingSettings(start=250, batch_size=6, epochs=8, learning_rate=5e-3)
    network, state = train_on(images, settings)
    losses = [row["val_loss"] for row in state["history"]]
    assert min(losses) < 0.7 * losses[0]
    denoiser = Denoiser(network, SCHEDULE)
    denoiser.compile()
    again = denoiser.evaluate(data(images, settings)[1], verbose=0)
    assert again == pytest.approx(min(losses), rel=1e-3)


class Hooks:
    """Keeps the states; stops the run after an epoch as a kill would."""

    def __init__(self, kill_after=None):
        self.kill_after = kill_after

    def callbacks(self, settings):
        return []

    def save(self, arrays, state):
        self.saved = arrays, {**state, "history": list(state["history"])}
        if state["epochs"] == self.kill_after:
            raise KeyboardInterrupt


def test_a_killed_run_resumes_to_the_same_network(images, short):
    settings = DenoisingSettings(start=250, batch_size=3, epochs=3, learning_rate=5e-3)
    straight, state = train_on(images, settings)
    hooks = Hooks(kill_after=1)
    with pytest.raises(KeyboardInterrupt):
        train_on(images, settings, run=hooks)
    resumed, resumed_state = train_on(images, settings, run=Hooks(), saved=hooks.saved)
    assert resumed_state["epochs"] == 3
    for ours, theirs in zip(resumed_state["history"], state["history"], strict=True):
        assert ours["val_loss"] == pytest.approx(theirs["val_loss"], rel=1e-4)
    for ours, theirs in zip(resumed.weights, straight.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_accumulated_batches_are_one_large_batch(images):
    """Two batches of three move the weights as one of six does."""
    batch = data(images, DenoisingSettings(start=250, batch_size=6))[0][0][0]
    weights = []
    for accumulate, parts in ((1, [slice(6)]), (2, [slice(3), slice(3, 6)])):
        settings = DenoisingSettings(
            start=250, accumulate=accumulate, learning_rate=1e-2
        )
        keras.utils.set_random_seed(0)
        denoiser = Denoiser(build(), SCHEDULE)
        denoiser(batch)
        compile_denoiser(denoiser, settings, steps=100 * accumulate)
        for part in parts:
            denoiser.train_on_batch(tuple(x[part] for x in batch))
        weights.append(denoiser.network.get_layer("last").get_weights())
    assert np.abs(weights[0][1]).max() > 0
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
