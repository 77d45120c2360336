"""What every method in the registry has to do."""

import numpy as np
import pytest

import methods
from methods.base import NotFittedError, SupervisedMethod
from methods.detector.detector import Detector
from methods.detector.model_file import load_model, save_model
from processing.data.dataset import scan_category

NAMES = sorted(methods.METHODS)
FEATURES = {"image_shape": (64, 64, 3), "weights": "imagenet"}
TRAINED = {
    "image_shape": (64, 64, 1),
    "epochs": 1,
    "learning_rate": 1e-3,
    "precision": "float32",
    "batch_size": 4,
}
DIFFUSION = {**TRAINED, "preset": "tiny", "steps": 3}
GAN = {"latent": 8, "width": 4, "steps": 20, "encoder": True}
CONFIGS = {  # of methods that are not as small as they go with `TRAINED`
    "AnoDDPM": {**DIFFUSION, "repeats": 2},
    "AnoGAN": {**TRAINED, "image_shape": (32, 32, 3), **GAN},
    "DDAD": {**DIFFUSION, "weights": "imagenet", "adapt": 1},
    "PaDiM": FEATURES,
    "PatchCore": {**FEATURES, "patches": 100},
    "fewshot": FEATURES,
    "unified": {**FEATURES, "batch_size": 4, "epochs": 1},
    "contrastive": {
        **FEATURES,
        "backbone": "efficientnet_lite0",
        "batch_size": 4,
        "epochs": 1,
    },
    "skipCAE": {**TRAINED, "image_shape": (256, 256, 1)},
}


def make(name):
    """Return an unfitted method as small as it goes."""
    return methods.get(name)(name=name, **CONFIGS.get(name, TRAINED))


@pytest.fixture(scope="module")
def fitted(samples):
    """Return a function from name to a method fitted on eight images."""
    made = {}

    def get(name):
        if name not in made:
            method = make(name)
            category = scan_category(samples / "washer", image_shape=method.image_shape)
            good, test, more = category.train, category.test, {}
            if isinstance(method, SupervisedMethod):
                more["defective"] = test.subset(np.flatnonzero(test.labels == 1))
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("methods.engine.batches.EPOCH_IMAGES", 1)
                made[name] = method.fit(
                    good.subset(range(8)), good.subset([8, 9]), **more
                )
        return made[name]

    return get


def batch_for(method, rng, count=3):
    return rng.random((count, *method.image_shape), np.float32)


@pytest.mark.parametrize("name", NAMES)
def test_unfitted_raises(name, rng):
    method = make(name)
    with pytest.raises(NotFittedError):
        method.anomaly_map(batch_for(method, rng))


@pytest.mark.parametrize("name", NAMES)
def test_maps_and_scores(name, fitted, rng):
    method = fitted(name)
    images = batch_for(method, rng)
    before = images.copy()
    maps = method.anomaly_map(images)
    scores = method.score(images, maps)
    assert maps.shape == images.shape[:3]
    assert maps.dtype == scores.dtype == np.float32
    assert scores.shape == (len(images),)
    assert np.isfinite(maps).all()
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(method.anomaly_map(images), maps)


@pytest.mark.parametrize("name", NAMES)
def test_no_image_changes_another_ones_map(name, fitted, rng):
    method = fitted(name)
    images = batch_for(method, rng)
    single = [method.anomaly_map(images[i : i + 1]) for i in range(len(images))]
    np.testing.assert_allclose(
        method.anomaly_map(images), np.concatenate(single), rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("name", ["PaDiM", "PatchCore", "fewshot", "unified"])
def test_a_pasted_square_stands_out(name, fitted, samples):
    """Of methods that need no long training; of the others in their own tests."""
    method = fitted(name)
    good = scan_category(samples / "washer", image_shape=method.image_shape).test
    images = next(good.subset([0, 1]).batches(2))
    pasted = images.copy()
    pasted[:, 24:36, 20:32] = 1 - pasted[:, 24:36, 20:32].round()
    maps, scores = method.judge_batch(pasted)
    assert (scores > method.judge_batch(images)[1].max()).all()
    for anomaly_map in maps:
        row, column = np.unravel_index(anomaly_map.argmax(), anomaly_map.shape)
        assert 20 <= row < 40
        assert 16 <= column < 36


@pytest.mark.parametrize("name", NAMES)
def test_judging_at_once_gives_the_same(name, fitted, rng):
    method = fitted(name)
    images = batch_for(method, rng)
    maps, scores = method.judge_batch(images)
    np.testing.assert_allclose(maps, method.anomaly_map(images), rtol=1e-5)
    np.testing.assert_allclose(scores, method.score(images, maps), rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_saved_and_loaded_gives_the_same_maps(name, fitted, rng, tmp_path):
    method = fitted(name)
    images = batch_for(method, rng)
    path = tmp_path / "model.hdf5"
    save_model(path, Detector(method), {"method": name, "note": "é"})
    detector, record = load_model(path)
    loaded = detector.method
    assert loaded is not method
    assert record["note"] == "é"
    assert loaded.get_config() == method.get_config()
    np.testing.assert_allclose(
        loaded.anomaly_map(images), method.anomaly_map(images), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("name", NAMES)
def test_map_kinds_differ(name, fitted, rng):
    method = fitted(name)
    images = batch_for(method, rng, 1)
    before, maps = method.map_kind, {}
    for kind in method.map_kinds:
        method.map_kind = kind
        maps[kind] = method.anomaly_map(images)
        assert method.highest > 0
    method.map_kind = before
    kinds = list(maps)
    for i, kind in enumerate(kinds):
        for other in kinds[i + 1 :]:
            assert not np.allclose(maps[kind], maps[other])
