"""Prediction on arrays, against what test.py says of the same images in files."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import methods
from methods.detector.detector import Detector
from methods.detector.judge import Judge
from methods.detector.predictor import Predictor
from methods.padim.padim import PaDiM
from methods.pipeline import finetuning, testing
from methods.pipeline.training import start_run, train_run
from processing.data.prepared import Prepared
from processing.decision.calibration import Rule
from processing.decision.decision import Decision
from processing.errors import UsageError, UserError
from processing.preprocessing.preparation import Preparation

pytestmark = pytest.mark.usefixtures("eager_file", "few_blocks")
OPTIONS = {"weights": "random", "levels": "stage2", "features": 4}
OPTIONS |= {"size": (48, 64), "crop": (32, 64)}


@pytest.fixture(scope="module")
def trained(samples, tmp_path_factory):
    """Return the folder of results and the model file of a small PaDiM."""
    root = tmp_path_factory.mktemp("trained")
    options = {name: (f"--{name}", value) for name, value in OPTIONS.items()}
    run = start_run(samples / "washer", "PaDiM", options, root=root / "models")
    model = train_run(*run)
    for dtype in ("float64", "uint8"):
        settings = finetuning.Options(
            rule=Rule(), min_area=3, dtype=dtype, results=root
        )
        finetuning.finetune(model, settings)
    return root, model


@pytest.mark.parametrize("dtype", ["float64", "uint8"])
def test_arrays_are_judged_as_files_are(trained, samples, dtype):
    root, model = trained
    folder = samples / "washer/test/hole"
    options = testing.Options(images=folder, results=root, dtype=dtype, report=False)
    report = testing.predict(model, options)
    files = [cv2.imread(str(path)) for path in sorted(folder.iterdir())]
    prediction = methods.load(model, results=root, dtype=dtype).predict(
        [cv2.cvtColor(image, cv2.COLOR_BGR2RGB) for image in files]
    )
    np.testing.assert_array_equal(
        prediction.scores, np.float32([row["score"] for row in report.rows])
    )
    areas = [row["defect_area"] for row in report.rows]
    assert prediction.masks.sum(axis=(1, 2)).tolist() == areas
    verdicts = [row["verdict"] == "defective" for row in report.rows]
    assert prediction.verdicts.tolist() == verdicts
    assert prediction.maps.shape == prediction.masks.shape == (len(files), 48, 64)
    assert prediction.maps.dtype == prediction.scores.dtype == np.float32


def test_images_of_any_size_number_and_kind(trained, rng):
    root, model = trained
    predictor = methods.load(
        str(model), results=str(root), decision="distance_float64_max"
    )
    assert predictor.judge.dtype == "float64"  # the other one is newer
    grey = rng.integers(0, 256, (90, 70), dtype=np.uint8)
    rgb = np.stack([grey] * 3, axis=-1)
    rgba = np.concatenate([rgb, 0 * rgb[..., :1]], axis=-1)
    deep = rgb.astype(np.uint16) * 257
    prediction = predictor.predict(
        [grey, grey[..., None], rgb, rgba, deep], batch_size=2
    )
    expected = prediction.maps[:1].repeat(5, 0)
    np.testing.assert_allclose(prediction.maps[:4], expected[:4], rtol=1e-5)
    np.testing.assert_allclose(
        prediction.maps, expected, rtol=0.05
    )  # 16 bits, not rounded
    alone = predictor.predict(rgb[None])
    np.testing.assert_allclose(alone.scores, prediction.scores[:1], rtol=1e-5)
    none = predictor.predict(np.zeros((0, 9, 9, 3), np.uint8))
    assert none.maps.shape == (0, 48, 64)
    assert none.verdicts.shape == (0,)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4, 3)),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_what_is_no_image(trained, image):
    root, model = trained
    with pytest.raises(UsageError, match=r"expected an image .* Received: \("):
        methods.load(model, results=root).predict([image])


def test_one_image_is_not_taken_for_many(trained):
    root, model = trained
    with pytest.raises(UsageError, match=r"Received: \(4, 5, 3\)"):
        methods.load(model, results=root).predict(np.zeros((4, 5, 3), np.uint8))


def test_a_model_without_a_decision(trained, tmp_path):
    with pytest.raises(UserError, match=r"run finetune.py first"):
        methods.load(trained[1], results=tmp_path)


def test_images_that_cannot_be_registered_are_named(monkeypatch):
    preparation = Preparation((8, 8), 3)
    plain = preparation.array(np.zeros((8, 8, 3), np.uint8))
    geometry = plain.geometry.__class__(
        plain.geometry.matrix, (8, 8), (8, 8), registered=False
    )
    monkeypatch.setattr(
        Preparation, "array", lambda *_: Prepared(plain.pixels, geometry)
    )
    method = PaDiM(image_shape=(8, 8, 3))
    method.judge = lambda images, kind: (images[..., 0], images[:, 0, 0, 0])
    predictor = Predictor(Judge(Detector(method, preparation), Decision(0.5, 1)))
    with pytest.warns(UserWarning, match="2 of 2 images .*: image 0, image 1"):
        predictor.predict(np.zeros((2, 8, 8, 3), np.uint8))


def test_importing_the_package_is_quick():
    program = "import sys, methods; print('keras' in sys.modules, 'cv2' in sys.modules)"
    root = Path(methods.__file__).parent.parent
    process = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=root
    )
    assert process.stdout.split() == ["False", "False"]
