import numpy as np
import pytest

from methods.serve import replica as module
from methods.serve.replica import Replica, Wanted
from processing.errors import UserError

from .conftest import Stub

FIRST = Wanted("m.hdf5", "results", "m1", "d1", "stub", "keras")
DARK = [np.full((20, 20, 3), 150, "uint8")]  # defective by d1, good by d2


@pytest.fixture
def loaded(monkeypatch):
    """Return what was loaded, in order."""
    found = []

    def load(wanted):
        if wanted.path == "missing":
            raise UserError("missing: no such file")
        found.append(wanted)
        return Stub(wanted.model, wanted.decision)

    monkeypatch.setattr(module, "_loaded", load)
    return found


def test_a_request_names_its_decision(loaded):
    replica = Replica(2, [FIRST])
    other = FIRST._replace(decision="d2")
    for _ in range(2):
        [verdict] = replica.judge(FIRST, DARK)
        assert verdict.defective
        [verdict] = replica.judge(other, DARK)
        assert not verdict.defective
    assert loaded == [FIRST]  # two decisions share a model


def test_what_judges_is_loaded_and_all_else_forgotten(loaded):
    replica = Replica(2, [FIRST])
    second = FIRST._replace(model="m2")
    replica.load([second])
    replica.judge(second, DARK)
    assert loaded == [FIRST, second]
    replica.judge(FIRST, DARK)  # a batch that began before
    assert loaded == [FIRST, second, FIRST]


def test_what_is_missing_is_told_when_it_is_asked_for(loaded):
    missing = FIRST._replace(path="missing", model="m3")
    replica = Replica(2, [FIRST, missing])
    for ask in (replica.load, lambda all_: replica.judge(all_[1], DARK)):
        with pytest.raises(UserError, match="missing: no such file"):
            ask([FIRST, missing])
    assert replica.judge(FIRST, DARK)


def test_another_model_at_the_path(model):
    path, results = model
    wanted = Wanted(str(path), str(results), "another", None, "PaDiM", "keras")
    with pytest.raises(UserError, match="expected model another, as the station has"):
        module._loaded(wanted)
