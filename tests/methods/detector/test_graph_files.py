"""Graph files of a bank as large as PatchCore's, behind a small network."""

import keras
import numpy as np
import pytest

from methods.components.enlarge import Enlarge
from methods.components.memory_bank import BLOCK, MemoryBank
from methods.detector import graph_files
from methods.detector.export import SUFFIXES, trial_images
from methods.engine.runtimes import PACKAGES
from methods.patchcore.reweighting import Reweighting

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="converters of TensorFlow graphs"
)
ROWS = 10_000  # the bank of PatchCore at its defaults
WIDTH = 32
NIGHTLY = {"openvino", "litert"}


@pytest.fixture(scope="module")
def network():
    """Return a network with a bank of five blocks, and the bank's features."""
    assert ROWS > 4 * BLOCK
    rng = np.random.default_rng(0)
    features = rng.random((ROWS, WIDTH), np.float32)
    keras.utils.set_random_seed(0)
    images = keras.Input((64, 64, 3), name="images")
    bank = MemoryBank(ROWS)
    cells = keras.layers.Conv2D(WIDTH, 8, strides=8)(images)
    flat = keras.ops.reshape(cells, (-1, WIDTH))
    distances, index = bank(flat)
    bank.bank.assign(features)
    distances = keras.ops.reshape(distances, (-1, 64))
    scores = Reweighting(bank)(
        keras.ops.reshape(cells, (-1, 64, WIDTH)),
        distances,
        keras.ops.reshape(index, (-1, 64)),
        distances,
    )
    maps = Enlarge((64, 64), 2.0)(keras.ops.reshape(distances, (-1, 8, 8)))
    return keras.Model(images, [maps, scores]), features


@pytest.mark.parametrize(
    "graph",
    [
        pytest.param(graph, marks=pytest.mark.nightly) if graph in NIGHTLY else graph
        for graph in SUFFIXES
    ],
)
def test_a_bank_of_many_blocks(graph, network, tmp_path):
    for package in PACKAGES[graph]:
        pytest.importorskip(package)
    from methods.detector.graph_files import write_graph
    from methods.detector.graph_runners import RUNNERS

    model, _ = network
    path = tmp_path / f"x{SUFFIXES[graph]}"
    write_graph(model, path, graph, 0.5)
    images = trial_images((64, 64, 3))
    run = RUNNERS[graph](path)
    for count in (3, 1):
        for ours, theirs in zip(
            model(images[:count]), run(images[:count]), strict=True
        ):
            np.testing.assert_allclose(theirs, ours, rtol=1e-4)


def test_an_onnx_graph_has_the_bank_once_and_a_threshold_to_change(network, tmp_path):
    pytest.importorskip("tf2onnx")
    import onnxruntime

    from methods.detector.graph_files import write_graph

    model, features = network
    path, images = tmp_path / "x.onnx", trial_images((64, 64, 3))
    maps = np.asarray(model(images)[0])
    threshold = float(np.quantile(maps, 0.9))
    write_graph(model, path, "onnx", threshold)
    assert features.nbytes < path.stat().st_size < 1.2 * features.nbytes
    session = onnxruntime.InferenceSession(path)
    assert [x.name for x in session.get_inputs()] == ["images"]
    assert [x.name for x in session.get_overridable_initializers()] == ["threshold"]
    maps, masks = session.run(["maps", "masks"], {"images": images})
    np.testing.assert_array_equal(masks, maps > threshold)
    other = np.array(np.quantile(maps, 0.5), np.float32)
    [masks] = session.run(["masks"], {"images": images, "threshold": other})
    np.testing.assert_array_equal(masks, maps > other)


@pytest.mark.parametrize("value", [0.1, 0.3, 1 / 3, 2.0, float("inf")])
def test_a_rounded_threshold_has_the_same_above_it(value):
    from methods.detector.graph_files import rounded_down

    rounded = rounded_down(value)
    assert rounded.dtype == np.float32
    assert float(rounded) <= value <= float(np.nextafter(rounded, np.float32("inf")))


def test_order_is_loosened_where_only_values_count():
    openvino = pytest.importorskip("openvino")
    import openvino.opset11 as opset

    values = opset.parameter([2, 64], np.float32)
    tops = [
        opset.topk(values, np.int64(3), 1, "max", "value", "i32", True) for _ in "ab"
    ]
    outputs = [*tops[0].outputs()[:1], tops[1].output(1)]
    means = [opset.reduce_mean(opset.convert(x, "f32"), np.array([1])) for x in outputs]
    model = openvino.Model([mean.output(0) for mean in means], [values])
    data = np.random.default_rng(0).random((2, 64), np.float32)
    before = openvino.compile_model(model, "CPU")(data)
    graph_files.loosen_order(model)
    stable = [x.get_attributes()["stable"] for x in model.get_ops() if "TopK" in str(x)]
    assert sorted(stable) == [False, True]
    after = openvino.compile_model(model, "CPU")(data)
    for index in range(2):
        np.testing.assert_array_equal(after[index], before[index])
