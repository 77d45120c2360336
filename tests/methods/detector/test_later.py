"""A stand-in says what the method says, and loads it when that is not enough."""

import numpy as np
import pytest

from methods.detector.kept import Kept
from methods.detector.later import FILE, Facts, Later
from methods.padim.padim import PaDiM


@pytest.fixture
def method():
    method = PaDiM()
    method.arrays["good_maximum"] = np.array(1 / 3)
    return method


def never():
    raise AssertionError("it was loaded")


def test_facts_are_known_without_the_method(method, tmp_path):
    kept = Kept(tmp_path)
    assert Later.of(kept, lambda: method) is method
    later = Later.of(kept, never)
    assert isinstance(later, Later)
    assert Facts.of(later) == Facts.of(method)
    assert later.highest(method.default_kind) == method.highest(method.default_kind)


def test_more_than_facts_loads_the_method_once(method):
    loaded = []

    def load():
        loaded.append(1)
        return method

    later = Later(Facts.of(method), load)
    assert not loaded
    assert later.arrays is method.arrays
    assert later.iterative is method.iterative
    assert loaded == [1]
    with pytest.raises(AttributeError, match="nothing"):
        later.nothing  # noqa: B018 - a property that is not there


def test_the_highest_map_of_an_uncalibrated_kind_is_asked_for(method):
    facts = Facts.of(method)
    facts.highest.clear()
    later = Later(facts, lambda: method)
    assert later.highest(method.default_kind) == method.highest(method.default_kind)


@pytest.mark.parametrize("text", ["", "{}", '{"name": 1}'])
def test_damaged_facts_are_not_taken(method, tmp_path, text):
    kept = Kept(tmp_path)
    (tmp_path / FILE).write_text(text)
    assert Later.of(kept, lambda: method) is method
    assert isinstance(Later.of(kept, never), Later)
