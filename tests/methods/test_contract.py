"""What every method in the registry has to do."""

import itertools
from contextlib import nullcontext

import keras
import numpy as np
import pytest

import methods
from methods.base import NotFittedError, TrainingImages
from methods.detector.detector import Detector
from methods.detector.model_file import load_model, save_model
from processing.data.dataset import scan_category
from processing.errors import UsageError
from processing.preprocessing.preparation import Preparation
from tests.conftest import untraced
from tests.methods.conftest import untraced_trainers
from tests.records import training_record

NAMES = sorted(methods.METHODS)
FEATURE_METHODS = ["PaDiM", "PatchCore", "ensemble", "featureCAE", "fewshot"]
FEATURES = {"image_shape": (64, 96, 3), "weights": "imagenet", "levels": "stage3"}
TRAINED = {
    "image_shape": (32, 32, 1),
    "epochs": 1,
    "learning_rate": 1e-3,
    "precision": "float32",
    "batch_size": 4,
}
DIFFUSION = {**TRAINED, "preset": "tiny", "steps": 2}
GAN = {"latent": 8, "width": 4, "steps": 4, "encoder": True}
CONFIGS = {  # of methods that are not as small as they go with `TRAINED`
    "AE": {**TRAINED, "segment": True},
    "AnoDDPM": {**DIFFUSION, "repeats": 2},
    "AnoGAN": {**TRAINED, "image_shape": (32, 32, 3), **GAN},
    "DDAD": {**DIFFUSION, "weights": "imagenet", "adapt": 1},
    "PaDiM": FEATURES,
    "PatchCore": {**FEATURES, "levels": "stage2,stage3", "patches": 100},
    "ensemble": {**FEATURES, "levels": "stage2,stage3", "patches": 100},
    "featureCAE": {**FEATURES, "levels": "stage2,stage3"},
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


MANY = {"AnoGAN", "unified"}  # have graphs that take longer to trace than to run
SMALL = {  # what a test makes smaller than anybody else wants it
    "methods.diffusion.feature_distance.SHALLOWEST": 2,  # and so is the deepest level
    "methods.diffusion.feature_distance.SIDE": 32,
    "methods.diffusion.training.VALIDATIONS": 4,
}


@pytest.fixture(scope="module", autouse=True)
def small(few_layers):
    """Let all networks be small, and diffusion validate little."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SMALL.items():
            patch.setattr(name, value)
        yield


@pytest.fixture(autouse=True)
def way(request):
    """Trace what judges; what trains takes two steps, and is traced in its own tests.

    JAX, which would compile each operation for itself, traces all.
    """
    many = request.node.callspec.params["name"] in MANY
    on_jax = keras.backend.backend() == "jax"
    with nullcontext() if on_jax else untraced() if many else untraced_trainers():
        yield


@pytest.fixture(scope="module")
def fitted(samples):
    """Return a function from name to a method fitted on eight images."""
    made = {}

    def get(name):
        if name not in made:
            method = make(name)
            category = scan_category(samples / "washer", image_shape=method.image_shape)
            good, test = category.train, category.test
            images = TrainingImages(
                good.subset(range(8)),
                good.subset([8, 9]),
                defective=test.subset(np.flatnonzero(test.labels == 1)),
            )
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("methods.engine.batches.EPOCH_IMAGES", 1)
                made[name] = method.fit(images)
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
    maps, scores = method.judge(images)
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


@pytest.mark.parametrize("name", [*FEATURE_METHODS, "unified"])
def test_a_pasted_square_stands_out(name, fitted, samples):
    """Of methods that need no long training; of the others in their own tests."""
    method = fitted(name)
    good = scan_category(samples / "washer", image_shape=method.image_shape).test
    images = next(good.subset([0, 1]).batches(2))
    pasted = images.copy()
    height, width, _ = method.image_shape
    left = 20 if height == width else 68  # where a transposed grid would miss it
    square = pasted[:, 24:36, left : left + 12]
    square[:] = 1 - square.round()
    maps, scores = method.judge(pasted)
    assert (scores > method.judge(images)[1].max()).all()
    for anomaly_map in maps:
        row, column = np.unravel_index(anomaly_map.argmax(), anomaly_map.shape)
        assert 20 <= row < 40
        assert left - 4 <= column < left + 16


@pytest.mark.parametrize("name", NAMES)
def test_saved_and_loaded_gives_the_same_maps(name, fitted, rng, tmp_path):
    method = fitted(name)
    images = batch_for(method, rng)
    path = tmp_path / "model.hdf5"
    save_model(path, Detector(method), training_record(name, others={"note": "é"}))
    detector, record = load_model(path)
    loaded = detector.method
    assert loaded is not method
    assert record.others["note"] == "é"
    assert loaded.get_config() == method.get_config()
    np.testing.assert_allclose(
        loaded.anomaly_map(images), method.anomaly_map(images), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("name", NAMES)
def test_map_kinds_differ(name, fitted, rng):
    method = fitted(name)
    images = batch_for(method, rng, 1)
    maps = [method.anomaly_map(images, kind) for kind in method.map_kinds]
    assert all(method.highest(kind) > 0 for kind in method.map_kinds)
    for one, other in itertools.combinations(maps, 2):
        assert not np.allclose(one, other)
    default = method.map_kinds.index(method.default_kind)
    np.testing.assert_array_equal(method.anomaly_map(images), maps[default])


@pytest.mark.parametrize("name", NAMES)
def test_other_images_and_kinds_are_refused(name, fitted, rng):
    method = fitted(name)
    images = batch_for(method, rng, 2)
    height, width, channels = method.image_shape
    expected = f"expected float images .n, {height}, {width}, {channels}. in .0, 1."
    for wrong, received in (
        ((255 * images).astype(np.uint8), "uint8"),
        (255 * images, "values from"),
        (images - 0.5, "values from"),
        (np.where(images > 0.5, np.nan, images), "values from nan"),
        (images[0], r"\("),
        (images[:, 1:], r"\("),
    ):
        with pytest.raises(UsageError, match=f"{expected}. Received: {received}"):
            method.judge(wrong)
    with pytest.raises(UsageError, match="has no depth maps, expected one of"):
        method.judge(images, "depth")


@pytest.mark.parametrize("blank", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_what_a_mask_hides_is_not_scored(name, blank, fitted, rng):
    """Painted into: the score stays that of what is judged; blanked, to the digit."""
    method = fitted(name)
    height, width, channels = method.image_shape
    mask = np.ones((height, width), bool)
    mask[height // 2 :, width // 2 :] = False
    left = f"{width // 2},{height // 2},{width // 2},{height // 2}"
    how = {"mask": left, "blank": blank, "arrays": {"mask": mask}}
    detector = Detector(method, Preparation((height, width), channels, **how))
    plain = (255 * batch_for(method, rng, 1)).astype(np.uint8)
    painted = plain.copy()
    painted[:, -height // 3 :, -width // 3 :] = (255, 0, 0)[:channels]
    [before] = detector.judge_arrays(list(plain))
    [after] = detector.judge_arrays(list(painted))
    for judged in (before, after):
        np.testing.assert_array_equal(judged.scores, judged.maps[:, mask].max(axis=1))
        assert (judged.maps[:, ~mask] <= judged.maps[:, mask].max()).all()
    if blank:
        np.testing.assert_array_equal(after.maps, before.maps)
        np.testing.assert_array_equal(after.scores, before.scores)
