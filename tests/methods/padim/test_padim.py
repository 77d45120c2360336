import numpy as np
import pytest

from methods.base import TrainingImages
from methods.components.memory_check import size
from methods.detector.detector import Detector
from methods.detector.model_file import load_model, save_model
from methods.padim.padim import PaDiM, shared_out
from processing.data.dataset import scan_category
from processing.errors import UsageError, UserError
from tests.records import training_record

pytestmark = pytest.mark.usefixtures("eager_file", "few_blocks")
SMALL = {"image_shape": (64, 64, 3), "weights": "random"}


@pytest.fixture(scope="module")
def category(samples):
    return scan_category(samples / "washer", image_shape=(64, 64, 3))


def fitted(category, images, **config):
    method = PaDiM(**SMALL, levels="stage2,stage3", **config)
    good = category.train
    return method.fit(TrainingImages(good.subset(range(images)), good.subset([10, 11])))


def saved_and_loaded(method, path):
    save_model(path, Detector(method), training_record("PaDiM"))
    return load_model(path)[0].method


@pytest.mark.parametrize("features", [4, 60])
def test_an_update_equals_a_fit_on_all(category, features, tmp_path):
    """With four channels the sums are extended, with sixty the dual form."""
    images = next(category.test.batches(4))
    method = fitted(category, 6, features=features)
    method = saved_and_loaded(method, tmp_path / "model.hdf5")
    good = category.train
    method.update(TrainingImages(good.subset(range(6, 10)), good.subset([10, 11])))
    expected = fitted(category, 10, features=features).anomaly_map(images)
    np.testing.assert_allclose(method.anomaly_map(images), expected, rtol=1e-5)
    again = saved_and_loaded(method, tmp_path / "more.hdf5")
    np.testing.assert_allclose(again.anomaly_map(images), expected, rtol=1e-5)


@pytest.mark.parametrize("features", [2, 60])
def test_without_some_images_it_is_a_fit_on_the_others(category, features):
    """With two channels sums are taken away, with sixty features stay."""
    good = category.train.subset(range(9))
    images = next(good.subset([2, 3, 8]).batches(3))
    method = fitted(category, 9, features=features)
    before = method.anomaly_map(images)
    without = method.without(good, [2, 8])
    others = good.subset([0, 1, 3, 4, 5, 6, 7])
    fitted_anew = PaDiM(**SMALL, levels="stage2,stage3", features=features)
    fitted_anew.fit(TrainingImages(others, category.train.subset([10, 11])))
    expected = fitted_anew.anomaly_map(images)
    np.testing.assert_allclose(without.anomaly_map(images), expected, rtol=1e-4)
    np.testing.assert_array_equal(method.anomaly_map(images), before)
    assert without.arrays["good_maximum"] == method.arrays["good_maximum"]
    with pytest.raises(UserError, match="expected the 9 images .* Received: 8, of"):
        method.without(good.subset(range(8)), [2])


def test_channels_of_the_papers_and_of_the_seed():
    def channels(backbone, **config):
        return PaDiM(backbone=backbone, **config).channels

    assert channels("resnet18") == channels("efficientnet_lite0") == 100
    assert channels("resnet18", features=180) == 180
    assert channels("wide_resnet50_2") == 550
    assert channels("efficientnet_lite0", levels="stage2") == 24
    levels = PaDiM(backbone="wide_resnet50_2", preset="paper").chosen_levels
    assert sum(level.channels for level in levels) == 1792
    with pytest.raises(UsageError, match="has 448 channels .* Received: 449"):
        channels("resnet18", features=449, preset="paper")


@pytest.mark.parametrize(
    ("count", "sizes", "shares"),
    [
        (100, (24, 40, 112, 320), [24, 25, 25, 26]),
        (7, (2, 9, 1), [2, 4, 1]),
        (2, (5, 5, 5, 5), [0, 0, 1, 1]),
        (6, (3, 1, 2), [3, 1, 2]),
    ],
)
def test_channels_are_shared_out(count, sizes, shares):
    assert shared_out(count, sizes) == shares


def test_equally_many_channels_of_each_level():
    index = PaDiM(features=80)._draw()
    ends = np.searchsorted(index, [24, 64, 176, 496])
    assert list(np.diff(ends, prepend=0)) == [20, 20, 20, 20]


def test_levels_come_to_one_scale_and_a_grid_of_stride_8(category):
    method = PaDiM(**SMALL, features=496)
    method.load_backbone()
    method.arrays["index"] = method._draw()
    [features] = method.embedded(category.train.subset(range(8)))
    assert features.shape == (8, 8, 8, 496)
    squares = (features[..., 24:64] ** 2).mean(axis=(1, 2, 3))  # stride 8: as they are
    np.testing.assert_allclose(squares, 1, atol=0.2)
    method = PaDiM(**SMALL, features=448 - 272, preset="paper")
    assert method.grid == (16, 16)


@pytest.mark.parametrize(
    ("levels", "grid"), [("stage2", 16), ("stage2,stage5", 8), ("stage5,stage7", 4)]
)
def test_the_grid_follows_the_levels(levels, grid):
    assert PaDiM(**SMALL, levels=levels).grid == (grid, grid)


def test_a_model_of_before_the_presets_is_the_papers():
    assert PaDiM.recorded_config({"seed": 1}) == {
        "seed": 1,
        "preset": "paper",
        "top": 0.0,
    }
    config = PaDiM(**SMALL).get_config()
    assert PaDiM.recorded_config(config) == config
    assert (PaDiM().epsilon, PaDiM(preset="paper").epsilon) == (0.1, 0.01)
    with pytest.raises(UsageError, match="unknown preset 'tiny': .* levelled, paper"):
        PaDiM(**SMALL, preset="tiny").check()


def test_the_drawn_channels_are_saved(category, tmp_path):
    method = fitted(category, 4, features=7)
    loaded = saved_and_loaded(method, tmp_path / "model.hdf5")
    index = loaded.arrays["index"]
    np.testing.assert_array_equal(index, method.arrays["index"])
    assert len(set(index)) == 7
    assert not np.array_equal(index, fitted(category, 4, features=7, seed=1)._draw())


@pytest.mark.parametrize("shape", [(32, 96, 3), (64, 32, 1)])
def test_any_shape_and_grey(samples, shape):
    good = scan_category(samples / "washer", image_shape=shape).train
    small = {"weights": "random", "levels": "stage2", "features": 5}
    method = PaDiM(image_shape=shape, **small)
    method.fit(TrainingImages(good.subset(range(4)), good.subset([4, 5])))
    images = next(good.batches(2))
    assert method.anomaly_map(images).shape == (2, *shape[:2])


def test_unknown_levels_are_named():
    with pytest.raises(UsageError, match=r"levels stage1.* Received: stage9"):
        PaDiM(**SMALL, levels="stage2,stage9").check()


def test_too_little_memory_is_told_before_work(category, monkeypatch, caplog):
    with caplog.at_level("INFO"):
        fitted(category, 2)
    assert "memory: about" in caplog.text
    monkeypatch.setattr(
        "psutil.virtual_memory", lambda: type("M", (), {"available": 9})
    )
    with pytest.raises(UserError, match="memory needed.* --features or --size"):
        fitted(category, 2)


def test_sizes():
    assert [size(n) for n in (10, 123_456_789, 2_345_000_000)] == [
        "1 MB",
        "123 MB",
        "2.3 GB",
    ]
