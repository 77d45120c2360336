import json

import keras
import numpy as np
import pytest

from methods.base import StateError
from methods.engine.training_state import (
    KINDS,
    Progress,
    TrainingDivergedError,
    check_state,
)


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


VALUES = [None, True, -1, 1.5, float("nan"), float("inf"), 10**400, "x", [], {}]


@pytest.fixture(scope="module")
def state():
    """Return what a training that diverged in its second epoch has saved, as JSON."""
    saved = []
    progress = Progress(5, save=lambda arrays, state: saved.append(json.dumps(state)))
    progress.state["policy"] = "float32"
    follow(progress, [3, np.nan])
    return saved[-1]


def test_what_a_training_saves_is_no_damage(state):
    check_state(json.loads(state))


@pytest.mark.parametrize("key", KINDS)
def test_a_key_that_is_missing_or_of_another_type(key, state):
    changed = json.loads(state)
    right = changed.pop(key)
    with pytest.raises(StateError, match=f"state: expected the key '{key}'. Received"):
        check_state(changed)
    for value in VALUES:
        if type(value) is not type(right):
            with pytest.raises(StateError, match=f"{key}: expected .* Received: "):
                check_state({**changed, key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("policy", "x"), ("best", float("nan")), ("best_epoch", 3), ("epochs", 1)),
        *(("history", [1, 2]), ("history", [{}, {}]), ("history", [])),
    ],
)
def test_values_that_no_training_saves(key, value, state):
    changed = json.loads(state)
    changed[key] = value
    with pytest.raises(StateError, match="(history|best_epoch|best|policy): expected"):
        check_state(changed)
    for row in json.loads(state)["history"]:
        for name in row:
            changed = {**json.loads(state), "history": [row, {**row, name: "x"}]}
            with pytest.raises(StateError, match="history: expected numbers: "):
                check_state(changed)


def test_states_that_are_no_object():
    with pytest.raises(StateError, match="state: expected an object. Received: 3"):
        check_state(3)


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("current", lambda arrays: arrays.clear(), "2 arrays. Received: 0"),
        ("best", lambda arrays: arrays.pop(), "2 arrays. Received: 1"),
        ("optimizer", lambda arrays: arrays.append(1), "arrays. Received: 3"),
        (
            "current",
            lambda arrays: arrays.reverse(),
            r"shape \(2, 3\). Received",
        ),
    ],
)
def test_arrays_of_another_model(kind, change, message, state):
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    network.compile("sgd")
    network.optimizer.build(network.trainable_variables)
    progress = Progress(5)
    progress.set_model(network)
    progress.best_weights = network.get_weights()
    arrays = progress.arrays()
    progress.restore(network, arrays, json.loads(state))
    change(arrays[kind])
    with pytest.raises(StateError, match=f"{kind}.*: expected .*{message}"):
        progress.restore(network, arrays, json.loads(state))
