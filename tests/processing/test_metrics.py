import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, roc_auc_score

from processing.metrics import Confusion, PixelAuroc, auroc

DRAWS = {
    "normal": lambda rng, n: rng.standard_normal(n),
    "heavy tails": lambda rng, n: rng.standard_cauchy(n),
    "ties": lambda rng, n: rng.integers(0, 4, n).astype(float),
    "constant": lambda rng, n: np.ones(n),
    "negative": lambda rng, n: -rng.exponential(size=n),
}


@pytest.mark.parametrize("kind", DRAWS)
def test_auroc_equals_scikit_learn(rng, kind):
    labels = rng.random(500) < 0.3
    scores = DRAWS[kind](rng, 500) + (0 if kind in ("ties", "constant") else labels)
    assert auroc(labels, scores) == pytest.approx(
        roc_auc_score(labels, scores), abs=1e-12
    )


def test_auroc_of_one_label_is_undefined():
    assert auroc([0, 0], [1.0, 2.0]) is None
    assert auroc([1], [1.0]) is None


@pytest.mark.parametrize("kind", DRAWS)
def test_pixel_auroc_in_batches_equals_scikit_learn(rng, kind):
    masks = rng.random((6, 32, 32)) < 0.1
    maps = DRAWS[kind](rng, masks.size).reshape(masks.shape)
    maps = (maps + (0 if kind == "constant" else 0.5 * masks)).astype("float32")
    metric = PixelAuroc()
    for start in (0, 2, 4):
        metric.update(masks[start : start + 2], maps[start : start + 2])
    expected = roc_auc_score(masks.ravel(), maps.ravel())
    assert metric.result() == pytest.approx(expected, abs=1e-4)


def test_pixel_auroc_without_defects_is_undefined():
    metric = PixelAuroc()
    metric.update(np.zeros((1, 2, 2), bool), np.zeros((1, 2, 2), np.float32))
    assert metric.result() is None


def test_confusion_equals_scikit_learn(rng):
    labels, verdicts = rng.integers(0, 2, 50), rng.integers(0, 2, 50)
    counts = Confusion.count(labels, verdicts)
    tn, fp, fn, tp = confusion_matrix(labels, verdicts).ravel()
    assert counts == Confusion(tp, fp, tn, fn)
    assert counts.tpr == pytest.approx(tp / (tp + fn))
    assert counts.tnr == pytest.approx(tn / (tn + fp))
    assert counts.balanced == pytest.approx((counts.tpr + counts.tnr) / 2)


def test_rates_of_a_missing_label_are_undefined():
    counts = Confusion.count([0, 0], [0, 1])
    assert (counts.tpr, counts.tnr, counts.balanced) == (None, 0.5, None)
