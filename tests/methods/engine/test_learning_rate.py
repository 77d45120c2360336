import keras
import numpy as np
import pytest

from methods.engine import learning_rate
from methods.engine.learning_rate import (
    RateCurve,
    choose_rate,
    find_learning_rate,
    rate_for,
    smooth,
    steps_for,
)
from methods.engine.settings import Settings


def test_smoothing_of_a_constant_is_the_constant():
    np.testing.assert_allclose(smooth([2.0] * 5), 2.0)


def test_first_rate_that_reaches_most_of_the_fall():
    rates = np.geomspace(1e-7, 1e-2, 11)
    losses = np.array([1, 1, 0.9, 0.5, 0.2, 0.1, 0.0, 0.3, 2, 5, 9])
    assert choose_rate(rates, losses) == pytest.approx(1.5 * rates[5])


def test_no_rate_is_above_that_of_adam_s_authors():
    rates = np.geomspace(1e-5, 1e-2, 10)
    assert choose_rate(rates, np.linspace(1, 0, 10)) == 1e-3


def test_infinite_and_missing_losses_do_not_count():
    rates = np.geomspace(1e-7, 1e-2, 6)
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
    assert 1e-4 < found.chosen <= 1e-3  # though the loss falls up to a rate of 1
    assert found.rates[-1] <= 1e-2 * (1 + 1e-9)
    assert len(found.rates) == len(found.losses) <= 60
    assert np.isfinite(found.losses[:-1]).all()


@pytest.mark.parametrize(
    ("planned", "steps"), [(60 * 128, 200), (1000, 100), (128, 50), (1, 50)]
)
def test_a_search_is_a_small_part_of_a_training(planned, steps):
    assert steps_for(planned) == steps
    assert steps <= 0.15 * planned or steps == 50


@pytest.mark.parametrize("steps", [50, 200])
def test_a_short_search_finds_what_a_long_one_does(steps, monkeypatch):
    """Of losses that fall at a rate of 1e-4: the average lags by as large a factor.

    It has made 85 % of the fall after a sixth of the steps, a factor of 3.2, in 200.
    """

    class Falling:
        variables = ()

        def train_on_batch(self, batch):
            self.step = getattr(self, "step", -1) + 1
            return 1.0 - 0.9 * (1e-5 * 1e3 ** (self.step / (steps - 1)) > 1e-4)

    monkeypatch.setattr(learning_rate, "compile_trainer", lambda *_: None)
    found = find_learning_rate(Falling(), [None], steps)
    assert found.chosen == pytest.approx(1.5 * 3.2e-4, rel=0.15)


class Run:
    """What a search is reported to."""

    def __init__(self):
        self.curves = []

    def report_learning_rate(self, curve):
        self.curves.append(curve)


@pytest.fixture
def search(tmp_path, monkeypatch):
    """Return `rate_for` with searches that find 0.1, 0.2, ..., and their steps."""
    monkeypatch.setenv("KERAS_ANOMALY_WEIGHTS", str(tmp_path / "cache"))
    steps = []

    def find(trainer, batches, count):
        steps.append(count)
        return RateCurve(np.ones(1), np.ones(1), len(steps) / 10)

    monkeypatch.setattr(learning_rate, "find_learning_rate", find)

    def get(settings=Settings(), subject=None, **options):  # noqa: B008 - is frozen
        return rate_for(None, [0] * 20, settings, subject or {"loss": "l2"}, **options)

    return get, steps


def test_a_rate_is_searched_once_and_remembered(search, caplog):
    get, steps = search
    run = Run()
    with caplog.at_level("INFO"):
        assert get(run=run) == (0.1, "searched")
        rate, source = get(run=run)
    assert rate == 0.1
    assert source.startswith("found on 20")
    assert "learning rate: 0.1, as found on 20" in caplog.text
    assert len(run.curves) == 1  # a rate that is remembered has none
    assert steps == [120]


def test_another_subject_or_length_is_searched_for(search):
    get, steps = search
    get()
    assert get(subject={"loss": "ssim"}) == (0.2, "searched")
    assert get(Settings(epochs=10)) == (0.3, "searched")
    assert get()[0] == 0.1
    assert steps == [120, 120, 50]


def test_a_search_can_be_asked_for(search):
    get, _ = search
    get()
    assert get(anew=True) == (0.2, "searched")
    assert get()[0] == 0.2


def test_a_rate_that_is_given_needs_no_search(search):
    get, steps = search
    assert get(Settings(learning_rate=0.7)) == (0.7, "given")
    assert not steps
