from dataclasses import dataclass

import numpy as np
import pytest

import methods
from methods.base import Method, TrainingImages
from methods.cli import method_checks
from methods.detector.detector import Detector
from methods.detector.records import Splits
from methods.pipeline.folds import Folds
from processing.data.dataset import scan_category
from processing.errors import UsageError
from tests.folders import make
from tests.records import training_record

FOLDABLE = {*method_checks.FOLDABLE, "unified"}  # unified says that it learned more


@dataclass(kw_only=True, eq=False)
class Nearest(Method):
    """The distance of an image's mean from the nearest one that it knows."""

    name: str = "nearest"
    image_shape: tuple = (8, 8, 1)

    def fit(self, images, run=None):
        batches = images.good.batches(4)
        self.arrays["known"] = np.concatenate([b.mean((1, 2, 3)) for b in batches])
        return self

    def build(self): ...

    def without(self, good, left_out):
        other = Nearest(seed=self.seed)
        other.arrays["known"] = np.delete(self.arrays["known"], left_out)
        return other

    def judge(self, images, kind=None):
        distances = images.mean((1, 2, 3))[:, None] - self.arrays["known"]
        scores = np.abs(distances).min(axis=1).astype(np.float32)
        return np.broadcast_to(scores[:, None, None], images.shape[:3]), scores


@pytest.fixture
def category(tmp_path):
    folder = make(tmp_path, "train/good/{12}.png")
    return scan_category(folder, image_shape=(8, 8, 1))


def judged(category, folds, **splits):
    """Return the scores and the mean of each image, by name."""
    record = training_record("nearest", splits=Splits(**splits))
    detector = Detector(method := Nearest())
    images = category.train.prepared(detector.preparation)
    of_images = np.concatenate([b.mean((1, 2, 3)) for b in images.batches(4)])
    means = dict(zip(images.names, of_images, strict=True))
    learned = splits.get("shots", splits["fit"])
    method.arrays["known"] = np.array([means[name] for name in learned])
    method.needs = ("shots",) if "shots" in splits else ()
    dealt = Folds.of(images, record.splits, folds, seed=42)
    batches = dealt.judge(detector, dealt.images, "distance")
    scores = np.concatenate([batch.scores for batch in batches])
    return dict(zip(dealt.images.names, scores, strict=True)), means


def test_no_image_is_judged_by_a_model_that_saw_it(category):
    names = list(category.train.names)
    scores, means = judged(category, 12, fit=names[:9], validation=names[9:])
    assert scores.keys() == {*names}
    for name, score in scores.items():
        known = [means[other] for other in names[:9] if other != name]
        expected = np.abs(means[name] - known).min()
        assert score == pytest.approx(expected, abs=1e-6)
        assert score > 0


def test_of_shots_they_alone_were_learned_from(category):
    names = list(category.train.names)
    parts = {"fit": names[:9], "validation": names[9:], "shots": names[2:5]}
    scores, means = judged(category, 2, **parts)
    assert scores.keys() == {*names}
    known = np.array([means[name] for name in parts["shots"]])
    for name in {*names} - {*parts["shots"]}:
        expected = np.abs(means[name] - known).min()
        assert scores[name] == pytest.approx(expected, abs=1e-6)


def test_a_single_shot_is_not_judged(category):
    names = list(category.train.names)
    parts = {"fit": names[:9], "validation": names[9:], "shots": names[2:3]}
    assert judged(category, 5, **parts)[0].keys() == {*names} - {names[2]}


def test_some_images_are_judged_as_all_are(category):
    names = list(category.train.names)
    splits = Splits(fit=names[:9], validation=names[9:])
    detector = Detector(method := Nearest())
    images = category.train.prepared(detector.preparation)
    method.fit(TrainingImages(images.subset(range(9)), images.subset([9])))
    dealt = Folds.of(images, splits, 4, seed=42)
    [*whole] = dealt.judge(detector, dealt.images, "distance")
    some = dealt.images.subset([0, 5, 11])
    [*part] = dealt.judge(detector, some, "distance")
    scores = np.concatenate([batch.scores for batch in whole])
    expected = scores[[0, 5, 11]]
    np.testing.assert_array_equal(np.concatenate([x.scores for x in part]), expected)


@pytest.mark.parametrize("name", methods.METHODS)
def test_methods_that_would_be_trained_anew_say_so(name):
    kind = methods.get(name)
    assert (kind.without is not Method.without) == (name in FOLDABLE)
    if name not in FOLDABLE:
        with pytest.raises(UsageError, match="expected train.py --validation SHARE"):
            kind(name=name, image_shape=(64, 64, 3)).without(None, [0])
