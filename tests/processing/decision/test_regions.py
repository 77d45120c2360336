import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from skimage.measure import label, regionprops_table
from skimage.segmentation import clear_border as cleared

from processing.decision.regions import (
    REGION_COLUMNS,
    AreaCurve,
    area_curve,
    envelope,
    regions_of,
    segment,
)


def made_maps():
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(9, 11))
    spiral = np.zeros((7, 7))
    spiral[0, :] = spiral[:, 6] = spiral[6, 2:] = spiral[2:, 2] = 0.5
    return {
        "noise": noise,
        "float32": noise.astype(np.float32),
        "smooth": gaussian_filter(rng.normal(size=(16, 12)), 1.5),
        "plateaus": np.round(gaussian_filter(rng.normal(size=(12, 12)), 1), 1),
        "two values": (rng.random((10, 10)) > 0.6).astype(np.float64),
        "uint8": rng.integers(0, 6, (10, 9)).astype(np.uint8),
        "uint8 wide": rng.integers(0, 256, (10, 9)).astype(np.uint8),
        "constant": np.full((5, 4), 0.3),
        "zeros": np.zeros((5, 4), np.uint8),
        "row": rng.random((1, 17)),
        "column": np.round(rng.random((17, 1)), 1),
        "two rows": np.round(rng.random((2, 9)), 1),
        "pixel": np.array([[0.7]]),
        "signed zeros": np.array([[0.0, -0.0, 1.0], [-0.0, -1.0, 0.0], [0.0, 1.0, 0]]),
        "spiral": spiral,
        "checks": np.indices((8, 8)).sum(0) % 2 * 0.4,
        "pyramid": np.minimum(*np.indices((9, 9))) * 1.0,
        "not contiguous": rng.random((12, 20))[::2, ::-2],
    }


MAPS = made_maps()


def every_threshold(*maps):
    """All pixel values, one between each two, one below and one above all."""
    values = np.unique(np.concatenate([m.ravel() for m in maps]).astype(np.float64))
    between = (values[1:] + values[:-1]) / 2
    return np.sort([values[0] - 1, *values, *between, values[-1] + 1])


def labelled_area(anomaly_map, threshold, clear_border):
    mask = anomaly_map.astype(np.float64) > threshold
    regions = label(cleared(mask) if clear_border else mask, connectivity=2)
    return np.bincount(regions.ravel())[1:].max(initial=0)


@pytest.mark.parametrize("clear_border", [False, True])
@pytest.mark.parametrize("name", MAPS)
def test_curve_equals_labelling_at_every_threshold(name, clear_border):
    thresholds = every_threshold(MAPS[name])
    expected = [labelled_area(MAPS[name], t, clear_border) for t in thresholds]
    curve = area_curve(MAPS[name], clear_border=clear_border)
    np.testing.assert_array_equal(curve.area_at(thresholds), expected)


@pytest.mark.parametrize("clear_border", [False, True])
def test_curve_equals_labelling_on_many_small_maps(rng, clear_border):
    for _ in range(60):
        values = rng.integers(0, rng.integers(2, 40), rng.integers(1, 8, 2)) / 8
        thresholds = every_threshold(values)
        expected = [labelled_area(values, t, clear_border) for t in thresholds]
        curve = area_curve(values, clear_border=clear_border)
        np.testing.assert_array_equal(curve.area_at(thresholds), expected)


@pytest.mark.parametrize("clear_border", [False, True])
@pytest.mark.parametrize("name", MAPS)
def test_curve_keeps_only_changes_and_the_lowest_value(name, clear_border):
    curve = area_curve(MAPS[name], clear_border=clear_border)
    assert (np.diff(curve.levels) < 0).all()
    assert (np.diff(curve.areas, prepend=0)[:-1] != 0).all()
    assert curve.levels[-1] == MAPS[name].min()
    if not clear_border:
        assert (np.diff(curve.areas, prepend=0) > 0).all()
        assert curve.areas[-1] == MAPS[name].size


def test_area_at_keeps_the_shape_of_the_thresholds():
    curve = area_curve(np.array([[1.0, 2.0], [2.0, 3.0]]))
    assert curve.area_at(2.5) == 1
    assert curve.area_at([[0, 1], [2, 3]]).tolist() == [[4, 3], [1, 0]]


def test_area_is_not_monotone_with_cleared_borders():
    curve = area_curve(MAPS["pyramid"].max() - MAPS["pyramid"], clear_border=True)
    assert curve.area_at(-1) == 0
    tent = np.pad(np.full((3, 3), 2.0), 1, constant_values=1.0)
    assert area_curve(tent, clear_border=True).area_at([0, 1, 2]).tolist() == [0, 9, 0]


@pytest.mark.parametrize("clear_border", [False, True])
@pytest.mark.parametrize("name", MAPS)
def test_critical_thresholds_are_the_smallest_safe_levels(name, clear_border):
    curve = area_curve(MAPS[name], clear_border=clear_border)
    thresholds = every_threshold(MAPS[name])
    areas = curve.area_at(thresholds)
    critical = curve.critical_thresholds(MAPS[name].size + 3)
    assert len(critical) == MAPS[name].size + 3
    for min_area, level in enumerate(critical, start=1):
        unsafe = thresholds[areas >= min_area]
        above = thresholds[thresholds > unsafe.max(initial=-np.inf)]
        expected = max(above.min(), MAPS[name].min())
        assert level == expected
        assert (curve.area_at(thresholds[thresholds >= level]) < min_area).all()


def test_fewer_critical_thresholds_are_a_prefix():
    curve = area_curve(MAPS["plateaus"])
    long = curve.critical_thresholds(100)
    np.testing.assert_array_equal(curve.critical_thresholds(7), long[:7])


@pytest.mark.parametrize("clear_border", [False, True])
def test_envelope_is_the_pointwise_maximum(clear_border):
    curves = [area_curve(m, clear_border=clear_border) for m in MAPS.values()]
    thresholds = every_threshold(*MAPS.values())
    highest = np.max([curve.area_at(thresholds) for curve in curves], axis=0)
    at_once = envelope(iter(curves))
    np.testing.assert_array_equal(at_once.area_at(thresholds), highest)
    assert at_once.levels[-1] == min(m.min() for m in MAPS.values())

    running = curves[0]
    for curve in curves[1:]:
        running = envelope([running, curve])
    np.testing.assert_array_equal(running.levels, at_once.levels)
    np.testing.assert_array_equal(running.areas, at_once.areas)


def test_envelope_does_not_grow_with_the_number_of_maps(rng):
    running = envelope(area_curve(rng.random((8, 8))) for _ in range(300))
    assert len(running.levels) <= 8 * 8 + 1


def test_a_capped_curve_tells_smaller_areas_apart(rng):
    for clear_border in (False, True):
        curve = area_curve(rng.random((16, 16)), clear_border=clear_border)
        capped = curve.capped(20)
        assert len(capped.levels) < len(curve.levels)
        thresholds = np.concatenate([[-1, 2], curve.levels])
        areas = np.minimum(curve.area_at(thresholds), 20)
        np.testing.assert_array_equal(capped.area_at(thresholds), areas)
        critical = [one.critical_thresholds(20) for one in (capped, curve)]
        np.testing.assert_array_equal(*critical)
        assert capped.levels[0] == curve.levels[0]
        assert capped.levels[-1] == curve.levels[-1]


def test_envelope_of_nothing_raises():
    with pytest.raises(ValueError, match="at least one curve"):
        envelope([])


@pytest.mark.parametrize("clear_border", [False, True])
@pytest.mark.parametrize("name", MAPS)
def test_segment_keeps_the_large_regions(name, clear_border):
    for threshold in every_threshold(MAPS[name])[::5]:
        mask = MAPS[name].astype(np.float64) > threshold
        regions = label(cleared(mask) if clear_border else mask, connectivity=2)
        for min_area in (1, 2, 5):
            large = np.flatnonzero(np.bincount(regions.ravel()) >= min_area)
            expected = np.isin(regions, large[large > 0])
            kept = segment(MAPS[name], threshold, min_area, clear_border)
            assert kept.dtype == bool
            np.testing.assert_array_equal(kept, expected)


def test_segment_and_curve_agree_on_float32_maps():
    pixels = np.full((3, 3), 0.1, np.float32)  # a little above 0.1
    assert segment(pixels, 0.1, 1).all()
    assert area_curve(pixels).area_at(0.1) == 9


def test_maps_are_left_unchanged():
    before = MAPS["smooth"].copy()
    area_curve(MAPS["smooth"])
    segment(MAPS["smooth"], 0.0, 3)
    np.testing.assert_array_equal(MAPS["smooth"], before)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("function", [area_curve, lambda m: segment(m, 0.0, 1)])
def test_values_that_are_not_finite_raise(function, value):
    with pytest.raises(ValueError, match="1 of 6 pixels are NaN or infinite"):
        function(np.array([[0.0, 1.0, 2.0], [3.0, value, 5.0]]))


@pytest.mark.parametrize("shape", [(4,), (1, 4, 4), (0, 4)])
@pytest.mark.parametrize("function", [area_curve, lambda m: segment(m, 0.0, 1)])
def test_wrong_shapes_raise(function, shape):
    with pytest.raises(ValueError, match=r"`anomaly_map` must have shape \(h, w\)"):
        function(np.zeros(shape))


def test_threads_give_the_same_curves(rng):
    maps = rng.random((20, 32, 32))
    with ThreadPoolExecutor(2) as pool:
        threaded = list(pool.map(area_curve, maps))
    for one, other in zip(threaded, map(area_curve, maps), strict=True):
        np.testing.assert_array_equal(one.levels, other.levels)
        np.testing.assert_array_equal(one.areas, other.areas)


def test_curve_is_frozen():
    curve = AreaCurve(np.array([1.0]), np.array([1]))
    with pytest.raises(AttributeError):
        curve.levels = np.array([2.0])


def test_import_does_not_load_numba():
    code = "import sys, processing.decision.regions; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_regions_of_a_mask_by_hand():
    anomaly_map = np.zeros((6, 7))
    anomaly_map[0, 6] = 0.5
    anomaly_map[2:4, 1:3] = [[0.6, 0.7], [0.8, 0.9]]
    anomaly_map[4, 3] = 1.5  # joined by its corner
    table = regions_of(anomaly_map > 0, anomaly_map)
    assert tuple(table) == REGION_COLUMNS
    assert [[float(x) for x in row] for row in zip(*table.values(), strict=True)] == [
        [0, 6, 1, 7, 1, 0, 6, 0.5],
        [2, 1, 5, 4, 5, 2.8, 1.8, 1.5],
    ]
    assert table["area"].dtype.kind == table["top"].dtype.kind == "i"


def test_regions_equal_scikit_image(rng):
    for share in (0.1, 0.4, 0.7):
        anomaly_map = rng.random((40, 30), np.float32)
        mask = anomaly_map > 1 - share
        expected = regionprops_table(
            label(mask, connectivity=2),
            anomaly_map,
            ("bbox", "area", "centroid", "intensity_max"),
        )
        found = regions_of(mask, anomaly_map).values()
        for one, other in zip(found, expected.values(), strict=True):
            np.testing.assert_array_equal(one, other)


def test_no_regions():
    table = regions_of(np.zeros((3, 4), bool), np.ones((3, 4), np.float32))
    assert tuple(table) == REGION_COLUMNS
    assert all(column.shape == (0,) for column in table.values())


@given(masks=st.integers(0, 2**24 - 1))
@settings(deadline=None)
def test_boxes_and_areas_make_up_the_mask(masks):
    mask = (masks >> np.arange(24) & 1).astype(bool).reshape(4, 6)
    anomaly_map = np.arange(24.0).reshape(4, 6)
    table = regions_of(mask, anomaly_map)
    count, _, stats, centroids = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=8
    )
    assert len(table["top"]) == count - 1
    assert sorted(table["area"]) == sorted(stats[1:, cv2.CC_STAT_AREA])
    assert sorted(table["left"]) == sorted(stats[1:, cv2.CC_STAT_LEFT])
    np.testing.assert_allclose(sorted(table["row"]), sorted(centroids[1:, 1]))
    assert table["area"].sum() == mask.sum()
    if mask.any():
        assert table["highest"].max() == anomaly_map[mask].max()
