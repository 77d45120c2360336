import time
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from methods.detector.judge import Verdict
from methods.serve.events import Events
from methods.serve.station import Station
from methods.serve.store import Result, now
from processing.decision.regions import area_curve
from processing.errors import UserError
from processing.report.gallery import ColourScale


class Stub:
    """Stands for a model: what is bright is defective, in its upper left quarter.

    `chosen` of its decisions judges; `disk` is what all of a model share.
    """

    def __init__(self, id_="m1", chosen="d1", disk=None):
        self.id = self.place = id_
        self.path, self.results = Path("m.hdf5"), Path("results")
        self.scale = ColourScale.around(0.5, 0.1)
        self.disk = disk or {"limits": {"d1": 0.5, "d2": 0.99}, "in_force": chosen}
        self.threshold = self.disk["limits"][chosen]
        self.about = {"id": id_, "method": "stub", "variant": "none", "file": "m.hdf5"}
        self.about |= {"dataset": "d", "category": "c", "decision": chosen}
        self.about |= {"model": id_, "fixed": False}
        self.about |= {"threshold": self.threshold, "min_area": 1, "promise": None}
        detector = SimpleNamespace(image_shape=(16, 16, 3))
        self.judge = SimpleNamespace(
            detector=detector,
            score_threshold=self.threshold,
            kind="distance",
            good_scores=[],
            decision=SimpleNamespace(threshold=self.threshold),
        )
        finetuned = SimpleNamespace(
            name=chosen,
            threshold=self.threshold,
            min_area=1,
            clear_border=False,
            promise=None,
        )
        record = SimpleNamespace(run="a/b/c/d/e")
        self.decided = SimpleNamespace(finetuned=finetuned, record=record)
        self.fixed, self.replicas = False, None
        self.sizes = []
        self.wait = lambda: None

    @property
    def decisions(self):
        return [
            {"id": name, "name": f"by {name}", "source": "a test", "maps": "distance"}
            | {"threshold": limit, "min_area": 1, "promise": None, "created": ""}
            | {"judges": name == self.decided.finetuned.name}
            | {"in_force": name == self.disk["in_force"]}
            for name, limit in self.disk["limits"].items()
        ]

    def judged_by(self, name):
        if name not in self.disk["limits"]:
            raise UserError("no such decision")
        return Stub(self.id, name, self.disk)

    def put_in_force(self):
        self.disk["in_force"] = self.decided.finetuned.name

    def verdicts(self, images):
        self.sizes.append(len(images))
        self.wait()
        return [self.verdict(float(image.mean()) / 255) for image in images]

    def verdict(self, score):
        anomaly_map = np.zeros((16, 16), np.float32)
        anomaly_map[:8, :8] = score
        mask = anomaly_map > self.threshold
        return Verdict(score, anomaly_map, anomaly_map, mask, 0.3, None)

    maps = "distance"

    def curve(self, pixels):
        [verdict] = self.verdicts([pixels])
        return verdict.score, area_curve(verdict.decided_map)

    def prepare(self):
        self.prepared = True


def png(level, size=20):
    """Return the bytes of a grey picture."""
    return cv2.imencode(".png", np.full((size, size, 3), level, "uint8"))[1].tobytes()


def until(what):
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


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
