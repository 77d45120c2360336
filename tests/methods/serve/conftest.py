import pytest

from methods.serve.store import Result, now


@pytest.fixture
def result():
    """Return a function that makes a result, with changes."""

    def make(id_, **changes):
        values = {
            "id": id_,
            "time": now(),
            "sha256": "ab" * 32,
            "name": f"{id_}.png",
            "part": "",
            "station": "",
            "verdict": "good",
            "score": 0.25,
            "p_value": None,
            "threshold": 0.5,
            "regions": [],
            "decision": "d1",
            "model": "m1",
            "milliseconds": 12.5,
            "pictures": {},
        }
        return Result(**values | changes)

    return make
