import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.measure import label
from skimage.segmentation import clear_border as cleared

from processing.decision.calibration import GoodImages
from processing.decision.decision import Decision
from processing.decision.regions import area_curve
from processing.decision.search import (
    find_decision,
    find_decision_legacy,
    legacy_thresholds,
)


def curves_of(maps, clear_border=False):
    return [area_curve(m, clear_border=clear_border) for m in maps]


def good_images(maps, clear_border=False):
    return GoodImages.of(curves_of(maps, clear_border), max_area=maps[0].size)


def largest_area(anomaly_map, threshold, clear_border):
    mask = anomaly_map > threshold
    regions = label(cleared(mask) if clear_border else mask, connectivity=2)
    return np.bincount(regions.ravel())[1:].max(initial=0)


def square(value, size, shape=(16, 16), background=0.1):
    anomaly_map = np.full(shape, background)
    anomaly_map[4 : 4 + size, 4 : 4 + size] = value
    return anomaly_map


def random_case(rng, quantised):
    shape = tuple(rng.integers(1, 8, 2))
    maps = gaussian_filter(rng.normal(size=(8, *shape)), (0, 0.7, 0.7))
    maps[5:] += rng.random((3, *shape)) > 0.8
    return (np.round(maps * 3) / 3 if quantised else maps), np.repeat([0, 1], [2, 3])


def brute_force(validation, finetuning, labels, clear_border):
    """Return {(min_area): (threshold, verdicts)} by labelling at every threshold."""
    values = np.unique(validation)
    between = (values[1:] + values[:-1]) / 2
    thresholds = np.sort([values[0] - 1, *values, *between])
    areas = [
        max(largest_area(m, t, clear_border) for m in validation) for t in thresholds
    ]
    pairs = {}
    for min_area in range(1, validation[0].size + 1):
        unsafe = thresholds[np.array(areas) >= min_area].max(initial=-np.inf)
        threshold = max(thresholds[thresholds > unsafe].min(), values[0])
        largest = [largest_area(m, threshold, clear_border) for m in finetuning]
        pairs[min_area] = threshold, np.array(largest) >= min_area
    return pairs


@pytest.mark.parametrize("clear_border", [False, True])
@pytest.mark.parametrize("quantised", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_search_equals_brute_force(seed, quantised, clear_border):
    maps, labels = random_case(np.random.default_rng(seed), quantised)
    pairs = brute_force(maps[:3], maps[3:], labels, clear_border)
    good, other = good_images(maps[:3], clear_border), curves_of(maps[3:], clear_border)
    result = find_decision(good, other, labels, clear_border=clear_border)
    assert result.min_areas[-1] == max(pairs)
    for min_area, (threshold, verdicts) in pairs.items():
        i = np.searchsorted(result.min_areas, min_area, "right") - 1
        tpr, tnr = verdicts[labels == 1].mean(), 1 - verdicts[labels == 0].mean()
        assert result.thresholds[i] == threshold
        assert result.tprs[i] == pytest.approx(tpr)
        assert result.tnrs[i] == pytest.approx(tnr)
        assert result.scores[i] == pytest.approx((tpr + tnr) / 2)
    threshold, verdicts = pairs[result.decision.min_area]
    assert result.decision.threshold == threshold
    assert result.decision.clear_border == clear_border
    np.testing.assert_array_equal(result.verdicts, verdicts)
    assert result.score == result.scores.max() == (result.tpr + result.tnr) / 2


@pytest.mark.parametrize("seed", range(12))
def test_ties_go_to_the_margin_then_to_the_smaller_area(seed):
    maps, labels = random_case(np.random.default_rng(seed), quantised=True)
    good, curves = curves_of(maps[:3]), curves_of(maps[3:])
    pairs = brute_force(maps[:3], maps[3:], labels, clear_border=False)
    ranks = []
    for min_area, (_, verdicts) in pairs.items():
        right = verdicts == (labels == 1)
        score = (right[labels == 1].mean() + right[labels == 0].mean()) / 2
        critical = np.array([c.critical_thresholds(min_area)[-1] for c in curves])
        typical = np.mean([c.critical_thresholds(min_area)[-1] for c in good])
        distances = (critical - typical)[verdicts & (labels == 1)]
        margin = distances.min(initial=np.inf) if len(distances) else 0.0
        ranks.append((round(score, 9), round(margin, 9), -min_area))
    result = find_decision(good_images(maps[:3]), curves, labels)
    score, margin, min_area = max(ranks)
    assert result.decision.min_area == -min_area
    assert result.score == pytest.approx(score)
    assert result.margin == pytest.approx(margin)


@pytest.mark.parametrize("clear_border", [False, True])
def test_no_validation_image_is_defective_from_the_threshold_upward(rng, clear_border):
    maps = gaussian_filter(rng.normal(size=(12, 24, 24)), (0, 1, 1))
    labels = np.arange(6) % 2
    good, other = good_images(maps[:6], clear_border), curves_of(maps[6:], clear_border)
    result = find_decision(good, other, labels, clear_border=clear_border)
    best = result.decision
    for threshold in best.threshold + np.array([0, 0.01, 0.1, 1]):
        decision = Decision(threshold, best.min_area, clear_border)
        assert not any(decision.verdict(m) for m in maps[:6])
    verdicts = [best.verdict(m) for m in maps[6:]]
    np.testing.assert_array_equal(result.verdicts, verdicts)


def test_known_best_pair_is_found():
    # Good images have single hot pixels (noise); the defect is large but faint.
    good = [square(0.9, 1), square(0.8, 1), square(0.2, 3)]
    finetuning = [square(0.85, 1), square(0.5, 4)]
    result = find_decision(good_images(good), curves_of(finetuning), [0, 1])
    # 1 pixel needs t = 0.9, which loses the defect; 2 to 9 need 0.2, good images have
    # 0.13 on average; 10 to 16 need 0.1, which all have, 0.4 below the defect.
    assert result.decision == Decision(0.1, 10)
    assert result.margin == pytest.approx(0.4)
    assert (result.score, result.tpr, result.tnr) == (1.0, 1.0, 1.0)


def test_tie_of_score_goes_to_the_larger_margin():
    good = [square(0.4, 1), square(0.2, 2)]
    finetuning = [square(0.3, 1, background=0.0), square(0.5, 2, background=0.0)]
    result = find_decision(good_images(good), curves_of(finetuning), [0, 1])
    # 1 pixel: t = 0.4, good images 0.3 on average, margin 0.2. 2 to 4: t = 0.2, 0.15
    # on average, margin 0.35. 5 and more: t = 0.1, the defect of 4 pixels is lost.
    assert result.decision == Decision(0.2, 2)
    assert result.margin == pytest.approx(0.35)


def test_steps_for_the_plots_lose_nothing_and_behave(rng):
    maps = gaussian_filter(rng.normal(size=(8, 16, 16)), (0, 1, 1))
    result = find_decision(good_images(maps[:4]), curves_of(maps[4:]), [0, 1, 0, 1])
    assert result.min_areas[0] == 1
    assert result.min_areas[-1] == 256
    assert (np.diff(result.min_areas) > 0).all()
    assert (np.diff(result.thresholds) <= 0).all()
    assert result.min_areas.shape == result.thresholds.shape == result.scores.shape


@pytest.mark.parametrize("clear_border", [False, True])
def test_constant_maps_have_a_result(clear_border):
    maps = [np.zeros((4, 4))] * 2
    good, curves = good_images(maps[:1], clear_border), curves_of(maps, clear_border)
    result = find_decision(good, curves, [0, 1], clear_border=clear_border)
    assert result.decision == Decision(0.0, 1, clear_border)
    assert result.score == 0.5
    assert np.isfinite(result.margin)


def test_a_pair_that_is_never_right_has_no_margin():
    good, bad = np.full((1, 1), 0.5), np.full((1, 1), 0.9)
    result = find_decision(good_images([good]), curves_of([bad, good]), [0, 1])
    assert (result.score, result.margin) == (0.0, 0.0)


@pytest.mark.parametrize("search", [find_decision, find_decision_legacy])
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 0], "2 images, 0 of them anomalous"),
        ([1, 1], "2 images, 2 of them anomalous"),
        ([0, 1, 1], "longer"),
        ([0, 2], "must be 0 \\(good\\) or 1 \\(anomalous\\)"),
    ],
)
def test_wrong_labels_raise(rng, search, labels, message):
    maps = rng.random((2, 4, 4))
    grid = [[0.1, 0.2]] if search is find_decision_legacy else []
    with pytest.raises(ValueError, match=message):
        search(good_images(maps), curves_of(maps), labels, *grid)


def literal_legacy(validation, finetuning, labels, thresholds, min_areas):
    """Return the original's (min_area, threshold, score), step by step."""
    largest = [max(largest_area(m, t, True) for m in validation) for t in thresholds]
    best = (None, None, -1.0)
    for min_area in min_areas:
        safe = [i for i, area in enumerate(largest) if min_area > area]
        threshold = thresholds[safe[0] if safe else len(thresholds) - 1]
        called = [largest_area(m, threshold, True) >= min_area for m in finetuning]
        pairs = list(zip(called, labels, strict=True))
        tpr = sum(c for c, truth in pairs if truth) / sum(labels)
        tnr = sum(not c for c, truth in pairs if not truth) / (
            len(labels) - sum(labels)
        )
        if (tpr + tnr) / 2 > best[2]:
            best = (min_area, threshold, (tpr + tnr) / 2)
    return best


@pytest.mark.parametrize("seed", range(10))
def test_legacy_rule_equals_its_literal_form(seed):
    rng = np.random.default_rng(seed)
    maps = np.abs(gaussian_filter(rng.normal(size=(9, 20, 20)), (0, 1, 1)))
    labels = [0, 1, 1, 0, 1]
    maps[4:][np.array(labels) == 1] += 0.3 * square(1.0, 4, (20, 20), 0.0)
    # A short grid leaves small areas without a safe threshold: the last one is taken.
    maximum = maps[:4].max() / (2 if seed % 2 else 1)
    grid = legacy_thresholds("ssim", "float64", maximum)[::10]
    areas = range(1, 60, 3)
    result = find_decision_legacy(
        good_images(maps[:4], True), curves_of(maps[4:], True), labels, grid, areas
    )
    decision = result.decision
    literal = literal_legacy(maps[:4], maps[4:], labels, grid, areas)
    assert (decision.min_area, decision.threshold, result.score) == literal


def test_legacy_areas_are_the_originals():
    maps = [square(0.9, 3), square(0.9, 4)]
    good = good_images(maps[:1])
    result = find_decision_legacy(good, curves_of(maps), [0, 1], [0.5, 0.6])
    assert result.decision == Decision(0.5, 10, clear_border=True)
    assert result.min_areas[-1] == 1000


@pytest.mark.parametrize(
    ("method", "dtype", "maximum", "first", "last", "length"),
    [
        ("ssim", "float64", 0.998, 0.10, 0.998, 450),
        ("l2", "float64", 0.0059, 0.005, 0.006, 3),
        ("ssim", "uint8", 22, 20, 22, 3),
        ("l2", "uint8", np.uint8(255), 5, 255, 251),
        ("ssim", "uint8", 7, 20, 20, 1),
        ("ssim", "float64", 0.0, 0.1, 0.1, 1),
    ],
)
def test_legacy_grids(method, dtype, maximum, first, last, length):
    grid = legacy_thresholds(method, dtype, maximum)
    assert len(grid) == length
    assert grid.dtype == np.float64
    np.testing.assert_allclose(grid[[0, -1]], [first, last])


def test_unknown_legacy_grid_lists_the_known():
    known = "l2-float64, l2-uint8, ssim-float64, ssim-uint8. Received: ssim-int8"
    with pytest.raises(ValueError, match=known):
        legacy_thresholds("ssim", "int8", 1.0)
