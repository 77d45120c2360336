import pytest

from keras_anomaly.callbacks import Callback, optional
from processing.errors import UserError


def test_a_callback_need_not_listen():
    callback = Callback()
    callback.on_fit_begin(None)
    callback.on_epoch(0, {"loss": 1.0})
    callback.on_fit_end(None)


def test_what_is_not_installed():
    with pytest.raises(UserError, match=r"pip install 'keras-anomaly\[nothing\]'"):
        optional("nothing")
