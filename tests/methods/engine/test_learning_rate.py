import keras
import numpy as np
import pytest

from methods.engine.learning_rate import choose_rate, find_learning_rate, smooth


def test_smoothing_of_a_constant_is_the_constant():
    np.testing.assert_allclose(smooth([2.0] * 5), 2.0)


def test_first_rate_that_reaches_most_of_the_fall():
    rates = np.geomspace(1e-5, 1, 11)
    losses = np.array([1, 1, 0.9, 0.5, 0.2, 0.1, 0.0, 0.3, 2, 5, 9])
    assert choose_rate(rates, losses) == pytest.approx(1.5 * rates[5])


def test_infinite_and_missing_losses_do_not_count():
    rates = np.geomspace(1e-5, 1, 6)
    losses = np.array([1, np.nan, 0.5, 0.0, np.inf, np.nan])
    assert choose_rate(rates, losses) == pytest.approx(1.5 * rates[3])


@pytest.mark.parametrize("losses", [[np.nan] * 3, [1.0, 1.0, 1.0], [1.0, 2.0, 3.0], []])
def test_without_a_fall_the_fallback_is_taken(losses, caplog):
    rates = np.geomspace(1e-5, 1, len(losses))
    assert choose_rate(rates, np.array(losses)) == 1e-3
    assert "no fall" in caplog.text


class Linear(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1)

    def call(self, x):
        return self.dense(x)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        return keras.ops.mean(keras.ops.square(y_pred - 3))


def test_sweep_finds_a_rate_and_restores_the_weights():
    trainer = Linear()
    batches = [np.ones((4, 2), np.float32)] * 2
    trainer(batches[0])
    before = [np.array(weight) for weight in trainer.weights]
    found = find_learning_rate(trainer, batches, steps=60)
    for weight, value in zip(trainer.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)
    assert 1e-4 < found.chosen <= 1.5e-2  # though the loss falls up to a rate of 1
    assert found.rates[-1] <= 1e-2 * (1 + 1e-9)
    assert len(found.rates) == len(found.losses) <= 60
    assert np.isfinite(found.losses[:-1]).all()
