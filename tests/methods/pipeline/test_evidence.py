from types import SimpleNamespace

import numpy as np
import pytest

from methods.pipeline.evidence import Evidence
from processing.data.dataset import scan_category
from processing.decision.calibration import Rule
from processing.decision.decision import Decision
from processing.decision.goals import Goal
from processing.decision.promise import upper_bound
from tests.folders import make

GOOD, DEFECTIVE = [1.0, 3.0, 2.0, 5.0, 4.0, 0.5], [4.5, 9.0, 8.0]


@pytest.fixture
def evidence(tmp_path):
    """Three validation images, three good and three defective finetuning images."""
    make(tmp_path, "train/good/{4}.png", "test/good/{3}.png", "test/dent/{3}.png")
    category = scan_category(tmp_path, image_shape=(8, 8, 1))
    order = [3, 0, 4, 1, 5, 2]  # good and defective ones take turns
    finetuning = category.test.subset(order)
    evidence = Evidence(category.train.subset(range(3)), finetuning, 4)
    evidence.validation[:] = np.array(GOOD[:3])[:, None] - [0, 0.1, 0.2, 0.3]
    scores = dict(zip(category.test.names, [*DEFECTIVE, *GOOD[3:]], strict=True))
    curves = [curve(scores[name]) for name in finetuning.names]
    assert list(evidence.fill(curves)) == curves
    return evidence


def curve(score):
    return SimpleNamespace(
        critical_thresholds=lambda areas: score - np.arange(areas) / 10
    )


def test_the_images_are_told_apart(evidence):
    np.testing.assert_array_equal(evidence.good[:, 0], GOOD)
    np.testing.assert_array_equal(evidence.defective[:, 0], DEFECTIVE)
    assert evidence.labels.tolist() == [0] * 6 + [1] * 3
    assert evidence.names[:3] == [f"train/good/00{i}.png" for i in range(3)]
    assert evidence.names[3:] == [f"test/good/00{i}.png" for i in range(3)]


def test_what_a_decision_promises(evidence):
    promise = evidence.promise(Decision(4.4, 3), None, None)
    assert (promise.good_images, promise.false_alarms) == (6, 1)
    assert (promise.defective_images, promise.misses) == (3, 1)
    assert promise.false_alarm_bound == pytest.approx(upper_bound(1, 6))
    assert promise.miss_bound == pytest.approx(upper_bound(1, 3))
    assert promise.kept is None
    assert evidence.promise(Decision(4.4, 900), None, None).misses == 1  # of the last


def test_a_rate_that_was_asked_for(evidence):
    decision = Decision(6, 1)
    promise = evidence.promise(decision, Goal("max-false-alarms", 0.6), None)
    assert (promise.asked, promise.kept, promise.needed) == (0.6, True, 6)
    assert promise.false_alarm_bound == pytest.approx(1 - 0.01 ** (1 / 6))
    promise = evidence.promise(decision, Goal("max-false-alarms", 0.01), None)
    assert (promise.kept, promise.needed) == (False, 459)
    promise = evidence.promise(decision, Goal("min-recall", 0.9), None)
    assert (promise.asked, promise.kept, promise.needed) == (0.1, False, 44)
    promise = evidence.promise(decision, None, Rule("conformal", 0.01))
    assert (promise.asked, promise.kept, promise.needed) == (0.01, False, 99)
    promise = evidence.promise(decision, None, Rule("bound", 0.01))
    assert (promise.asked, promise.kept, promise.needed) == (0.01, False, 299)


def test_the_good_images_that_look_worst(evidence):
    assert evidence.alarms(Decision(2.4, 1)) == [
        "train/good/001.png",
        "test/good/000.png",
        "test/good/001.png",
    ]
    binding = evidence.binding(Decision(4.4, 1))
    assert list(binding.values()) == [5, 4, 3, 2, 1]
    assert list(binding)[:3] == [
        "test/good/000.png",
        "test/good/001.png",
        "train/good/001.png",
    ]
