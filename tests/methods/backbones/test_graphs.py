import keras
import numpy as np
import pytest

from methods import backbones
from methods.backbones import graphs
from methods.engine import graph_folder
from processing.errors import UserError

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="converters of TensorFlow graphs"
)
SHAPE = (64, 64, 3)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Return where graphs are kept."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("KERAS_ANOMALY_WEIGHTS", str(folder))
        yield folder / "graphs"


def build(levels=("stage1", "stage2"), seed=0):
    keras.utils.set_random_seed(seed)
    return backbones.build("efficientnet_lite0", SHAPE, levels)


@pytest.fixture(scope="module")
def network(cache):
    """Return a backbone whose graph is written."""
    network = build()
    graphs.open_graph(network)
    return network


def never(*_):
    raise AssertionError("a graph was written")


def test_features_are_those_of_keras_of_any_number_of_images(network, rng):
    images = rng.random((3, *SHAPE), np.float32)
    extract = graphs.open_graph(network)
    for count in (3, 1):
        found, expected = extract(images[:count]), network(images[:count])
        for ours, theirs in zip(found, expected, strict=True):
            largest = np.abs(theirs).max()
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4 * largest)


def test_a_graph_is_written_once_for_weights_and_levels(network, cache, monkeypatch):
    monkeypatch.setattr(graphs, "_write", never)
    graphs.open_graph(build())
    assert len([*cache.iterdir()]) == 1
    for other in (build(seed=1), build(["stage2"])):
        with pytest.raises(AssertionError, match="written"):
            graphs.open_graph(other)


def test_a_damaged_graph_is_written_anew(network, cache, monkeypatch):
    [path] = cache.glob(f"*/{graphs.FILE}")
    content = path.read_bytes()
    path.write_bytes(content[:-9])
    written = []

    def write(network, path):
        written.append(path)
        path.write_bytes(content)
        return 0.0

    monkeypatch.setattr(graphs, "_write", write)
    graphs.open_graph(network)
    assert len(written) == 1
    assert graph_folder.is_whole(path.parent)


def test_a_graph_with_other_features_is_refused(cache, monkeypatch):
    from methods.engine import onnx_file

    write = onnx_file.write_onnx

    def doubled(network, path):
        maps = {name: 2 * features for name, features in network.output.items()}
        write(keras.Model(network.inputs, maps), path)

    monkeypatch.setattr(onnx_file, "write_onnx", doubled)
    before = {*cache.glob("*")}
    with pytest.raises(UserError, match="at most 1e-04 of the largest. Received: 1.0"):
        graphs.open_graph(build(["stage1"]))
    assert {*cache.glob("*")} == before


def test_a_cache_that_cannot_be_written_is_one_line(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("KERAS_ANOMALY_WEIGHTS", str(tmp_path / "file"))
    with pytest.raises(UserError, match="cannot write to .*file"):
        graphs.open_graph(build(["stage1"]))
