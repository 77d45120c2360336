import keras
import numpy as np
import pytest

from methods.base import TrainingImages
from methods.cae.feature_cae import FeatureCAE
from methods.contrastive.contrastive import Contrastive
from methods.engine import runtimes
from methods.ensemble.ensemble import Ensemble
from methods.fewshot.fewshot import FewShot
from methods.fewshot.unified import Unified
from methods.padim.padim import PaDiM
from methods.patchcore.patchcore import PatchCore
from processing.data.dataset import scan_category
from processing.errors import UsageError, UserError

pytestmark = pytest.mark.usefixtures("few_blocks")
SMALL = {"image_shape": (32, 32, 3), "weights": "random", "levels": "stage1,stage2"}
WHOLE = {"coreset": 1.0}  # of a part, a digit can decide between two patches
TRAINED = {**SMALL, "image_shape": (64, 64, 3), "levels": "stage5"}
TRAINED |= {"epochs": 1, "batch_size": 4}
METHODS = {
    "PaDiM": lambda **how: PaDiM(**SMALL, features=8, **how),
    "PatchCore": lambda **how: PatchCore(**SMALL, **WHOLE, **how),
    "ensemble": lambda **how: Ensemble(**SMALL, **WHOLE, features=8, **how),
    "featureCAE": lambda **how: FeatureCAE(**SMALL, **how),
    "grey": lambda **how: FewShot(**{**SMALL, "image_shape": (32, 32, 1)}, **how),
    "fewshot --train": lambda **how: FewShot(**TRAINED, train=True, **how),
    "unified": lambda **how: Unified(**TRAINED, **how),
}
LONG = {"fewshot --train", "unified"}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Let graphs be kept in a folder of their own."""
    for package in runtimes.PACKAGES["onnx"]:
        pytest.importorskip(package)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_ANOMALY_WEIGHTS", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="converters of TensorFlow graphs"
)
@pytest.mark.usefixtures("cache", "eager", "short_epochs")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.nightly) if name in LONG else name
        for name in METHODS
    ],
)
def test_fitted_in_another_runtime_it_judges_the_same(name, samples):
    shape = METHODS[name]().image_shape
    category = scan_category(samples / "washer", image_shape=shape)
    good, test = category.train, next(category.test.batches(6))
    images = TrainingImages(good.subset(range(9)), good.subset([9, 10]))
    ours, theirs = (
        METHODS[name](fit_runtime=x).fit(images) for x in runtimes.FIT_RUNTIMES
    )
    for a, b in zip(ours.judge(test), theirs.judge(test), strict=True):
        np.testing.assert_allclose(b, a, rtol=0, atol=1e-3 * np.ptp(a))
    highest = [x.arrays["good_maximum"] for x in (ours, theirs)]
    np.testing.assert_allclose(*highest, rtol=1e-3)


def test_a_runtime_that_is_not_there(monkeypatch):
    monkeypatch.setitem(runtimes.PACKAGES, "onnx", ("no_such_package",))
    for make in (METHODS["PaDiM"], METHODS["ensemble"]):
        with pytest.raises(UserError, match="onnx needs the package no_such_package"):
            make(fit_runtime="onnx").check()
        make().check()


def test_a_backbone_without_weights_is_for_training_from_scratch():
    options = {"image_shape": (64, 64, 3), "backbone": "swin_mini", "weights": "random"}
    with pytest.raises(UsageError, match="swin_mini .*expected -a contrastive"):
        PaDiM(**options).check()
    Contrastive(**options).check()
