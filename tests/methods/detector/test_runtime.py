import json

import keras
import numpy as np
import pytest

from methods.base import TrainingImages
from methods.detector import runtime
from methods.detector.detector import Detector
from methods.detector.judge import Judge
from methods.detector.kept import Kept
from methods.detector.later import Facts, Later
from methods.detector.runtime import GraphMethod, check_runtime, on_runtime
from methods.engine import runtimes
from methods.padim.padim import PaDiM
from processing.data.dataset import scan_category
from processing.decision.decision import Decision
from processing.errors import UsageError, UserError

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="converters of TensorFlow graphs"
)
ALL = ["onnx", pytest.param("openvino", marks=pytest.mark.nightly)]


@pytest.fixture(scope="module")
def images(samples):
    return scan_category(samples / "washer", image_shape=(64, 64, 3)).train


@pytest.fixture(scope="module")
def method(images):
    """Return a fitted method."""
    small = {"image_shape": (64, 64, 3), "weights": "random", "levels": "stage1"}
    method = PaDiM(**small, features=4)
    good = images.subset(range(8)), images.subset([8, 9])
    return method.fit(TrainingImages(*good))


@pytest.fixture(scope="module")
def written(method, images, tmp_path_factory):
    """Return where the graphs of a runtime are kept, once they were made."""
    pytest.importorskip("onnxruntime")
    kept = Kept(tmp_path_factory.mktemp("kept") / "state")
    GraphMethod(method, "onnx", kept).judge(next(images.batches(1)))
    return kept


def never():
    raise AssertionError("the method was loaded")


@pytest.mark.parametrize("name", ALL)
def test_it_judges_as_the_method_does(method, images, name, tmp_path):
    for package in runtimes.PACKAGES[name]:
        pytest.importorskip(package)
    batch = next(images.batches(5))
    expected = method.judge(batch)
    stand_in = GraphMethod(method, name, Kept(tmp_path / "state"))
    for first, ours in zip(stand_in.judge(batch), expected, strict=True):
        np.testing.assert_allclose(first, ours, rtol=1e-3, atol=1e-3 * ours.max())
    again = GraphMethod(
        Later(Facts.of(method), never), name, Kept(tmp_path / "state")
    ).judge(batch[:2])
    np.testing.assert_allclose(again[0], expected[0][:2], rtol=1e-3, atol=1e-2)


def test_it_says_what_the_method_says(method, images):
    stand_in = on_runtime(method, "onnx", Kept())
    assert stand_in.map_kinds == method.map_kinds
    assert stand_in.image_shape == method.image_shape
    assert stand_in.highest("distance") == method.highest("distance")
    assert on_runtime(method, "keras", Kept()) is method
    with pytest.raises(UsageError, match="Received: uint8"):
        stand_in.judge(np.zeros((1, 64, 64, 3), np.uint8))


def test_what_is_kept_is_of_one_runtime(method):
    judges = (
        Judge(Detector(x), Decision(1.0, 1)).maps
        for x in (method, on_runtime(method, "onnx", Kept()))
    )
    assert [*judges] == ["maps_distance", "maps_distance_onnx"]


def test_where_nothing_is_kept_it_is_written_each_time(method, images, monkeypatch):
    pytest.importorskip("onnxruntime")
    batch = next(images.batches(1))
    maps, _ = GraphMethod(method, "onnx", Kept()).judge(batch)
    np.testing.assert_allclose(maps, method.judge(batch)[0], rtol=1e-3)


@pytest.mark.parametrize("damage", ["a byte", "the end", "graph.json"])
def test_a_graph_that_changed_is_written_anew(
    method, images, written, damage, monkeypatch
):
    folder = written.folder / "graph_onnx_distance"
    graph, batch = folder / "distance.onnx", next(images.batches(1))
    content = graph.read_bytes()
    if damage == "graph.json":
        (folder / damage).write_text(json.dumps({"files": {}}))
    elif damage == "a byte":
        graph.write_bytes(content[:-9] + bytes([content[-9] ^ 255]) + content[-8:])
    else:
        graph.write_bytes(content[:-9])
    with pytest.raises(AssertionError, match="loaded"):
        GraphMethod(Later(Facts.of(method), never), "onnx", written).judge(batch)
    maps, _ = GraphMethod(method, "onnx", written).judge(batch)
    np.testing.assert_allclose(maps, method.judge(batch)[0], rtol=1e-3)
    GraphMethod(Later(Facts.of(method), never), "onnx", written).judge(batch)


def test_a_graph_that_judges_otherwise_is_not_kept(
    method, images, tmp_path, monkeypatch
):
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(runtime, "largest_difference", lambda *_: 0.01)
    kept = Kept(tmp_path)
    with pytest.raises(UserError, match="at most 1e-03 of the .* Received: 1.0e-02"):
        GraphMethod(method, "onnx", kept).judge(next(images.batches(1)))
    assert [*tmp_path.iterdir()] == []


def test_a_method_without_a_graph(method, images, monkeypatch):
    monkeypatch.setattr(method, "inference_model", lambda kind: None, raising=False)
    with pytest.raises(UserError, match="PaDiM has no graph .* its distance maps"):
        GraphMethod(method, "onnx", Kept()).judge(next(images.batches(1)))


def test_a_runtime_that_is_not_there(monkeypatch):
    check_runtime("keras")
    with pytest.raises(UsageError, match="one of keras, onnx, openvino. Received: x"):
        check_runtime("x")
    monkeypatch.setitem(runtimes.PACKAGES, "onnx", ("no_such_package",))
    with pytest.raises(UserError, match="onnx needs the package no_such_package: pip"):
        check_runtime("onnx")
    monkeypatch.undo()
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(UserError, match="expected no KERAS_BACKEND. Received: jax"):
        check_runtime("openvino")
