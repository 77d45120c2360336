import numpy as np
import pytest
from scipy.spatial.distance import cdist

from methods.patchcore.components import components


@pytest.fixture(scope="module")
def features():
    rng = np.random.default_rng(3)
    mixed = rng.standard_normal((400, 6)) @ rng.standard_normal((6, 6)) + 5
    return mixed.astype(np.float32)


def test_distances_of_whitened_features_are_those_of_mahalanobis(features):
    """SciPy is the second source."""
    inverse = np.linalg.inv(np.cov(features.T))
    expected = cdist(features[:9], features[9:99], "mahalanobis", VI=inverse)
    white = features @ components(features, 1, whiten=True)
    np.testing.assert_allclose(cdist(white[:9], white[9:99]), expected, rtol=1e-3)


def test_components_turn_features(features):
    turned = features @ components(features, 1, whiten=False)
    expected = cdist(features[:9], features[9:99])
    np.testing.assert_allclose(cdist(turned[:9], turned[9:99]), expected, rtol=1e-3)
    covariance = np.cov(turned.T)
    variances = np.linalg.eigvalsh(np.cov(features.T))[::-1]
    np.testing.assert_allclose(covariance, np.diag(variances), atol=1e-3 * variances[0])


def test_as_few_as_have_the_variance(features):
    variances = np.linalg.eigvalsh(np.cov(features.T))[::-1]
    shares = np.cumsum(variances) / variances.sum()
    for kept in range(1, 6):
        matrix = components(features, shares[kept - 1] - 1e-4, whiten=False)
        assert matrix.shape == (6, kept)


def test_no_more_than_there_are(features):
    flat = np.concatenate([features, features[:, :2]], axis=1)
    matrix = components(flat, 1, whiten=True)
    assert matrix.shape == (8, 6)
    assert np.abs(matrix).max() < 100
