import numpy as np
import pytest
from skimage.measure import label
from sklearn import metrics

from processing.metrics import pixel_metrics
from processing.metrics.pixel_metrics import (
    LIMITS,
    PIXEL_METRICS,
    Overlap,
    PixelMetrics,
)

DRAWS = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "exponential": lambda rng, shape: rng.exponential(size=shape),
    "heavy tails": lambda rng, shape: rng.standard_cauchy(shape),
    "ties": lambda rng, shape: rng.integers(0, 6, shape).astype(float),
    "constant": lambda rng, shape: np.ones(shape),
    "negative": lambda rng, shape: -rng.exponential(size=shape) - 3,
    "float16": lambda rng, shape: rng.standard_normal(shape).astype(np.float16),
    "large offset": lambda rng, shape: 1000 + rng.uniform(-1, 1, shape),
    "all magnitudes": lambda rng, shape: np.exp(rng.uniform(-60, 60, shape)),
}
STREAMED = {"pixel_auroc": 1e-6}  # greatest error; 1e-4 for the others


def draw_masks(rng, n, side):
    """Return (n, side, side) masks, half of them with rectangles that may touch."""
    masks = np.zeros((n, side, side), bool)
    for mask in masks[n // 2 :]:
        for _ in range(4):
            y, x = rng.integers(0, side - side // 8, 2)
            height, width = rng.integers(1, side // 6, 2)
            mask[y : y + height, x : x + width] = True
    return masks


def draw_maps(rng, kind, n=6, side=32):
    """Return masks, and float32 maps that separate them more or less."""
    masks = draw_masks(rng, n, side)
    shift = {"constant": 0, "ties": 1, "float16": 1}.get(kind, 0.7)
    maps = DRAWS[kind](rng, masks.shape)
    maps = maps * (1 + 4 * masks) if kind == "all magnitudes" else maps + shift * masks
    return masks, maps.astype(np.float32)


def pro_reference(masks, maps, limit):
    """Return AUPRO from the overlap of every region at every threshold."""
    regions = [
        (i, label(masks[i], connectivity=2) == number)
        for i in range(len(masks))
        for number in range(1, label(masks[i], connectivity=2).max() + 1)
    ]
    fprs, pros = [0.0], [0.0]
    for threshold in np.unique(maps)[::-1]:
        above = maps >= threshold
        fprs.append(above[~masks].mean())
        pros.append(np.mean([above[i][region].mean() for i, region in regions]))
    inside = [i for i, fpr in enumerate(fprs) if fpr <= limit]
    grid = np.append(np.array(fprs)[inside], limit)
    values = np.append(np.array(pros)[inside], np.interp(limit, fprs, pros))
    return np.trapezoid(values, grid) / limit


def reference(masks, maps):
    """Return the metrics by scikit-learn and, of PRO, by `pro_reference`."""
    truth, scores = masks.ravel(), maps.ravel()
    precision, recall, _ = metrics.precision_recall_curve(truth, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
    return {
        "pixel_auroc": metrics.roc_auc_score(truth, scores),
        "pixel_ap": metrics.average_precision_score(truth, scores),
        "pixel_f1max": f1.max(),
        **{name: pro_reference(masks, maps, limit) for name, limit in LIMITS.items()},
    }


def measured(masks, maps, **options):
    metric = PixelMetrics(**options)
    for mask, anomaly_map in zip(masks, maps, strict=True):
        metric.update(anomaly_map, mask)
    return metric.metrics()


@pytest.fixture
def binned(monkeypatch):
    """Let scores go into bins from the first map on."""
    monkeypatch.setattr(pixel_metrics, "EXACT_PIXELS", 0)


@pytest.mark.parametrize("kind", DRAWS)
def test_exact_metrics_equal_the_references(rng, kind):
    """Without `exact`, too, as long as there are few pixels."""
    masks, maps = draw_maps(rng, kind, side=24)
    expected = reference(masks, maps)
    for exact in (True, False):
        values = measured(masks, maps, exact=exact)
        assert values.keys() == expected.keys()
        for name, value in expected.items():
            assert values[name] == pytest.approx(value, abs=1e-9), name


@pytest.mark.parametrize("kind", DRAWS)
def test_binned_metrics_equal_exact_ones(rng, kind, binned):
    masks, maps = draw_maps(rng, kind, n=8, side=128)
    values, expected = measured(masks, maps), measured(masks, maps, exact=True)
    for name, value in expected.items():
        error = STREAMED.get(name, 1e-4)
        assert values[name] == pytest.approx(value, abs=error), name


def test_scores_go_into_bins_when_they_are_many(rng, monkeypatch):
    masks, maps = draw_maps(rng, "normal", n=8, side=64)
    expected = measured(masks, maps)
    monkeypatch.setattr(pixel_metrics, "EXACT_PIXELS", 5 * 64 * 64)
    for name, value in measured(masks, maps).items():
        assert value != expected[name] or name == "pixel_f1max"
        assert value == pytest.approx(expected[name], abs=1e-4)


def test_order_of_the_maps_does_not_count(rng, binned):
    masks, maps = draw_maps(rng, "heavy tails")
    values, reverse = measured(masks, maps), measured(masks[::-1], maps[::-1])
    for name, value in values.items():
        assert value == pytest.approx(reverse[name], abs=1e-4)


@pytest.mark.parametrize("exact", [True, False])
def test_a_class_is_judged_as_if_it_were_alone(rng, exact, monkeypatch):
    monkeypatch.setattr(pixel_metrics, "EXACT_PIXELS", 0)
    masks, maps = draw_maps(rng, "ties", n=8)  # few scores: bins do not matter
    groups = ["good"] * 4 + ["hole", "hole", "scratch", "scratch"]
    metric = PixelMetrics(exact=exact)
    for i in (7, 0, 4, 2, 6, 1, 5, 3):
        metric.update(maps[i], masks[i], maps[i] > 5, groups[i])
    for name in ("hole", "scratch"):
        chosen = [i for i in range(8) if groups[i] in ("good", name)]
        alone = PixelMetrics(exact=True)
        for i in chosen:
            alone.update(maps[i], masks[i], maps[i] > 5)
        values = metric.metrics(["good", name])
        assert values.keys() == set(PIXEL_METRICS)
        for key, value in alone.metrics().items():
            assert values[key] == pytest.approx(value, abs=1e-12), key


def test_iou_and_dice_equal_scikit_learn(rng):
    masks = draw_masks(rng, 4, 32)
    decided = masks ^ (rng.random(masks.shape) < 0.05)
    metric = PixelMetrics()
    for mask, called in zip(masks, decided, strict=True):
        metric.update(called.astype(np.float32), mask, called)
    values = metric.metrics()
    truth, called = masks.ravel(), decided.ravel()
    assert values["iou"] == pytest.approx(metrics.jaccard_score(truth, called))
    assert values["dice"] == pytest.approx(metrics.f1_score(truth, called))


def test_nothing_decided_overlaps_nothing():
    overlap = Overlap()
    overlap.add(np.zeros((2, 2), bool), np.ones((2, 2), bool))
    assert (overlap.iou, overlap.dice) == (0, 0)


def test_maps_are_enlarged_to_the_masks():
    """A gradient of 2 columns over a mask of 4: bilinear is 0, 1/4, 3/4, 1."""
    mask = np.array([[False, False, True, True]] * 4)
    metric = PixelMetrics(exact=True)
    small = np.array([[0, 1], [0, 1]], np.float32)
    metric.update(small, mask, small > 0.5)
    values = metric.metrics()
    assert values["pixel_auroc"] == values["pixel_ap"] == values["iou"] == 1
    assert len(metric.curves()["pixel_roc"]) == 1 + 4


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(
    ("value", "reason"),
    [(False, "because no pixel is anomalous"), (True, "because no pixel is good")],
)
def test_metrics_without_one_kind_of_pixels(exact, value, reason, binned):
    mask = np.full((3, 3), value)
    metric = PixelMetrics(exact=exact)
    metric.update(np.ones((3, 3), np.float32), mask, mask)
    assert metric.metrics() == dict.fromkeys(PIXEL_METRICS, reason)
    assert metric.metrics(["none"])["aupro"].startswith("because")
    assert metric.curves() == {}


def test_metrics_of_nothing():
    assert PixelMetrics().metrics()["pixel_ap"] == "because no pixel is anomalous"


def test_curves_are_short_and_end_where_they_should(rng, binned):
    masks, maps = draw_maps(rng, "normal", side=64)
    metric = PixelMetrics()
    for mask, anomaly_map in zip(masks, maps, strict=True):
        metric.update(anomaly_map, mask)
    curves, values = metric.curves(), metric.metrics()
    assert set(curves) == {"pixel_roc", "pixel_pr", "pro"}
    for points in curves.values():
        assert points.shape[1] == 2
        assert len(points) <= 1000
    for name in ("pixel_roc", "pro"):
        np.testing.assert_allclose(curves[name][[0, -1]], [[0, 0], [1, 1]])
    area = np.trapezoid(curves["pixel_roc"][:, 1], curves["pixel_roc"][:, 0])
    assert area == pytest.approx(values["pixel_auroc"], abs=1e-3)
    assert curves["pixel_pr"][-1, 1] == pytest.approx(masks.mean())
