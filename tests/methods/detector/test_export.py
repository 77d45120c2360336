import json
from functools import cache
from pathlib import Path

import keras
import numpy as np
import pytest

from methods.anogan.anogan import AnoGAN
from methods.base import TrainingImages
from methods.cae.cae import CAE
from methods.cae.feature_cae import FeatureCAE
from methods.cli.export import main
from methods.cnn.cnn import CNN
from methods.detector import export as module
from methods.detector import graph_files, graph_runners
from methods.detector.decisions import RESULT
from methods.detector.detector import Detector
from methods.detector.export import export, trial_images
from methods.detector.model_file import load_model, read_record, save_model
from methods.engine import runtimes
from methods.ensemble.ensemble import Ensemble
from methods.fewshot.fewshot import FewShot
from methods.padim.padim import PaDiM
from methods.patchcore.patchcore import PatchCore
from processing.data.dataset import scan_category
from processing.errors import UsageError, UserError
from processing.files import write_json
from processing.preprocessing.preparation import Preparation
from tests.records import finetuning_result, training_record
from tests.test_documents import check

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="converters of TensorFlow graphs"
)
SMALL = {"image_shape": (64, 64, 3), "weights": "random", "levels": "stage2,stage3"}


FITTED = {
    "sums": lambda: PaDiM(**SMALL | {"levels": "stage1"}, features=4),
    "dual": lambda: PaDiM(**SMALL),
    "patches": lambda: PatchCore(**SMALL),
    "ensemble": lambda: Ensemble(**SMALL, features=4),
    "shots": lambda: FewShot(**SMALL),
    "residual": lambda: FeatureCAE(**SMALL),
}
TINY = {"image_shape": (32, 32, 1)}
GAN = {**TINY, "width": 4, "latent": 8}
BUILT = {
    "cnn": lambda: CNN(image_shape=(48, 40, 3)),
    "cae": lambda: CAE(**TINY),
    "segment": lambda: CAE(**TINY, segment=True),
    "f-anogan": lambda: AnoGAN(**GAN, encoder=True),
    "anogan": lambda: AnoGAN(**GAN),
}


@pytest.fixture(scope="module")
def model(samples, tmp_path_factory):
    """Return a function from a name to a model file, whose method it makes once."""
    folder = tmp_path_factory.mktemp("models")
    good = scan_category(samples / "washer", image_shape=(64, 64, 3)).train

    @cache
    def make(name):
        if name in FITTED:
            method = FITTED[name]()
            method.fit(TrainingImages(good.subset(range(8)), good.subset([8, 9])))
        else:
            method = BUILT[name]()
            method.build()
            for kind in () if name == "cnn" else method.standardised:
                for part, value in (("mean", 0.01), ("deviation", 0.1)):
                    array = np.full((32, 32), value, "float32")
                    method.arrays[f"{kind}_{part}"] = array
        save(folder / f"{name}.hdf5", method)
        return folder / f"{name}.hdf5"

    return make


@pytest.fixture
def no_converter(monkeypatch):
    """Write empty graphs."""
    monkeypatch.setattr(graph_files, "write_graph", lambda _, path, *__: path.touch())
    monkeypatch.setattr(module, "_difference", lambda *_: 0.0)
    monkeypatch.setitem(graph_runners.RUNNERS, "onnx", lambda path: None)


def skip_without(kind):
    try:
        runtimes.check_packages(kind)
    except UserError as error:
        pytest.skip(str(error))


def save(path, method):
    """Write a model file of a run with the name of the file."""
    run = f"a/b/c/{path.stem}/01-02-2026_00-00-00"
    save_model(path, Detector(method), training_record(method.name, run=run))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *[("sums", kind) for kind in module.SUFFIXES],
        ("cnn", "onnx"),
        ("segment", "onnx"),
        *[
            pytest.param(*pair, marks=pytest.mark.nightly)
            for pair in (
                *[
                    (x, "onnx")
                    for x in ("cae", "dual", "f-anogan", "residual", "shots")
                ],
                ("patches", "openvino"),
                ("cae", "litert"),
                ("cnn", "litert"),
            )
        ],
    ],
)
def test_the_graph_judges_like_the_method(model, name, kind, tmp_path):
    skip_without(kind)
    target = tmp_path / f"x{module.SUFFIXES[kind]}"
    path, difference = export(model(name), kind, target)
    assert 0 <= difference < 1e-4
    weights = {"x.bin"} if kind == "openvino" else set()
    files = {target.name, f"{target.name}.json"} | weights
    assert {p.name for p in tmp_path.iterdir()} == files
    about = json.loads((tmp_path / f"{target.name}.json").read_text())
    check("Exported graph", about)
    assert about["decision"] is None
    shape = load_model(model(name))[0].image_shape
    maps, scores = graph_runners.RUNNERS[kind](path)(trial_images(shape))
    assert maps.shape == (3, *shape[:2])
    assert scores.shape == (3,)


def test_the_newest_decision_and_its_maps(model, tmp_path):
    pytest.importorskip("tf2onnx")
    run = tmp_path / "results" / read_record(model("cae")).run
    result = finetuning_result(kind="l2", threshold=3.5, min_area=12)
    write_json(run / "finetuning/l2_float64" / RESULT, result.to_json())
    path, _ = export(
        model("cae"), "onnx", tmp_path / "x.onnx", results=tmp_path / "results"
    )
    about = json.loads((tmp_path / "x.onnx.json").read_text())
    expected = {"threshold": 3.5, "min_area": 12, "clear_border": False}
    assert about["decision"] == expected
    method = load_model(model("cae"))[0].method
    assert about["map"] == "l2"
    images = trial_images((32, 32, 1))
    maps, _ = graph_runners.RUNNERS["onnx"](path)(images)
    np.testing.assert_allclose(maps, method.anomaly_map(images, "l2"), atol=1e-3)


def test_a_folder_is_not_overwritten(model, tmp_path):
    (tmp_path / "x_saved_model").mkdir()
    with pytest.raises(UsageError, match="x_saved_model exists: expected another"):
        export(model("sums"), "saved_model", tmp_path / "x_saved_model")


def test_a_graph_that_differs_is_not_written(model, monkeypatch, tmp_path, capsys):
    pytest.importorskip("tf2onnx")
    run = graph_runners.RUNNERS["onnx"]

    def off(path):
        return lambda batch: [1.002 * value for value in run(path)(batch)]

    monkeypatch.setitem(graph_runners.RUNNERS, "onnx", off)
    arguments = ["-p", str(model("sums")), "-o", str(tmp_path / "x.onnx")]
    assert main(arguments) == 1
    assert "differs by 2.0e-03 of the largest map value" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_methods_without_a_graph(model, tmp_path):
    said = "AnoGAN has no graph .*: expected maps from one pass .* its .* maps"
    with pytest.raises(UserError, match=said):
        export(model("anogan"), "onnx", tmp_path / "x.onnx")


@pytest.mark.parametrize(
    ("kind", "pad"),
    [("onnx", True), pytest.param("litert", False, marks=pytest.mark.nightly)],
)
def test_graphs_of_tiles_are_of_whole_images(model, kind, pad, tmp_path):
    skip_without(kind)
    method = load_model(model("cae"))[0].method
    mask = np.ones((56, 40), bool)
    mask[:9, :9] = False
    masked = {"mask": "0,0,9,9", "arrays": {"mask": mask}}
    prepared = Preparation((56, 40), 1, crop=(48, 32), tile=32, pad=pad, **masked)
    record = training_record(method.name, run="a/b/c/d/01-02-2026_00-00-00")
    save_model(tmp_path / "m.hdf5", Detector(method, prepared), record)
    target = tmp_path / f"x{module.SUFFIXES[kind]}"
    _, difference = export(tmp_path / "m.hdf5", kind, target)
    assert 0 < difference < 1e-4
    about = json.loads((tmp_path / f"{target.name}.json").read_text())
    check("Exported graph", about)
    assert about["windows"] == [[0, 0]]
    maps, _ = graph_runners.RUNNERS[kind](target)(trial_images((56, 40, 1)))
    assert maps.shape == (3, 56, 40)


@pytest.mark.usefixtures("no_converter")
def test_a_decision_on_rounded_maps_is_in_units_of_the_maps(model, tmp_path):
    path = model("sums")
    run = tmp_path / read_record(path).run / "finetuning/distance_uint8"
    result = finetuning_result(kind="distance", dtype="uint8", threshold=99)
    write_json(run / RESULT, result.to_json())
    newer = finetuning_result(kind="distance", threshold=1.0)
    write_json(run.with_name("distance_float64") / RESULT, newer.to_json())
    decided = {"results": tmp_path, "decision": "distance_uint8"}
    export(path, "onnx", tmp_path / "x.onnx", **decided)
    about = json.loads((tmp_path / "x.onnx.json").read_text())
    highest = load_model(path)[0].method.highest("distance")
    expected = pytest.approx(99.5 / 255 * highest)
    assert about["decision"]["threshold"] == expected
    with pytest.raises(UserError, match="expected one of .*distance_float64.* Rec"):
        export(path, "onnx", tmp_path / "y.onnx", **decided | {"decision": "other"})


def test_the_suffix_must_suit(model):
    with pytest.raises(UsageError, match="ends in .xml. Received: .*x.onnx"):
        export(model("sums"), "openvino", Path("x.onnx"))


def test_missing_packages_are_named(model, monkeypatch, tmp_path):
    monkeypatch.setitem(runtimes.PACKAGES, "onnx", ("no_such_package",))
    with pytest.raises(UserError, match=r"no_such_package: pip install .*\[export\]"):
        export(model("sums"), "onnx", tmp_path / "x.onnx")


def test_trial_images_differ_and_keep_the_range():
    images = trial_images((32, 48, 1))
    assert images.shape == (3, 32, 48, 1)
    assert 0 <= images.min() < images.max() <= 1
    assert len(np.unique(images.mean(axis=(1, 2, 3)))) == 3
