from types import SimpleNamespace

import pytest

from methods.serve.batching import Unavailable
from methods.serve.ray_driver import TRIES, Driver, resources
from processing.errors import UsageError, UserError

exceptions = pytest.importorskip("ray").exceptions


@pytest.mark.parametrize(
    ("nodes", "count", "wanted"),
    [
        ([{"CPU": 2}], 1, (2, 0)),
        ([{"CPU": 2}], 2, (1, 0)),
        ([{"CPU": 8}, {"CPU": 4}], 2, (4, 0)),
        ([{"CPU": 8}, {"CPU": 8}], 3, (4, 0)),
        ([{"CPU": 8, "GPU": 1}, {"CPU": 8, "GPU": 1}], 2, (8, 1)),
    ],
)
def test_shares_of_nodes(nodes, count, wanted):
    found = resources(nodes, count)
    assert (found["num_cpus"], found["num_gpus"]) == wanted


def test_more_replicas_than_cores():
    with pytest.raises(UsageError, match="--replicas: expected at most 4, the cores"):
        resources([{"CPU": 2}, {"CPU": 2}], 5)


class Response:
    def __init__(self, answer):
        self.answer = answer

    def result(self, timeout_s):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def driver():
    """Return a function that makes a driver whose handle has these answers."""

    def make(*answers):
        made = object.__new__(Driver)
        made._ray = SimpleNamespace(exceptions=exceptions)
        left = iter(answers)
        asked = SimpleNamespace(remote=lambda *_: Response(next(left)))
        made._handle = SimpleNamespace(judge=asked, load=asked)
        return made

    return make


def test_a_batch_whose_replica_dies_is_tried_again(driver):
    died = exceptions.RayActorError()
    assert driver(*[died] * (TRIES - 1), ["verdict"]).judge("m1", []) == ["verdict"]
    with pytest.raises(Unavailable, match=f"replicas died {TRIES} times"):
        driver(*[died] * TRIES).judge("m1", [])


def test_errors_of_replicas_are_told(driver):
    cause = UserError("x.hdf5: no such file")
    error = exceptions.RayTaskError("judge", "traceback", cause)
    with pytest.raises(UserError, match="^x.hdf5: no such file$"):
        driver(error).judge("m1", [])
    with pytest.raises(Unavailable, match="no replica answers"):
        driver(TimeoutError()).judge("m1", [])


def test_as_many_replicas_load_as_there_are(driver):
    made = driver(None, UserError("x.hdf5: no such file"))
    made.count = 1
    made.prepare(["m1"])
    with pytest.raises(UserError, match="no such file"):
        made.prepare(["m1"])
    made = driver(None, None)
    made.count = 3
    with pytest.raises(StopIteration):  # a third is asked
        made.prepare(["m1"])
