import keras
import numpy as np
import pytest

from methods import export as module
from methods.cae import CAE
from methods.detector import Detector
from methods.export import export, main, trial_images
from methods.fewshot import FewShot
from methods.padim import PaDiM
from methods.patchcore import PatchCore
from methods.storage import save_model
from processing.dataset import scan_category
from processing.errors import UsageError, UserError

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="converters of TensorFlow graphs"
)
SMALL = {"image_shape": (64, 64, 3), "weights": "random"}


@pytest.fixture(scope="module")
def models(samples, tmp_path_factory):
    """Return the model files of feature methods, a PaDiM of each form, and of a CAE."""
    folder = tmp_path_factory.mktemp("models")
    good = scan_category(samples / "washer", image_shape=(64, 64, 3)).train
    methods = {
        "sums": PaDiM(**SMALL, features=4),
        "dual": PaDiM(**SMALL),
        "patches": PatchCore(**SMALL),
        "shots": FewShot(**SMALL),
    }
    for name, method in methods.items():
        method.fit(good.subset(range(8)), good.subset([8, 9]))
        record = {"method": type(method).__name__}
        save_model(folder / f"{name}.hdf5", Detector(method), record)
    network = CAE(image_shape=(32, 32, 1))
    network.build()
    save_model(folder / "cae.hdf5", Detector(network), {"method": "mvtecCAE"})
    return folder


@pytest.mark.parametrize("name", ["sums", "dual", "patches", "shots"])
@pytest.mark.parametrize(("kind", "suffix"), [("onnx", ".onnx"), ("openvino", ".xml")])
def test_the_graph_judges_like_the_method(models, name, kind, suffix, tmp_path):
    pytest.importorskip(module.PACKAGES[kind])
    path, difference = export(models / f"{name}.hdf5", kind, tmp_path / f"x{suffix}")
    assert 0 <= difference < 1e-4
    files = {"onnx": {"x.onnx"}, "openvino": {"x.xml", "x.bin"}}[kind]
    assert {p.name for p in tmp_path.iterdir()} == files
    maps, scores = module.RUNNERS[kind](path)(trial_images((64, 64, 3)))
    assert maps.shape == (3, 64, 64)
    assert scores.shape == (3,)


def test_a_graph_that_differs_is_not_written(models, monkeypatch, tmp_path, capsys):
    pytest.importorskip("tf2onnx")
    run = module.RUNNERS["onnx"]

    def off(path):
        return lambda batch: [1.002 * value for value in run(path)(batch)]

    monkeypatch.setitem(module.RUNNERS, "onnx", off)
    arguments = ["-p", str(models / "sums.hdf5"), "-o", str(tmp_path / "x.onnx")]
    assert main(arguments) == 1
    assert "differs by 2.0e-03 of the largest map value" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_methods_without_a_graph(models, tmp_path):
    with pytest.raises(UserError, match="CAE cannot be exported"):
        export(models / "cae.hdf5", "onnx", tmp_path / "x.onnx")


def test_the_suffix_must_suit(models):
    with pytest.raises(UsageError, match="ends in .xml. Received: .*x.onnx"):
        export(models / "sums.hdf5", "openvino", models / "x.onnx")


def test_missing_packages_are_named(models, monkeypatch, tmp_path):
    monkeypatch.setitem(module.PACKAGES, "onnx", "no_such_package")
    with pytest.raises(UserError, match=r"no_such_package: pip install .*\[export\]"):
        export(models / "sums.hdf5", "onnx", tmp_path / "x.onnx")


def test_trial_images_differ_and_keep_the_range():
    images = trial_images((32, 48, 1))
    assert images.shape == (3, 32, 48, 1)
    assert 0 <= images.min() < images.max() <= 1
    assert len(np.unique(images.mean(axis=(1, 2, 3)))) == 3
