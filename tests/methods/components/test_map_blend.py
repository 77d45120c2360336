import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from methods.components.map_blend import best_share, choose_fusion, fused, rank


@pytest.fixture
def case(rng):
    """Return masks (6, 8, 8), half of them empty, and a map that is them and noise."""
    masks = np.zeros((6, 8, 8), bool)
    masks[::2, 2:5, 3:6] = True
    noise = rng.random((2, 6, 8, 8)).astype(np.float32)
    return masks, masks + noise[0], noise[1]


def test_a_map_that_knows_nothing_is_left_out(case):
    masks, good, noise = case
    factors, metrics = choose_fusion(np.stack([good, noise]), masks)
    assert factors[1] == 0
    assert metrics["0.0"] == max(metrics.values()) == 1.0


def test_a_map_that_knows_better_comes_in(case):
    masks, good, noise = case
    factors, metrics = choose_fusion(np.stack([noise, good]), masks)
    assert factors[1] > 0
    assert metrics["0.75"] > metrics["0.0"]


def test_of_equals_the_one_without_training_is_taken(case):
    masks, good, _ = case
    factors, metrics = choose_fusion(np.stack([good, 7 * good]), masks)
    assert len(set(metrics.values())) == 1
    assert factors[1] == 0


def test_a_gain_by_chance_is_no_gain(case, monkeypatch):
    masks, good, _ = case
    metrics = iter([0.8, 0.801, 0.804, 0.803, 0.8, 0.801, 0.806, 0.803])
    monkeypatch.setattr(
        "methods.components.map_blend.separation", lambda *_: next(metrics)
    )
    assert choose_fusion(np.stack([good, good]), masks)[0][1] == 0
    assert choose_fusion(np.stack([good, good]), masks)[0][1] > 0


def test_the_smallest_of_shares_that_do_alike_is_taken():
    assert best_share({0.0: 0.8, 0.25: 0.9, 0.5: 0.903, 0.75: 0.904}) == 0.25


def test_a_blend_is_a_weighted_sum(case):
    _, one, other = case
    result = fused(np.array([2.0, 0.5]), one, other)
    np.testing.assert_allclose(result, 2 * one + other / 2)
    both = np.asarray(fused(np.eye(2), one, other))
    np.testing.assert_allclose(both, np.stack([one, other], axis=1))


def test_rank_is_the_auroc(rng):
    labels = rng.random(50) > 0.5
    scores = rng.integers(0, 9, 50).astype(np.float32)
    assert rank(labels, scores) == pytest.approx(roc_auc_score(labels, scores))
