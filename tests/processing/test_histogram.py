import numpy as np
import pytest

from processing.histogram import BINS, ScoreHistogram
from processing.pixel_scores import Regions, ScoreList

NONE = Regions.of(np.zeros((1, 1), bool))


def counted(scores, mask=None, store=None):
    """Return the counts of one row of scores."""
    store = store or ScoreHistogram()
    row = np.asarray(scores, np.float32)[None]
    store.add("", row, NONE if mask is None else Regions.of(np.array([mask])))
    return store.counts([""])


@pytest.mark.parametrize("make", [ScoreHistogram, ScoreList])
def test_counts_by_hand(make):
    scores = [2, -1, 2, 0, -0.0, 5, -3]
    mask = [True, True, False, False, False, True, False]
    good, anomalous, shares = counted(scores, mask, make())
    # From the highest: 5, 2, 0 (two signs), -1, -3.
    np.testing.assert_array_equal(good, [0, 1, 2, 0, 1])
    np.testing.assert_array_equal(anomalous, [1, 1, 0, 1, 0])
    np.testing.assert_array_equal(shares, [1, 0.5, 0, 0.5, 0])


@pytest.mark.parametrize("make", [ScoreHistogram, ScoreList])
def test_groups_are_summed_as_asked(make):
    store = make()
    for group, score in (("a", 1), ("b", 2), ("a", 2), ("c", 3)):
        store.add(group, np.full((1, 1), score, np.float32), NONE)
    assert store.counts(["a"])[0].tolist() == [1, 1]
    assert store.counts(["a", "b", "none"])[0].tolist() == [2, 1]
    assert store.counts(["none"]).shape == (3, 0)


@pytest.mark.parametrize("offset", [1, 1000, -1e6])
def test_scores_in_a_narrow_range_keep_all_their_bits(rng, offset):
    scores = (offset + rng.uniform(0.01, 0.02, 4000)).astype(np.float32)
    distinct, counts = np.unique(scores, return_counts=True)
    np.testing.assert_array_equal(counted(scores)[0], counts[::-1])


def test_float16_scores_are_counted_exactly(rng):
    scores = rng.standard_normal(50_000).astype(np.float16)
    distinct, counts = np.unique(scores, return_counts=True)
    np.testing.assert_array_equal(counted(scores)[0], counts[::-1])


def test_all_magnitudes_fit_in_order():
    scores = np.geomspace(1e-37, 1e38, 20_000).astype(np.float32)
    scores = np.concatenate([-scores, scores])
    store = ScoreHistogram()
    mask = scores > 0
    good, anomalous, _ = counted(scores, mask, store)
    assert good.sum() == anomalous.sum() == 20_000
    assert len(good) > 39_000  # few share a bin
    assert not good[: np.flatnonzero(anomalous)[-1] + 1].any()
    assert store.groups[""].shape == (3, BINS)


def test_bins_are_joined_whatever_comes_first(rng):
    first = rng.standard_cauchy(20_000).astype(np.float32)
    later = np.float32(1000) + rng.random(20_000, np.float32)
    results = []
    for order in ((first, later), (later, first)):
        store = ScoreHistogram()
        for scores in order:
            counts = counted(scores, store=store)
        results.append(counts)
    np.testing.assert_array_equal(*results)


def test_memory_does_not_grow_with_the_maps(rng):
    store = ScoreHistogram()
    for _ in range(20):
        counted(rng.standard_cauchy(10_000), store=store)
    assert store.counts([""])[0].sum() == 200_000
    assert store.groups[""].nbytes + store.starts.nbytes < 7e6


@pytest.mark.parametrize("make", [ScoreHistogram, ScoreList])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_raises(make, value):
    with pytest.raises(ValueError, match="1 of 3 are NaN or infinite"):
        counted([1.0, value, 2.0], store=make())


def test_too_large_for_float32_raises():
    with pytest.raises(ValueError, match="infinite"):
        ScoreHistogram().add("", np.full((1, 1), 1e300), NONE)
    ScoreList().add("", np.full((1, 1), 1e300), NONE)


def kept(row):
    """Return a `ScoreList` of a row of scores without anomalies."""
    scores = ScoreList()
    counted(row, store=scores)
    return scores


def page(score):
    return np.float32(score).view(np.uint32) >> 16


def test_bins_go_where_the_scores_are(rng):
    """Scores crowded around 1000 keep their bits beside ones of any magnitude."""
    crowd = (1000 + rng.uniform(-1, 1, 5000)).astype(np.float32)
    spread = rng.standard_cauchy(5000).astype(np.float32)
    store = ScoreHistogram.of(kept(np.concatenate([crowd, spread])))
    shifts = store.shifts[store.starts >= 0]
    assert store.shifts[page(1000)] <= 2
    assert np.median(shifts) > 8
    assert store.counts([""])[0].sum() == 10_000


def test_rare_anomalies_get_as_many_bins_as_the_good_pixels(rng):
    scores = ScoreList()
    values = rng.standard_normal(100_000).astype(np.float32)
    values[:200] = 10 + rng.random(200)
    mask = np.arange(100_000) < 200
    counted(values, mask, scores)
    store = ScoreHistogram.of(scores)
    assert store.shifts[page(10.5)] < store.shifts[page(0.01)]
    assert store.counts([""])[1].sum() == 200


def test_scores_unlike_those_planned_for_are_counted_in_order(rng):
    first = rng.uniform(1, 2, 1000).astype(np.float32)
    store = ScoreHistogram.of(kept(first))
    later = np.geomspace(1e-30, 1e30, 50_000).astype(np.float32)
    later = np.concatenate([-later, later])
    good, anomalous, _ = counted(later, later > 4, store)
    assert anomalous.sum() == (later > 4).sum()
    assert good.sum() == 1000 + (later <= 4).sum()
    highest_good = np.flatnonzero(good)[0]
    assert not anomalous[highest_good:].any()
    assert (store.shifts[store.starts >= 0] > 0).all()  # bins were joined
