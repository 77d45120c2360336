import numpy as np
import pytest
from scipy.spatial.distance import cdist

from methods.components.memory_bank import MemoryBank
from methods.patchcore.reweighting import Reweighting


def test_scores_follow_equation_7(rng):
    features = rng.normal(size=(50, 4)).astype(np.float32)
    layer = MemoryBank(50)
    layer.build((None, 4))
    layer.bank.assign(features)
    queries = rng.normal(size=(2, 6, 4)).astype(np.float32)
    distances, index = layer(queries.reshape(-1, 4))
    distances, index = (np.reshape(x, (2, 6)) for x in (distances, index))
    scores = Reweighting(layer)(queries, distances, index, distances)
    for image, score in zip(queries, np.asarray(scores), strict=True):
        apart = cdist(image, features)
        place = apart.min(axis=1).argmax()
        nearest = apart[place].argmin()
        around = cdist(features[[nearest]], features)[0].argsort()[:9]
        weight = 1 - np.exp(apart[place, nearest]) / np.exp(apart[place, around]).sum()
        assert score == pytest.approx(weight * apart[place, nearest], rel=1e-5)


def test_what_known_defects_raise_is_weighted_by_its_own_distance(rng):
    layer = MemoryBank(50)
    layer.build((None, 4))
    layer.bank.assign(rng.normal(size=(50, 4)))
    queries = rng.normal(size=(1, 6, 4)).astype(np.float32)
    distances, index = (np.reshape(x, (1, 6)) for x in layer(queries[0]))
    lowest = distances.argmin()
    alone = [x[:, [lowest]] for x in (queries, distances, index)]
    [expected] = Reweighting(layer)(*alone, alone[1])
    raised = distances.copy()
    raised[0, lowest] *= 100
    [score] = Reweighting(layer)(queries, distances, index, raised)
    assert float(score) == pytest.approx(100 * float(expected), rel=1e-5)
