"""The principal components of features, in which distances are cheaper."""

import numpy as np

FULL = 1 - 1e-5  # share of the variance beyond which float32 sees none


def components(features: np.ndarray, variance: float, whiten: bool) -> np.ndarray:
    """Return the matrix (d, k) that takes features to principal components.

    Features are not centred: distances are the same with and without.

    Args:
        features: float32 (n, d).
        variance: share of the variance that the first k components have at least.
        whiten: divide each by its standard deviation, so that distances are those of
            Mahalanobis.
    """
    from sklearn.decomposition import PCA

    pca = PCA(svd_solver="covariance_eigh").fit(features)
    shares = np.cumsum(pca.explained_variance_ratio_)
    rank = np.count_nonzero(shares < FULL) + 1
    kept = min(int(np.searchsorted(shares, variance)) + 1, rank)
    matrix = pca.components_[:kept].T
    if whiten:
        matrix = matrix / np.sqrt(pca.explained_variance_[:kept])
    return np.ascontiguousarray(matrix, np.float32)
