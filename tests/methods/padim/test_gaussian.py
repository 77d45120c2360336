import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis

from methods.padim import gaussian as module
from methods.padim.gaussian import Statistics, is_dual, peak_bytes, shapes
from methods.padim.mahalanobis import Mahalanobis

EPSILON = 0.01
CASES = [(50, 9), (3, 9), (120, 70), (90, 70), (20, 70), (1, 9), (40, 160)]


def features_of(rng, count, size, positions=6):
    """Return correlated float32 features (n, p, d) away from zero."""
    mixing = rng.normal(size=(positions, size, size))
    drawn = rng.normal(size=(count, positions, size)) * np.geomspace(1, 0.03, size)
    return (5 + np.einsum("npd,pde->npe", drawn, mixing)).astype(np.float32)


def fit(features, batch=16):
    statistics = Statistics(*features.shape[1:], len(features))
    for start in range(0, len(features), batch):
        statistics.add(features[start : start + batch])
    return statistics.finish(EPSILON)


def distances(gaussian, queries):
    """Return the layer's distances (n, p); uses up the Gaussian."""
    return np.asarray(Mahalanobis.of(gaussian)(queries[:, None]))[:, 0]


@pytest.mark.parametrize(("count", "size"), CASES)
def test_distances_are_those_of_scipy(rng, count, size):
    """With np.cov + epsilon I, in the dual form as well (count far below size)."""
    features = features_of(rng, count + 4, size)
    known, queries = features[:count], features[count:]
    expected = np.empty(queries.shape[:2])
    for p in range(known.shape[1]):
        covariance = EPSILON * np.eye(size)
        if count > 1:
            covariance += np.cov(known[:, p].astype("f8"), rowvar=False)
        mean, inverse = known[:, p].mean(axis=0, dtype="f8"), np.linalg.inv(covariance)
        expected[:, p] = [mahalanobis(query, mean, inverse) for query in queries[:, p]]
    np.testing.assert_allclose(distances(fit(known), queries), expected, rtol=2e-5)


@pytest.mark.parametrize(
    ("before", "after"), [(90, 120), (6, 10), (6, 60), (1, 90)], ids=str
)
def test_extending_equals_a_fit_on_all(rng, before, after):
    """From sums to sums, from dual to dual and from dual to sums."""
    features = features_of(rng, after + 3, 40)
    known, queries = features[:after], features[after:]
    statistics = Statistics.extending(fit(known[:before]), after - before)
    statistics.add(known[before:])
    extended = statistics.finish(EPSILON)
    assert extended.count == after
    np.testing.assert_allclose(
        distances(extended, queries), distances(fit(known), queries), rtol=1e-5
    )


def test_removing_equals_a_fit_on_the_others(rng):
    features = features_of(rng, 93, 40)
    known, queries = features[:90], features[90:]
    statistics = Statistics.extending(fit(known), 0)
    for part in (known[60:70], known[70:]):
        statistics.remove(part)
    others = statistics.finish(EPSILON)
    assert others.count == 60
    np.testing.assert_allclose(
        distances(others, queries), distances(fit(known[:60]), queries), rtol=1e-5
    )


def test_features_that_are_kept_cannot_be_removed(rng):
    known = features_of(rng, 6, 40)
    with pytest.raises(ValueError, match="no sums of 6 images"):
        Statistics.extending(fit(known), 0).remove(known[:1])


def test_large_sums_in_float32(rng, monkeypatch):
    features = features_of(rng, 80, 20)
    wide = fit(features[:75])
    monkeypatch.setattr(module, "SUMS_BYTES", 0)
    narrow = fit(features[:75])
    np.testing.assert_allclose(
        distances(narrow, features[75:]), distances(wide, features[75:]), rtol=1e-4
    )


@pytest.mark.parametrize("size", [9, 70])
def test_merged_sums_are_those_of_all(rng, size):
    features = features_of(rng, 120, size)
    merged = Statistics(6, size, 120, features[:7].mean(axis=0))
    for start, stop in ((0, 50), (50, 120)):
        part = merged.empty()
        part.add(features[start:stop])
        merged.merge(part)
    assert merged.count == 120
    result, expected = merged.finish(EPSILON), fit(features)
    np.testing.assert_allclose(result.mean, expected.mean, rtol=1e-6)
    for block, other in zip(result.rows, expected.rows, strict=True):
        np.testing.assert_allclose(block, other, rtol=1e-4, atol=1e-5)


def test_features_that_are_kept_cannot_be_merged():
    with pytest.raises(ValueError, match="no sums of 5 images"):
        Statistics(6, 70, 5).merge(Statistics(6, 70, 5))


def test_the_smaller_form_is_taken():
    assert is_dual(188, 550)
    assert not is_dual(188, 100)
    assert not is_dual(2000, 550)


def test_memory_does_not_grow_with_the_images():
    assert peak_bytes(2000, 4096, 550) == peak_bytes(20_000, 4096, 550)
    assert peak_bytes(188, 4096, 550) < peak_bytes(2000, 4096, 550) < 4 * 2**30
    rows, upper = shapes(2000, 4096, 550)
    assert not upper
    full = 4096 * 550**2
    assert full / 2 < sum(np.prod(shape) for shape in rows) < 0.55 * full


def test_the_number_of_images_must_be_as_announced(rng):
    statistics = Statistics(2, 3, 5)
    statistics.add(features_of(rng, 4, 3, 2))
    with pytest.raises(ValueError, match="images=5, but 4 were added"):
        statistics.finish(EPSILON)
