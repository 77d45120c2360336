"""The estimators against the registry, and against scikit-learn's own checks."""

import inspect

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils import estimator_checks

import keras_anomaly
from keras_anomaly.detector import Detector
from keras_anomaly.estimators import ESTIMATORS
from keras_anomaly.options import default
from methods import METHODS
from methods.cli.defaults import DEFAULTS, defaults
from processing.errors import UserError
from tests.test_old_models import unpack

CHECKS = [  # that fit nothing: others fit tables of numbers
    "check_no_attributes_set_in_init",
    "check_get_params_invariance",
    "check_set_params",
    "check_parameters_default_constructible",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_estimator_repr",
    "check_estimator_cloneable",
    "check_estimator_tags_renamed",
    "check_valid_tag_types",
    "check_mixin_order",
]
FEATURES = {"size": 32, "weights": "random", "levels": "stage2,stage3"}
TRAINED = {"size": 64, "epochs": 1, "batch_size": 4, "learning_rate": 1e-3}
DIFFUSION = {**TRAINED, "preset": "tiny", "steps": 2, "start": 40}
SMALL = {  # parameters of methods that are not as small as they go with `TRAINED`
    "AnoDDPM": {**DIFFUSION, "repeats": 1},
    "AnoGAN": {**TRAINED, "size": 32, "width": 4, "latent": 8, "steps": 5},
    "DDAD": {**DIFFUSION, "weights": "random", "adapt": 1},
    "PaDiM": FEATURES,
    "PatchCore": FEATURES,
    "contrastive": {**FEATURES, "backbone": "efficientnet_lite0", "epochs": 1},
    "ensemble": FEATURES,
    "featureCAE": FEATURES,
    "fewshot": FEATURES,
    "skipCAE": {**TRAINED, "size": 256},
    "unified": {**FEATURES, "epochs": 1},
}


def test_every_method_has_an_estimator():
    assert ESTIMATORS.keys() == METHODS.keys()
    for kind in ESTIMATORS.values():
        assert getattr(keras_anomaly, kind.__name__) is kind
        assert issubclass(kind, Detector)
        assert inspect.getdoc(kind) != inspect.getdoc(Detector)


@pytest.mark.parametrize("method", METHODS)
def test_parameters_are_the_options_of_the_method(method):
    known = {key for key in DEFAULTS if method in defaults(key)}
    parameters = ESTIMATORS[method]().get_params()
    assert parameters == {key: default(method, key) for key in known}


@pytest.mark.parametrize("name", CHECKS)
def test_checks_of_scikit_learn(name):
    check = getattr(estimator_checks, name)
    check("PatchCore", keras_anomaly.PatchCore(coreset=0.1))


def test_a_clone_has_the_parameters_alone():
    clone_ = clone(keras_anomaly.FewShot(shots=2, size=(64, 96)))
    assert (clone_.shots, clone_.size) == (2, (64, 96))
    assert vars(clone_) == clone_.get_params()


def test_methods_that_learn_from_defects():
    learn = [keras_anomaly.CNN(), keras_anomaly.FewShot(known_defects=0.5)]
    others = [keras_anomaly.CNN(synthetic=True), keras_anomaly.PatchCore()]
    assert [x.supervised for x in learn + others] == [True, True, False, False]


def test_unknown_parameters():
    with pytest.raises(TypeError, match="unexpected keyword argument 'coreset'"):
        keras_anomaly.PaDiM(coreset=0.1)
    with pytest.raises(ValueError, match="Invalid parameter 'coreset' for estimator"):
        keras_anomaly.PaDiM().set_params(coreset=0.1)


def test_models_of_the_command_line(tmp_path, rng):
    model, results = unpack("PaDiM", tmp_path)
    loaded = keras_anomaly.load(model, results)
    assert isinstance(loaded, keras_anomaly.PaDiM)
    photos = rng.integers(0, 256, (2, 40, 40, 3), "uint8")
    assert len(loaded.predict(photos)) == 2


def test_models_that_are_not_loaded(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="no such model file"):
        keras_anomaly.load(tmp_path / "none.hdf5")
    model, results = unpack("PaDiM", tmp_path)
    with pytest.raises(UserError, match="expected one of .* Received: other"):
        keras_anomaly.load(model, results, decision="other")
    monkeypatch.delitem(ESTIMATORS, "PaDiM")  # as one of the user's own
    with pytest.raises(UserError, match="expected a model of one category"):
        keras_anomaly.load(model, results)


@pytest.mark.nightly
@pytest.mark.parametrize("method", METHODS)
def test_every_estimator_fits_judges_and_is_saved(method, tmp_path, rng, monkeypatch):
    monkeypatch.setattr("methods.engine.batches.EPOCH_IMAGES", 1)
    monkeypatch.setattr("methods.diffusion.feature_distance.SIDE", 32)
    photos = rng.integers(90, 110, (14, 72, 72, 3), np.uint8)
    photos[12:, 20:40, 20:40] = 255
    detector = ESTIMATORS[method](**SMALL.get(method, TRAINED))
    detector.fit(photos, [0] * 12 + [1] * 2)
    scores = detector.score_samples(photos[10:])
    assert scores.shape == (4,)
    assert np.isfinite(scores).all()
    sides = detector._fitted.image_shape[:2]
    assert all(x.mask.shape == sides for x in detector.predict(photos[10:]))
    detector.save(tmp_path / "model.hdf5", tmp_path / "results")
    again = keras_anomaly.load(tmp_path / "model.hdf5", tmp_path / "results")
    assert again.get_params() == detector.get_params()
    np.testing.assert_allclose(again.score_samples(photos[10:]), scores, rtol=1e-5)
