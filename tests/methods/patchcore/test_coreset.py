import numpy as np
import pytest
from scipy.spatial.distance import cdist

from methods.patchcore import coreset
from methods.patchcore.coreset import greedy_coreset


def plain(features, count, first):
    """The definition: the farthest from all chosen ones, again and again."""
    chosen = [first]
    while len(chosen) < count:
        chosen.append(int(cdist(features, features[chosen]).min(axis=1).argmax()))
    return chosen


@pytest.mark.parametrize("candidates", [4, 32, 1000])
def test_the_choice_is_that_of_the_plain_loop(rng, candidates, monkeypatch):
    monkeypatch.setattr(coreset, "CANDIDATES", candidates)
    features = rng.normal(size=(400, 6)).astype(np.float32)
    assert list(greedy_coreset(features, 60, 7)) == plain(features, 60, 7)


def test_all_of_them(rng):
    features = rng.normal(size=(50, 3)).astype(np.float32)
    assert sorted(greedy_coreset(features, 50, 0)) == list(range(50))


def test_equal_features_are_not_chosen_twice():
    features = np.ones((20, 3), np.float32)
    assert len(set(greedy_coreset(features, 10, 0))) == 10


def test_covers_rare_features(rng):
    """A random tenth would miss a cluster of three in a thousand, mostly."""
    features = rng.normal(scale=0.01, size=(1000, 4)).astype(np.float32)
    features[500:503] += 5
    assert {500, 501, 502} & set(greedy_coreset(features, 10, 0))
