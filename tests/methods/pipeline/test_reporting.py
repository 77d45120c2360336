from dataclasses import replace

from methods.cae.cae import CAE
from methods.detector.decisions import Decided
from methods.detector.detector import Detector
from methods.detector.judge import Judge
from methods.pipeline.reporting import describe, open_gallery
from tests.records import PROMISE, finetuning_result, training_record


def test_description():
    finetuned = finetuning_result(kind="l2", threshold=0.75)
    judge = Judge.of(Detector(CAE(image_shape=(32, 32, 1), loss="l2")), finetuned)
    record = training_record("mvtecCAE")
    about = describe(Decided(judge, record, finetuned))
    assert about == {
        "title": "mvtec / bottle",
        "method": "mvtecCAE, l2",
        "run": record.run,
        "score_threshold": 0.75,
        "promise": "",
    }
    promised = replace(finetuned, promise=PROMISE)
    words = describe(Decided(judge, record, promised))["promise"]
    assert words == "at most 9.5% false alarms, 42.9% misses; 0.01 is not kept"


def test_colours_come_from_the_finetuning(tmp_path):
    finetuned = finetuning_result(threshold=12, good_level=4.0)
    scale = open_gallery(tmp_path, finetuned).scale
    assert (scale.low, scale.threshold, scale.high) == (4, 12, 20)
    earlier = finetuning_result(threshold=12, good_level=None)
    assert open_gallery(tmp_path, earlier).scale.low == 0
