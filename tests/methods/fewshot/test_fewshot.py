from functools import cache

import numpy as np
import pytest

from methods.base import TrainingImages
from methods.fewshot.few_shot_method import turns
from methods.fewshot.fewshot import FewShot
from processing.data.dataset import scan_category
from processing.errors import UsageError, UserError
from processing.maps.residuals import smooth
from tests.records import training_record

pytestmark = pytest.mark.usefixtures("eager_file", "few_blocks")
SHAPE = (32, 32, 3)
SMALL = {"image_shape": SHAPE, "weights": "random"}
LEVELS = {"levels": "stage1,stage2"}  # 16 x 16 and 8 x 8


@pytest.fixture(scope="module")
def category(samples):
    return scan_category(samples / "washer", image_shape=SHAPE)


def fitted(category, **config):
    good = category.train
    method = FewShot(**{**SMALL, **LEVELS, **config})
    return method.fit(TrainingImages(good.subset(range(8)), good.subset([10, 11])))


@pytest.fixture(scope="module")
def known(category):
    """Return a function from shots, and directions, to a method to look at alone."""
    return cache(
        lambda shots, rotations=None: fitted(category, shots=shots, rotations=rotations)
    )


def unit_features(method, images):
    maps = method.networks["backbone"].predict_on_batch(images)
    return [
        f / np.linalg.norm(f, axis=-1, keepdims=True) for f in map(np.asarray, maps)
    ]


def test_maps_are_mean_cosine_distances(category, known):
    """The same as written out: all pairs of features at once, OpenCV's resize."""
    import cv2

    method = known(2)
    shots = next(category.train.subset(method.support(8)).batches(2))
    image = next(category.test.batches(1))
    total = 0
    pairs = zip(unit_features(method, image), unit_features(method, shots), strict=True)
    for features, stored in pairs:
        cosines = np.einsum("hwd,nkld->hwnkl", features[0], stored)
        nearest = 1 - cosines.max(axis=(2, 3, 4))
        total = total + smooth(cv2.resize(nearest, SHAPE[:2])[None], 4.0)
    maps, scores = method.judge(image)
    np.testing.assert_allclose(maps, total / 2, atol=1e-5)
    highest = np.sort(maps.reshape(-1))[-11:]  # 1 % of 32 x 32
    np.testing.assert_allclose(scores, highest.mean(), rtol=1e-5)


def test_a_remembered_image_has_no_anomaly(category, known):
    method = known(3)
    shots = category.train.subset(method.support(8))
    assert method.anomaly_map(next(shots.batches(3))).max() < 1e-5
    others = [i for i in range(8) if i not in method.support(8)]
    assert (
        method.anomaly_map(next(category.train.subset(others).batches(5))).max() > 1e-4
    )


def test_rotations_are_remembered_when_asked(category, known):
    plain, turned = (known(1, x) for x in (1, 4))
    shot = next(category.train.subset(plain.support(8)).batches(1))
    assert [bank.count for bank in turned.banks] == [4 * 256, 4 * 64]
    for quarter in range(1, 4):
        image = np.ascontiguousarray(np.rot90(shot, quarter, (1, 2)))
        assert turned.anomaly_map(image).max() < 1e-5
        assert plain.anomaly_map(image).max() > 1e-4


@pytest.mark.parametrize(
    ("shots", "asked", "views"), [(1, None, 8), (2, None, 2), (1, 1, 1), (2, 4, 8)]
)
def test_a_single_shot_is_remembered_in_eight_directions(known, shots, asked, views):
    method = known(shots, asked)
    assert int(method.arrays["views"]) == views


def test_more_shots_lie_nearer(category, known):
    images = next(category.test.batches(4))
    one, many = (known(n).anomaly_map(images) for n in (1, 6))
    assert (many.mean(axis=(1, 2)) < one.mean(axis=(1, 2))).all()


def test_without_a_shot_it_is_that_of_the_others(category):
    good = category.train
    shots = good.subset([1, 4, 6])
    method = fitted(category, shots=3)
    method.remember(shots, None)
    expected = [np.asarray(bank.bank) for bank in method.banks]
    without = method.without(shots, [1])
    for bank, whole in zip(without.banks, expected, strict=True):
        kept = np.delete(whole.reshape(3, -1, whole.shape[1]), 1, axis=0)
        kept = kept.reshape(-1, whole.shape[1])
        np.testing.assert_allclose(bank.bank, kept, atol=1e-6)
    with pytest.raises(UserError, match="expected more --shots: none would be left"):
        method.without(shots, [0, 1, 2])


def test_the_draw_is_seeded_and_named(category, known):
    method = known(3)
    names = [category.train.names[i] for i in method.support(8)]
    assert method.trained["shots"] == names
    assert (method.support(8) == FewShot(shots=3).support(8)).all()
    draws = {tuple(FewShot(shots=3, seed=seed).support(8)) for seed in range(5)}
    assert len(draws) > 1


def test_a_new_product_takes_the_place_of_the_old(category):
    method = fitted(category, shots=2)
    images = category.train.subset([8, 9, 10])
    before, highest = (
        method.anomaly_map(next(images.batches(3))),
        method.arrays["good_maximum"],
    )
    method.remember(images, None)
    assert method.anomaly_map(next(images.batches(3))).max() < 1e-5 < before.max()
    assert method.arrays["good_maximum"] == highest
    assert [bank.count for bank in method.banks] == [3 * 256, 3 * 64]


@pytest.mark.parametrize("levels", ["stage3", "stage3,stage5"])
def test_levels(category, levels):
    method = fitted(category, levels=levels)
    assert len(method.banks) == len(levels.split(","))
    assert np.isfinite(method.anomaly_map(next(category.test.batches(1)))).all()


def test_more_shots_than_images(category):
    with pytest.raises(UserError, match="--shots 9 needs as many good images"):
        fitted(category, shots=9)


def test_turns_keep_the_shape_and_quarters_are_exact(rng):
    images = rng.random((2, 20, 20, 1), np.float32)
    views = list(turns(images, 8))
    np.testing.assert_array_equal(views[0], images)
    for quarter in range(4):
        exact = np.rot90(images, quarter, (1, 2))
        np.testing.assert_array_equal(views[2 * quarter], exact)
    blurred = smooth(images[..., 0], 2)[..., None]
    there, back = list(turns(blurred, 8))[1], list(turns(blurred, 8))[7]
    again = list(turns(there, 8))[7]
    middle = (slice(None), slice(6, 14), slice(6, 14))
    np.testing.assert_allclose(again[middle], blurred[middle], atol=0.02)
    assert np.abs(there[middle] - back[middle]).max() > 0.02
    long = rng.random((1, 12, 30, 3), np.float32)
    views = list(turns(long, 4))
    assert [view.shape for view in views] == [long.shape] * 4
    np.testing.assert_array_equal(views[2], long[:, ::-1, ::-1])
    upright = np.rot90(long[:, 3:9, 12:18], 1, (1, 2))
    np.testing.assert_allclose(views[1][:, 3:9, 12:18], upright, atol=1e-5)


@pytest.fixture(scope="module")
def trained(category):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("methods.engine.batches.EPOCH_IMAGES", 8)
        return fitted(category, shots=2, train=True, epochs=2)


def test_training_keeps_the_backbone_and_records_itself(trained, known):
    frozen = known(2)
    for name in ("backbone", "bank_stage2"):
        pairs = zip(*(m.networks[name].weights for m in (trained, frozen)), strict=True)
        for mine, other in pairs:
            np.testing.assert_array_equal(np.asarray(mine), np.asarray(other))
    summary = trained.trained
    assert summary["best_epoch"] in (1, 2)
    assert len(trained.history) == 2
    assert set(summary["blends"]) == {"0.0", "0.25", "0.5", "0.75"}
    distances, learned = trained.arrays["blend"]
    assert distances > 0
    assert learned >= 0


def test_without_an_image_that_it_was_trained_on(trained, category):
    with pytest.raises(UsageError, match="trained anew .* train.py --validation"):
        trained.without(category.train.subset([0, 1]), [0])


def test_training_with_one_validation_image(category, monkeypatch):
    """As of 11 good images, which leave one to validate."""
    monkeypatch.setattr("methods.engine.batches.EPOCH_IMAGES", 8)
    good = category.train
    method = FewShot(**SMALL, **LEVELS, shots=2, train=True, epochs=1)
    method.fit(TrainingImages(good.subset(range(8)), good.subset([10])))
    assert all(np.isfinite(x) for x in method.trained["blends"].values())


def test_what_was_learned_serves_another_product(trained, category):
    """The head stays, and has its say on the new memory."""
    before = [np.asarray(w) for w in trained.networks["head"].weights]
    blend = trained.arrays["blend"].copy()
    images = next(category.test.batches(2))
    trained.remember(category.train.subset([8, 9]), None)
    trained.arrays["blend"] = np.array([1.0, 0.0])
    trained.use()
    plain = trained.anomaly_map(images)
    trained.arrays["blend"] = np.array([1.0, 1.0])
    trained.use()
    assert (trained.anomaly_map(images) > plain).any()
    for weight, value in zip(trained.networks["head"].weights, before, strict=True):
        np.testing.assert_array_equal(np.asarray(weight), value)
    trained.arrays["blend"] = blend
    trained.use()


def test_a_trained_model_is_saved_whole(trained, category, tmp_path):
    from methods.detector.detector import Detector
    from methods.detector.model_file import load_model, save_model

    save_model(tmp_path / "m.hdf5", Detector(trained), training_record("fewshot"))
    loaded = load_model(tmp_path / "m.hdf5")[0].method
    images = next(category.test.batches(3))
    np.testing.assert_allclose(
        loaded.anomaly_map(images), trained.anomaly_map(images), atol=1e-5
    )


def test_known_defects_raise_what_is_like_them(category, known, tmp_path):
    """Also as if a shot were not known, and out of a file."""
    from methods.detector.detector import Detector
    from methods.detector.model_file import load_model, save_model

    good, test = category.train, category.test
    defective = test.subset(np.flatnonzero(test.labels == 1)[:2])
    plain = known(2)
    method = FewShot(**SMALL, **LEVELS, shots=2, known_defects=1.0)
    parts = good.subset(range(8)), good.subset([10, 11])
    method.fit(TrainingImages(*parts, defective=defective))
    [images], [remembered] = (
        defective.batches(2),
        good.subset(method.support(8)).batches(2),
    )
    assert (method.judge(images)[1] > 1.1 * plain.judge(images)[1]).all()
    assert (method.anomaly_map(images) <= 2 * plain.anomaly_map(images) + 1e-6).all()
    assert method.anomaly_map(remembered).max() < 1e-5
    shots = good.subset(method.support(8))
    twins = [x.without(shots, [0]).anomaly_map(images) for x in (method, plain)]
    assert twins[0].max() > 1.1 * twins[1].max()
    record = training_record("fewshot", config=method.get_config())
    save_model(tmp_path / "m.hdf5", Detector(method), record)
    loaded = load_model(tmp_path / "m.hdf5")[0].method
    np.testing.assert_array_equal(loaded.judge(images)[1], method.judge(images)[1])
