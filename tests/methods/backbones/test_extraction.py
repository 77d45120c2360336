import keras
import numpy as np
import pytest

from methods import backbones
from methods.backbones import extraction

SHAPE = (32, 32, 3)


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return backbones.build("efficientnet_lite0", SHAPE, ("stage1", "stage2"))


@pytest.fixture
def images(rng):
    return rng.random((3, *SHAPE), np.float32)


def test_maps_are_those_of_the_network_of_any_number_of_images(network, images):
    extract = extraction.in_keras(network)
    for count in (2, 3, 1):
        maps = extract(images[:count])
        for ours, theirs in zip(maps, network(images[:count]), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max())


def test_a_network_is_given_batches_of_one_size(network, images, monkeypatch):
    sizes = []

    def predict(batch):
        sizes.append(len(batch))
        return network(batch)

    monkeypatch.setattr(network, "predict_on_batch", predict)
    extract = extraction.in_keras(network)
    for count in (3, 1, 2):
        assert len(extract(images[:count])[0]) == count
    assert sizes == [3, 3, 3]


def test_some_maps_of_one_pass(images):
    passes = []

    def extract(batch):
        passes.append(len(batch))
        return [batch, batch + 1, batch + 2]

    maps = extraction.some(extract, [2, 0])(images)
    np.testing.assert_array_equal(maps, [images + 2, images])
    assert passes == [3]


def test_a_graph_is_opened_for_the_first_images_and_once(images, monkeypatch):
    opened = []

    def open_graph(network):
        opened.append(network)
        return lambda batch: [batch]

    monkeypatch.setattr(extraction, "open_graph", open_graph)
    extract = extraction.in_onnx("network")
    assert not opened
    for _ in range(2):
        np.testing.assert_array_equal(extract(images)[0], images)
    assert opened == ["network"]
