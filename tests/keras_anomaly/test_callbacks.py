import pytest

from keras_anomaly.callbacks import Callback, as_keras, optional
from processing.errors import UserError


def test_a_callback_need_not_listen():
    callback = Callback()
    callback.on_fit_begin(None)
    callback.on_epoch(0, {"loss": 1.0})
    callback.on_fit_end(None)


def test_a_callback_is_told_of_epochs_by_one_of_keras():
    class Told(Callback):
        def on_epoch(self, epoch, logs):
            told.append((epoch, logs))

    told = []
    callback = as_keras(Told())
    callback.on_epoch_end(1, {"loss": 0.5})
    assert told == [(1, {"loss": 0.5})]
    assert as_keras(callback) is callback


def test_what_is_not_installed():
    with pytest.raises(UserError, match=r"pip install 'keras-anomaly\[nothing\]'"):
        optional("nothing")
