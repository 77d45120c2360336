"""Verdicts, from maps that are known."""

import os
from dataclasses import replace

import cv2
import numpy as np
import pytest

from methods.base import Method
from methods.cae.cae import CAE
from methods.detector.detector import Detector
from methods.detector.judge import Judge, decision_maps
from methods.detector.kept import Kept
from methods.detector.results import Calibration
from processing.decision.decision import Decision
from processing.errors import UserError
from processing.preprocessing.preparation import Preparation
from tests.records import PROMISE, finetuning_result


class Grey(Method):
    """A method whose maps are the images."""

    map_kinds = ("light", "dark")

    def __init__(self):
        super().__init__(name="grey", image_shape=(8, 8, 1), seed=0)
        self.arrays["good_maximum"] = np.array(1 / 3)

    def fit(self, *_):
        return self

    def build(self):
        pass

    def judge(self, images, kind=None):
        maps = images[..., 0] if kind == "light" else 1 - images[..., 0]
        return maps, maps.max(axis=(1, 2))


@pytest.fixture
def image():
    """Return an image with one spot of 2x3 pixels and one of a pixel."""
    pixels = np.zeros((8, 8), np.uint8)
    pixels[1:3, 2:5] = 204
    pixels[1, 2] = 230
    pixels[6, 6] = 255
    return pixels


def verdicts(image, **changes):
    finetuned = finetuning_result(kind="light", threshold=0.5, **changes)
    return list(Judge.of(Detector(Grey()), finetuned).judge_arrays([image, 0 * image]))


def test_what_is_said_of_an_image(image):
    verdict, good = verdicts(image)
    assert verdict.defective
    assert not good.defective
    assert verdict.score == 1
    np.testing.assert_array_equal(verdict.mask, (image > 127) & (image < 255))
    np.testing.assert_allclose(verdict.anomaly_map, image / 255, rtol=1e-6)
    assert verdict.p_value is verdict.critical is None
    assert verdict.registered is None
    regions = {key: list(column) for key, column in verdict.regions.items()}
    assert regions.pop("highest") == pytest.approx([230 / 255])
    assert regions == {
        **{"top": [1], "left": [2], "bottom": [3], "right": [5]},
        **{"area": [6], "row": [1.5], "column": [3]},
    }
    assert all(len(column) == 0 for column in good.regions.values())


def test_p_values_are_those_among_good_scores(image):
    calibration = Calibration(name="max", number=None, good_scores=[0.1, 0.5, 0.9])
    verdict, good = verdicts(image, score=None, calibration=calibration)
    assert verdict.p_value == 2 / 4  # two pixels or more are lighter than 0.5
    assert good.p_value == 1


def test_the_decision_is_made_on_maps_of_its_kind_and_type(image):
    finetuned = finetuning_result(kind="dark", dtype="uint8", threshold=100)
    judge = Judge.of(Detector(Grey()), finetuned)
    (verdict,) = judge.judge_arrays([image])
    assert verdict.decided_map.dtype == np.uint8
    np.testing.assert_allclose(verdict.decided_map, 255 - image, atol=1)
    np.testing.assert_array_equal(verdict.mask, image < 155)
    assert verdict.anomaly_map.max() == 1
    assert Judge(Detector(Grey()), Decision(1.0, 1)).kind == "light"


def test_tables_say_what_the_decision_promises():
    judge = Judge.of(Detector(Grey()), finetuning_result(kind="light", id="x"))
    assert judge.columns == {"decision": "x"}  # of an earlier version
    promised = finetuning_result(kind="light", id="x", promise=PROMISE)
    bounds = {"false_alarm_bound": 0.0951, "miss_bound": 0.429}
    asked = {"asked": 0.01, "kept": 0}
    judge = Judge.of(Detector(Grey()), promised)
    assert judge.columns == {"decision": "x", **bounds, **asked}
    assert replace(PROMISE, asked=None, kept=None).columns == bounds


def test_a_score_beyond_the_threshold_is_a_pixel_beyond_it():
    method = CAE(image_shape=(32, 32, 1), loss="l2")
    judge = Judge(Detector(method), Decision(12, 1), "l2", "uint8")
    limit = judge.score_threshold
    assert limit == pytest.approx(12.5 * method.highest("l2") / 255)
    around = np.array([[[limit * 0.999, limit * 1.001]]])
    judged = decision_maps(method, "l2", around, "uint8")
    assert (judged > 12).tolist() == [[[False, True]]]
    assert Judge(Detector(method), Decision(0.3, 1), "l2").score_threshold == 0.3


def test_uint8_maps_are_scaled_by_the_kind(rng):
    method = CAE(image_shape=(32, 32, 1))
    maps = rng.random((1, 4, 4))
    assert decision_maps(method, "ssim", maps, "float64") is maps
    standard = decision_maps(method, "ssim", maps, "uint8")
    legacy = decision_maps(method, "legacy-ssim", maps, "uint8")
    assert standard.max() <= 10 < legacy.max()


def test_a_decision_for_maps_that_the_method_does_not_have():
    with pytest.raises(UserError, match="is for depth maps: expected .* light, dark,"):
        Judge.of(Detector(Grey()), finetuning_result(kind="depth"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks on this system")
@pytest.mark.filterwarnings("ignore:.*fork")
def test_a_fork_does_not_judge(image):
    judge = Judge(Detector(Grey()), Decision(0.5, 1))
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            judge.judge_arrays([image])
        except UserError as error:
            os.write(writing, str(error).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    assert f"expected methods.load in process {child}" in said
    assert f"Received: a model of process {os.getpid()}" in said
    assert len(list(judge.judge_arrays([image]))) == 1


def test_kept_verdicts_are_the_same_and_so_is_the_warning(image, tmp_path, monkeypatch):
    cv2.imwrite(str(tmp_path / "a.png"), image)
    detector = Detector(Grey(), Preparation((8, 8), 1))
    read = Preparation.__call__

    def unregistered(preparation, path):
        view = read(preparation, path)
        return view._replace(geometry=replace(view.geometry, registered=False))

    monkeypatch.setattr(Preparation, "__call__", unregistered)
    judge = Judge.of(detector, finetuning_result(kind="light"))
    found = []
    for _ in range(2):
        kept = Kept(tmp_path / "kept", 2**20)
        with pytest.warns(UserWarning, match="1 of 1 images could not be registered"):
            found += judge.judge_kept(detector.images(tmp_path / "a.png"), kept)
        monkeypatch.setattr(Preparation, "__call__", None)  # nothing is read again
    for key, value in vars(found[0]).items():
        np.testing.assert_array_equal(getattr(found[1], key), value)
        assert type(getattr(found[1], key)) is type(value)
