import sys

import pytest

from autoencoder import memory


def test_glibc_takes_the_settings():
    if sys.platform != "linux":
        pytest.skip("glibc is Linux's")
    assert memory.keep_freed_memory()


def test_elsewhere_nothing_happens(monkeypatch):
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    assert not memory.keep_freed_memory()


def test_called_after_the_first_batch_of_an_epoch(monkeypatch):
    calls = []
    monkeypatch.setattr(memory, "keep_freed_memory", lambda: calls.append(1))
    callback = memory.KeepFreedMemory()
    for batch in (0, 1, 2, 0):
        callback.on_train_batch_end(batch)
    assert len(calls) == 2
