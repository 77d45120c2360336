import numpy as np
import pytest

from processing.metrics.pixel_scores import Regions, ScoreList
from processing.metrics.score_histogram import BINS, NEW_SHIFT, ScoreHistogram

STORES = [lambda: ScoreHistogram(ScoreList()), ScoreList]


def add(store, scores, mask=None, group=""):
    """Add a row of scores to a store and return the store."""
    row = np.asarray(scores)[None]
    mask = np.zeros(row.shape, bool) if mask is None else np.array([mask])
    store.add(group, row, Regions.of(mask))
    return store


def planned(scores, mask=None):
    """Return a histogram that knows a row of scores from the start."""
    return ScoreHistogram(add(ScoreList(), np.float32(scores), mask))


def shift(store, score):
    """Return how many of the lower bits of a score are not distinguished."""
    return store.shifts[np.float32(score).view(np.uint32) >> 16]


@pytest.mark.parametrize("make", STORES)
def test_counts_by_hand(make):
    scores = np.float32([2, -1, 2, 0, -0.0, 5, -3])
    mask = [True, True, False, False, False, True, False]
    good, anomalous, shares, several = add(make(), scores, mask).counts([""])
    # From the highest: 5, 2, 0 (two signs), -1, -3.
    np.testing.assert_array_equal(good, [0, 1, 2, 0, 1])
    np.testing.assert_array_equal(anomalous, [1, 1, 0, 1, 0])
    np.testing.assert_array_equal(shares, [1, 0.5, 0, 0.5, 0])
    assert not several.any()


@pytest.mark.parametrize("make", STORES)
def test_groups_are_summed_as_asked(make):
    store = make()
    for group, score in (("a", 1.0), ("b", 2.0), ("a", 2.0), ("c", 3.0)):
        add(store, [score], group=group)
    assert store.counts(["a"])[0].tolist() == [1, 1]
    assert store.counts(["a", "b", "none"])[0].tolist() == [2, 1]
    assert store.counts(["none"]).shape == (4, 0)


DISTINCT = {
    "offset 1": lambda rng: rng.uniform(1.008, 1.015, 4000),
    "offset 1000": lambda rng: rng.uniform(1000, 1003, 4000),
    "offset -1e6": lambda rng: -1e6 + rng.standard_normal(4000),
    "float16": lambda rng: rng.standard_normal(50_000).astype(np.float16),
    "uint8": lambda rng: rng.integers(0, 256, 4000),
}


@pytest.mark.parametrize("kind", DISTINCT)
def test_few_or_near_scores_are_counted_exactly(rng, kind):
    scores = DISTINCT[kind](rng).astype(np.float32)
    _, expected = np.unique(scores, return_counts=True)
    good, _, _, several = planned(scores).counts([""])
    np.testing.assert_array_equal(good, expected[::-1])
    assert not several.any()


def test_scores_of_all_magnitudes_fit_in_order():
    """Nothing is planned: pages come one by one and bins are joined."""
    scores = np.geomspace(1e-37, 1e38, 20_000).astype(np.float32)
    scores = np.concatenate([-scores, scores])
    store = add(STORES[0](), scores, scores > 4)
    good, anomalous, _, _ = store.counts([""])
    assert anomalous.sum() == (scores > 4).sum()
    assert good.sum() == (scores <= 4).sum()
    assert not anomalous[np.flatnonzero(good)[0] :].any()
    assert (store.shifts > NEW_SHIFT).any()


def test_bins_go_where_the_scores_are(rng):
    """Scores crowded around 1000 keep their bits beside ones of any magnitude."""
    crowd, spread = 1000 + rng.uniform(-1, 1, 5000), rng.standard_cauchy(5000)
    store = planned(np.concatenate([crowd, spread]))
    assert shift(store, 1000) <= 3
    assert np.median(store.shifts[store.starts >= 0]) > 8
    assert store.counts([""])[0].sum() == 10_000


def test_rare_anomalies_get_as_many_bins_as_the_good_pixels(rng):
    scores, mask = rng.standard_normal(100_000), np.arange(100_000) < 200
    scores[mask] = 10 + rng.random(200)
    store = planned(scores, mask)
    assert shift(store, 10.5) < shift(store, 0.01)
    assert store.counts([""])[1].sum() == 200


def test_joining_keeps_all_pixels_and_tells_where_scores_are_mixed(rng):
    first = rng.integers(0, 100, 5000) / 64  # scores with few bits
    store = planned(first, first > 1)
    before = store.counts([""])
    spread = np.geomspace(1e10, 1e30, 200_000).astype(np.float32)
    add(store, spread)
    good, anomalous, shares, several = store.counts([""])
    assert good.sum() == (first <= 1).sum() + 200_000
    np.testing.assert_array_equal(anomalous[anomalous > 0], before[1][before[1] > 0])
    assert shares.sum() == pytest.approx(before[2].sum())
    assert not several[-100:].any()  # one score in each bin, in spite of the joining
    assert several.any()
    np.testing.assert_array_equal(several[good == 1], 0)


def test_memory_does_not_grow_with_the_maps(rng):
    store = STORES[0]()
    for _ in range(20):
        add(store, rng.standard_cauchy(10_000))
    assert store.counts([""])[0].sum() == 200_000
    arrays = (store.groups[""], store.only, store.starts, store.shifts)
    assert store.groups[""].shape == (3, BINS)
    assert sum(array.nbytes for array in arrays) < 4.1e6


@pytest.mark.parametrize("make", STORES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_raises(make, value):
    with pytest.raises(ValueError, match="1 of 3 are NaN or infinite"):
        add(make(), [1.0, value, 2.0])


def test_too_large_for_float32_raises():
    kept = add(ScoreList(), [1e300])
    with pytest.raises(ValueError, match="1 of 1 are NaN or infinite"):
        ScoreHistogram(kept)
    with pytest.raises(ValueError, match="1 of 1 are NaN or infinite"):
        add(STORES[0](), [1e300])
