import numpy as np
import pytest

from methods.base import TrainingImages
from methods.detector.detector import Detector
from methods.detector.model_file import load_model, save_model
from methods.fewshot.fewshot import FewShot
from methods.fewshot.unified import Unified
from processing.data.dataset import scan_category
from tests.records import training_record

pytestmark = pytest.mark.usefixtures("eager_file", "few_blocks")
SHAPE = (32, 32, 3)
SMALL = {"image_shape": SHAPE, "weights": "random", "levels": "stage1,stage2"}
SMALL |= {"shots": 2}
QUICK = {"epochs": 1, "batch_size": 4, "learning_rate": 10.0}  # two steps, to be seen


@pytest.fixture(scope="module")
def category(samples):
    return scan_category(samples / "washer", image_shape=SHAPE)


@pytest.fixture(scope="module")
def known(category):
    """Return two categories: other images of one part."""
    good = category.train
    parts = [good.subset(part) for part in (range(5), [5], range(6, 11), [11])]
    return {
        "one": TrainingImages(parts[0], parts[1], parts[0].subset([0, 1])),
        "two": TrainingImages(parts[2], parts[3], parts[2].subset([1, 2])),
    }


@pytest.fixture(scope="module")
def frozen(known):
    """Return a method that is not trained."""
    return FewShot(**SMALL).fit(known["one"])


def make(monkeypatch, metrics):
    """Return an unfitted method, of which the shares have these metrics."""
    monkeypatch.setattr("methods.engine.batches.EPOCH_IMAGES", 1)
    method = Unified(**SMALL, **QUICK)
    monkeypatch.setattr(method, "_separation", lambda _, share: metrics[share])
    return method


USELESS = {0.0: 0.9, 0.25: 0.904, 0.5: 0.8, 0.75: 0.7}
USEFUL = {0.0: 0.8, 0.25: 0.82, 0.5: 0.9, 0.75: 0.85}


@pytest.mark.parametrize(("metrics", "share"), [(USELESS, 0), (USEFUL, 0.5)])
def test_training_that_gains_little_is_undone(
    metrics, share, category, known, frozen, monkeypatch
):
    """Then the maps are those of fewshot, to the last digits."""
    method = make(monkeypatch, metrics).fit(known["one"])
    assert method.arrays["share"] == share
    images = next(category.test.batches(4))
    maps, expected = (m.anomaly_map(images) for m in (method, frozen))
    assert np.allclose(maps, expected, atol=1e-5) == (share == 0)
    assert method.trained["shares"]["0.5"] == metrics[0.5]


def test_a_projection_that_does_nothing_gives_the_same_maps(category, known, frozen):
    """Whatever its share: the mean of a distance and itself."""
    method = Unified(**SMALL)
    method.load_backbone()
    images = next(category.test.batches(4))
    for share in (0.0, 0.5):
        method.arrays["share"] = np.array(share, np.float32)
        method.remember(known["one"].shots, None)
        np.testing.assert_allclose(
            method.anomaly_map(images), frozen.anomaly_map(images), atol=1e-5
        )


@pytest.fixture(scope="module")
def several(known):
    with pytest.MonkeyPatch.context() as patch:
        return make(patch, USEFUL).fit_categories(known)


def test_each_category_has_a_memory_of_its_own(several, known, tmp_path):
    save_model(tmp_path / "m.hdf5", Detector(several), training_record("unified"))
    loaded = load_model(tmp_path / "m.hdf5")[0].method
    for method in (several, loaded):
        levels = []
        for mine, other in (("one", "two"), ("two", "one")):
            method.choose(mine)
            levels.append(method.highest("distance"))
            shots = next(known[mine].shots.batches(2))
            assert method.anomaly_map(shots).max() < 1e-5
            shots = next(known[other].shots.batches(2))
            assert method.anomaly_map(shots).max() > 1e-4
        assert levels[0] != levels[1]


def test_another_product_takes_the_place_of_all_categories(several, known):
    arrays = dict(several.arrays)
    several.remember(known["two"].shots, known["two"].validation)
    assert several.anomaly_map(next(known["two"].shots.batches(2))).max() < 1e-5
    assert set(several.arrays) == {"views", "share", "good_maximum"}
    several.arrays |= arrays


def test_the_shares_are_told_apart_by_held_out_defects(known):
    method = Unified(**SMALL)
    method.load_backbone()
    metric = method._separation([known["one"], known["two"]], 0.5)
    assert 0.5 < metric <= 1  # of one validation image each
    assert metric == method._separation([known["one"], known["two"]], 0.5)
