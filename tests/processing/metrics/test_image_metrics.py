import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from processing.metrics.image_metrics import (
    Confusion,
    bootstrap_intervals,
    image_curves,
    image_metrics,
    missing_label,
)

INTERVALS = {"TPR", "TNR", "score", "image_auroc", "image_ap", "image_f1max"}


@pytest.fixture
def judged(rng):
    """Return labels, scores and verdicts of 60 images."""
    labels = np.repeat([0, 1], [25, 35])
    scores = rng.standard_normal(60) + labels
    return labels, scores, scores > 0.5


def test_image_metrics_equal_scikit_learn(judged):
    labels, scores, _ = judged
    measured = image_metrics(labels, scores)
    assert measured["image_auroc"] == pytest.approx(
        metrics.roc_auc_score(labels, scores)
    )
    assert measured["image_ap"] == pytest.approx(
        metrics.average_precision_score(labels, scores)
    )
    best = max(metrics.f1_score(labels, scores >= t) for t in scores)
    assert measured["image_f1max"] == pytest.approx(best)


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ([], "because no image has a label"),
        ([1, 1], "because there are no good images"),
        ([0, 0], "because there are no defective images"),
    ],
)
def test_metrics_without_one_label(labels, reason):
    scores = np.arange(len(labels), dtype=float)
    assert missing_label(labels) == reason
    assert set(image_metrics(labels, scores).values()) == {reason}
    assert image_curves(labels, scores) == {}


def test_scores_that_are_no_numbers_raise():
    with pytest.raises(ValueError, match="must be finite"):
        image_metrics([0, 1], [np.nan, 1.0])


def test_image_curves(judged):
    labels, scores, _ = judged
    curves = image_curves(labels, scores)
    assert set(curves) == {"image_roc", "image_pr"}
    np.testing.assert_allclose(curves["image_roc"][[0, -1]], [[0, 0], [1, 1]])
    assert curves["image_roc"].max() <= 1
    assert curves["image_pr"][-1] == pytest.approx([1, labels.mean()])


def test_confusion_equals_scikit_learn(rng):
    labels, verdicts = rng.integers(0, 2, 50), rng.integers(0, 2, 50)
    counts = Confusion.count(labels, verdicts)
    tn, fp, fn, tp = metrics.confusion_matrix(labels, verdicts).ravel()
    assert counts == Confusion(tp, fp, tn, fn)
    assert counts.tpr == pytest.approx(tp / (tp + fn))
    assert counts.tnr == pytest.approx(tn / (tn + fp))
    assert counts.balanced == pytest.approx((counts.tpr + counts.tnr) / 2)


def test_rates_of_a_missing_label_are_undefined():
    counts = Confusion.count([0, 0], [0, 1])
    assert (counts.tpr, counts.tnr, counts.balanced) == (None, 0.5, None)


def metric_of_strata(name):
    """Return a metric as a function of the scores of good and of anomalous images."""

    def statistic(good, anomalous):
        if name == "TPR":
            return (anomalous > 0.5).mean()
        if name == "score":
            return ((anomalous > 0.5).mean() + (good <= 0.5).mean()) / 2
        labels = np.repeat([0, 1], [len(good), len(anomalous)])
        return image_metrics(labels, np.concatenate([good, anomalous]))[name]

    return statistic


@pytest.mark.parametrize("name", sorted(INTERVALS - {"TNR"}))
def test_intervals_agree_with_scipy(judged, name, rng):
    labels, scores, verdicts = judged
    intervals = bootstrap_intervals(labels, scores, verdicts, seed=1, rounds=4000)
    good, anomalous = scores[labels == 0], scores[labels == 1]
    needed = (anomalous,) if name == "TPR" else (good, anomalous)
    statistic = metric_of_strata(name)
    if name == "TPR":
        statistic = lambda x: metric_of_strata("TPR")(None, x)  # noqa: E731
    expected = stats.bootstrap(
        needed,
        statistic,
        vectorized=False,
        n_resamples=2000,
        method="percentile",
        rng=rng,
    ).confidence_interval
    np.testing.assert_allclose(intervals[name], expected, atol=0.015)


def test_intervals_hold_the_metrics_and_repeat(judged):
    labels, scores, verdicts = judged
    intervals = bootstrap_intervals(labels, scores, verdicts, seed=1)
    assert intervals == bootstrap_intervals(labels, scores, verdicts, seed=1)
    assert intervals != bootstrap_intervals(labels, scores, verdicts, seed=2)
    assert set(intervals) == INTERVALS
    counts = Confusion.count(labels, verdicts)
    values = {"TPR": counts.tpr, "TNR": counts.tnr, "score": counts.balanced}
    for name, value in (values | image_metrics(labels, scores)).items():
        low, high = intervals[name]
        assert 0 <= low < value < high <= 1, name
    narrow = bootstrap_intervals(labels, scores, verdicts, seed=1, level=0.5)
    assert np.ptp(narrow["score"]) < np.ptp(intervals["score"])


def test_draws_in_parts_are_as_many(judged, monkeypatch):
    monkeypatch.setattr(
        "processing.metrics.image_metrics.DRAWS", 60 * 7
    )  # 7 rounds at a time
    intervals = bootstrap_intervals(*judged, seed=1, rounds=2000)
    monkeypatch.undo()
    expected = bootstrap_intervals(*judged, seed=1, rounds=2000)
    for name in INTERVALS:
        np.testing.assert_allclose(intervals[name], expected[name], atol=0.03)


def test_intervals_without_one_label():
    intervals = bootstrap_intervals([0, 0, 0], [1, 2, 3], [0, 0, 1], seed=1)
    assert intervals.keys() == {"TNR"}
    assert bootstrap_intervals([], [], [], seed=1) == {}
