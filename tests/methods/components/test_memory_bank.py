import numpy as np
import pytest
from scipy.spatial.distance import cdist

from methods.components import memory_bank
from methods.components.memory_bank import MemoryBank


@pytest.fixture
def bank(rng, monkeypatch):
    """Return a bank of 50 features in three blocks, and the features."""
    monkeypatch.setattr(memory_bank, "BLOCK", 20)
    features = rng.normal(size=(50, 4)).astype(np.float32)
    layer = MemoryBank(50)
    layer.build((None, 4))
    layer.bank.assign(features)
    return layer, features


def test_distances_are_those_of_scipy(bank, rng):
    layer, features = bank
    queries = np.concatenate([rng.normal(size=(30, 4)), features[[3, 49]]])
    queries = queries.astype(np.float32)
    distances, index = (np.asarray(value) for value in layer(queries))
    expected = cdist(queries, features)
    np.testing.assert_array_equal(index, expected.argmin(axis=1))
    np.testing.assert_allclose(distances, expected.min(axis=1), atol=1e-6)


def test_neighbours_start_with_the_feature_itself(bank):
    layer, features = bank
    found = np.asarray(layer.neighbours(np.array([7, 30]), 5))
    order = cdist(features[[7, 30]], features).argsort(axis=1)[:, :5]
    np.testing.assert_array_equal(found, features[order])
    np.testing.assert_array_equal(found[:, 0], features[[7, 30]])
