import numpy as np
import pytest
from scipy.spatial.distance import cdist

from methods.components import memory_bank
from methods.components.memory_bank import MemoryBank
from methods.patchcore.reweighting import Reweighting


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


def test_scores_follow_equation_7(bank, rng):
    layer, features = bank
    queries = rng.normal(size=(2, 6, 4)).astype(np.float32)
    distances, index = layer(queries.reshape(-1, 4))
    scores = Reweighting(layer)(
        queries, np.reshape(distances, (2, 6)), np.reshape(index, (2, 6))
    )
    for image, score in zip(queries, np.asarray(scores), strict=True):
        apart = cdist(image, features)
        place = apart.min(axis=1).argmax()
        nearest = apart[place].argmin()
        around = cdist(features[[nearest]], features)[0].argsort()[:9]
        weight = 1 - np.exp(apart[place, nearest]) / np.exp(apart[place, around]).sum()
        assert score == pytest.approx(weight * apart[place, nearest], rel=1e-5)
