import numpy as np
import pytest

from methods.engine.training_state import Progress, TrainingDivergedError


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
