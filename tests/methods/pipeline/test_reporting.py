import numpy as np
import pytest

from methods.cae.cae import CAE
from methods.detector.decisions import decision_maps
from methods.pipeline.reporting import describe, open_gallery, score_threshold

FINETUNED = {"best_threshold": 12, "dtype": "uint8", "good_level": 4.0}
RECORD = {
    "dataset": "mvtec",
    "category": "bottle",
    "method": "mvtecCAE",
    "run": "mvtec/bottle/mvtecCAE/l2/x",
}


def test_a_score_beyond_the_threshold_is_a_pixel_beyond_it():
    method = CAE(image_shape=(32, 32, 1))
    limit = score_threshold(12, "uint8", method.highest("l2"))
    around = np.array([[[limit * 0.999, limit * 1.001]]])
    judged = decision_maps(method, "l2", around, "uint8")
    assert (judged > 12).tolist() == [[[False, True]]]
    assert score_threshold(0.3, "float64", method.highest("l2")) == 0.3


def test_description():
    method = CAE(image_shape=(32, 32, 1), loss="l2")
    about = describe(
        RECORD, method, {"threshold": 12, "method": "l2", "dtype": "uint8"}
    )
    assert about["title"] == "mvtec / bottle"
    assert about["method"] == "mvtecCAE, l2"
    assert about["score_threshold"] == pytest.approx(1.25)


def test_colours_come_from_the_finetuning(tmp_path):
    scale = open_gallery(tmp_path, FINETUNED).scale
    assert (scale.low, scale.threshold, scale.high) == (4, 12, 20)
    earlier = {"best_threshold": 12}
    assert open_gallery(tmp_path, earlier).scale.low == 0
