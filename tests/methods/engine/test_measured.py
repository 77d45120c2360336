import json
from datetime import date
from pathlib import Path

import pytest

from methods.engine import measured
from methods.engine.measured import Measured, cache_folder, recall, remember

SUBJECT = {"network": ["AE", 3], "loss": "l2"}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_ANOMALY_WEIGHTS", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_folder(cache, monkeypatch):
    assert cache_folder() == cache
    monkeypatch.delenv("KERAS_ANOMALY_WEIGHTS")
    assert cache_folder() == Path.home() / ".cache/keras-anomaly"


def test_what_was_measured_is_known_for_the_same_subject_alone(cache):
    assert recall("rate", SUBJECT) is None
    remember("rate", SUBJECT, 0.25)
    assert recall("rate", SUBJECT) == Measured(0.25, date.today().isoformat())
    assert recall("rate", dict(reversed(SUBJECT.items()))).value == 0.25
    assert recall("gain", SUBJECT) is None
    assert recall("rate", {**SUBJECT, "loss": "ssim"}) is None
    remember("rate", SUBJECT, 0.5)
    assert recall("rate", SUBJECT).value == 0.5
    assert len(list((cache / "measured").iterdir())) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"value": "0.1"},
        {"value": -1.0},
        {"value": float("nan")},
        {"date": "yesterday"},
        {"date": None},
        {"subject": {"network": ["AE", 4]}},
    ],
)
def test_a_damaged_file_is_measured_anew(changes, cache):
    remember("rate", SUBJECT, 0.25)
    [path] = (cache / "measured").iterdir()
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    assert recall("rate", SUBJECT) is None
    for text in ("", "[]", "{}", "{"):
        path.write_text(text)
        assert recall("rate", SUBJECT) is None


def test_a_cache_that_cannot_be_written_is_reported(cache, caplog):
    cache.write_text("a file")
    with caplog.at_level("INFO", measured.__name__):
        remember("learning_rate", SUBJECT, 0.25)
    assert "the learning rate is not remembered: cannot write" in caplog.text
    assert recall("learning_rate", SUBJECT) is None
