from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from methods.detector.judge import Verdict
from methods.serve.events import Events
from methods.serve.station import Station
from methods.serve.store import Result, now
from processing.report.gallery import ColourScale


class Stub:
    """Stands for a model: what is bright is defective, in its upper left quarter."""

    def __init__(self, id_="m1"):
        self.id = id_
        self.scale = ColourScale.around(0.5, 0.1)
        self.about = {"id": id_, "method": "stub", "variant": "none", "file": "m.hdf5"}
        self.about |= {"dataset": "d", "category": "c", "decision": "d1"}
        self.about |= {"threshold": 0.5, "min_area": 1, "promise": None}
        detector = SimpleNamespace(image_shape=(16, 16, 3))
        self.judge = SimpleNamespace(detector=detector, score_threshold=0.5)
        self.decided = SimpleNamespace(finetuned=SimpleNamespace(name="d1"))
        self.sizes = []
        self.wait = lambda: None

    def verdicts(self, images):
        self.sizes.append(len(images))
        self.wait()
        return [self.verdict(float(image.mean()) / 255) for image in images]

    def verdict(self, score):
        anomaly_map = np.zeros((16, 16), np.float32)
        anomaly_map[:8, :8] = score
        return Verdict(score, anomaly_map, anomaly_map, anomaly_map > 0.5, 0.3, None)

    def prepare(self):
        self.prepared = True


def png(level, size=20):
    """Return the bytes of a grey picture."""
    return cv2.imencode(".png", np.full((size, size, 3), level, "uint8"))[1].tobytes()


@pytest.fixture
def stub():
    return Stub()


@pytest.fixture
def events():
    return Events()


@pytest.fixture
def station(tmp_path, stub, events):
    models = {stub.id: stub, "m2": Stub("m2")}
    opened = Station(tmp_path / "station", models, 4, events.publish)
    yield opened
    opened.close()


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
