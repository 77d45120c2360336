import itertools

import numpy as np
import pytest
from sklearn import metrics

from processing.metrics.ranking import (
    POINTS,
    aupro,
    auroc,
    average_precision,
    average_precision_of_bins,
    count_ranked,
    decimated,
    f1_max,
    precision_recall_curve,
    pro_curve,
    roc_curve,
)

DRAWS = {
    "normal": lambda rng, n: rng.standard_normal(n),
    "heavy tails": lambda rng, n: rng.standard_cauchy(n),
    "ties": lambda rng, n: rng.integers(0, 4, n).astype(float),
    "constant": lambda rng, n: np.ones(n),
    "negative": lambda rng, n: -rng.exponential(size=n),
}


@pytest.fixture(params=DRAWS)
def ranked(request, rng):
    """Return labels, scores, and the counts at each distinct score."""
    labels = rng.random(500) < 0.3
    tied = request.param in ("ties", "constant")
    scores = DRAWS[request.param](rng, 500) + (0 if tied else labels)
    return labels, scores, count_ranked(scores, np.stack([~labels, labels]))


def test_areas_equal_scikit_learn(ranked):
    labels, scores, counts = ranked
    expected = metrics.roc_auc_score(labels, scores)
    assert auroc(*counts) == pytest.approx(expected, abs=1e-12)
    expected = metrics.average_precision_score(labels, scores)
    assert average_precision(*counts) == pytest.approx(expected, abs=1e-12)


def test_average_precision_of_bins_is_the_mean_over_all_orders():
    """Two good and two anomalous things in a bin, behind one of each kind."""
    orders = set(itertools.permutations([0, 0, 1, 1]))
    scores = np.arange(6, 0, -1)
    expected = np.mean(
        [metrics.average_precision_score([1, 0, *order], scores) for order in orders]
    )
    good, anomalous = np.array([0.0, 1, 2]), np.array([1.0, 0, 2])
    precision = average_precision_of_bins(good, anomalous, np.array([0, 0, 1]))
    assert precision == pytest.approx(expected, abs=1e-12)


def test_average_precision_of_bins_with_one_score_each(ranked):
    counts = ranked[2]
    precision = average_precision_of_bins(*counts, np.zeros(counts.shape[1]))
    assert precision == pytest.approx(average_precision(*counts), abs=1e-12)


def test_average_precision_of_wide_bins_is_near(rng):
    labels = rng.random(200_000) < 0.1
    scores = rng.standard_normal(200_000) + labels
    bins = np.floor(scores * 10)
    counts = count_ranked(bins, np.stack([~labels, labels]))
    precision = average_precision_of_bins(*counts, np.ones(counts.shape[1]))
    expected = metrics.average_precision_score(labels, scores)
    assert precision == pytest.approx(expected, abs=5e-4)
    assert abs(average_precision(*counts) - expected) > 5e-3


def test_f1_max_is_the_best_of_all_thresholds(ranked):
    labels, scores, counts = ranked
    expected = max(metrics.f1_score(labels, scores >= t) for t in np.unique(scores))
    assert f1_max(*counts) == pytest.approx(expected, abs=1e-12)


def test_curves_equal_scikit_learn(ranked):
    labels, scores, counts = ranked
    fpr, tpr, _ = metrics.roc_curve(labels, scores, drop_intermediate=False)
    np.testing.assert_allclose(roc_curve(*counts), np.column_stack([fpr, tpr]))
    precision, recall, _ = metrics.precision_recall_curve(labels, scores)
    expected = np.column_stack([recall, precision])[::-1]
    np.testing.assert_allclose(precision_recall_curve(*counts), expected)


def test_several_rankings_at_once(rng):
    good, anomalous = rng.integers(0, 5, (2, 7, 30)).astype(float)
    anomalous[0, :10] = good[0, :10] = 0  # nothing has the highest scores
    for metric in (auroc, average_precision, f1_max):
        together = metric(good, anomalous)
        alone = [metric(*pair) for pair in zip(good, anomalous, strict=True)]
        np.testing.assert_allclose(together, alone, rtol=1e-12)


def test_counts_of_equal_scores():
    scores = np.array([1.0, 3.0, 1.0, -2.0])
    counts = count_ranked(scores, np.array([[1, 0, 1, 0], [0, 0.5, 0, 1]]))
    np.testing.assert_array_equal(counts, [[0, 2, 0], [0.5, 0, 1]])


def test_aupro_by_hand():
    # PRO 0.5 at FPR 0, 0.7 at 0.2, 1 at 1.
    good, overlap = np.array([0.0, 2, 8]), np.array([0.5, 0.2, 0.3])
    np.testing.assert_allclose(
        pro_curve(good, overlap), [[0, 0], [0, 0.5], [0.2, 0.7], [1, 1]]
    )
    assert aupro(good, overlap, 0.2) == pytest.approx(0.6)
    assert aupro(good, overlap, 0.1) == pytest.approx(0.55)  # cut within a step
    at_limit = 0.7 + 0.3 * 0.1 / 0.8
    expected = (0.2 * 0.6 + 0.1 * (0.7 + at_limit) / 2) / 0.3
    assert aupro(good, overlap, 0.3) == pytest.approx(expected)
    assert aupro(good, overlap, 1) == pytest.approx(0.2 * 0.6 + 0.8 * 0.85)


def test_aupro_of_one_score_is_chance():
    assert aupro(np.array([7.0]), np.array([1.0]), 0.3) == pytest.approx(0.15)


def test_aupro_of_a_perfect_map_is_1():
    assert aupro(np.array([0.0, 7]), np.array([1.0, 0]), 0.05) == pytest.approx(1)


def test_decimated_curves_stay_close(rng):
    good, bad = rng.standard_normal(5000), rng.standard_normal(5000) + 2
    labels = np.repeat([0, 1], 5000)
    scores = np.concatenate([good, bad])
    points = roc_curve(*count_ranked(scores, np.stack([1 - labels, labels])))
    kept = decimated(points)
    assert POINTS / 2 < len(kept) <= POINTS < len(points)
    np.testing.assert_array_equal(kept[[0, -1]], points[[0, -1]])
    area, expected = (np.trapezoid(x[:, 1], x[:, 0]) for x in (kept, points))
    assert area == pytest.approx(expected, abs=1e-4)
    assert decimated(kept) is kept
