"""Clusters of the pixels of one image, and how far each pixel is from good ones."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

COUNT = 2  # clusters, where the number is not found out
SMALLEST = 10  # pixels of a cluster of HDBSCAN
NOISE = -1  # label of pixels that belong to no cluster


class GoodPixels(NamedTuple):
    """What the pixels of good images are like.

    Attributes:
        centres: (k, d) of length 1.
        reach: cosine distance from the nearest centre that clusters of good images
            have at most.
    """

    centres: np.ndarray
    reach: float


def kmeans(pixels: np.ndarray, seed: int) -> np.ndarray:
    """Return labels (n,) of two clusters of pixels (n, d)."""
    from sklearn.cluster import KMeans

    return KMeans(COUNT, n_init=3, random_state=seed).fit_predict(pixels)


def hdbscan(pixels: np.ndarray, seed: int) -> np.ndarray:
    """Return labels (n,) of as many clusters as there are; -1 is noise."""
    from sklearn.cluster import HDBSCAN

    return HDBSCAN(SMALLEST, copy=True).fit_predict(pixels)


def gmm(pixels: np.ndarray, seed: int) -> np.ndarray:
    """Return labels (n,) of two Gaussians with variances of their own."""
    from sklearn.mixture import GaussianMixture

    model = GaussianMixture(
        COUNT, covariance_type="diag", reg_covar=1e-5, random_state=seed
    )
    return model.fit_predict(pixels.astype(np.float64))


def agglomerative(pixels: np.ndarray, seed: int) -> np.ndarray:
    """Return labels (n,) of two clusters by Ward's method."""
    from sklearn.cluster import AgglomerativeClustering

    return AgglomerativeClustering(COUNT).fit_predict(pixels)


CLUSTERINGS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "agglomerative": agglomerative,
    "gmm": gmm,
    "hdbscan": hdbscan,
    "kmeans": kmeans,
}


def centroids(pixels: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the means (k, d), of length 1, of the clusters; noise is none.

    Without any cluster it is the mean of all pixels.
    """
    clusters = [label for label in np.unique(labels) if label != NOISE]
    means = [pixels[labels == label].mean(axis=0) for label in clusters]
    return unit(np.stack(means or [pixels.mean(axis=0)]))


def from_good(pixels: np.ndarray, labels: np.ndarray, good: GoodPixels) -> np.ndarray:
    """Return the cosine distance (n,) of each pixel from the good clusters.

    Good are the clusters within reach of what good images are like, and always the
    nearest one. So the clusters of a clean image, of which k-means finds two whatever
    there is, are both good, and none of its pixels is far from them.

    Args:
        pixels: (n, d) of length 1, of one image.
        labels: (n,) of their clusters.
        good: what good images are like.
    """
    means = centroids(pixels, labels)
    away = distances(means, good.centres)
    chosen = means[away <= max(good.reach, away.min())]
    return distances(pixels, chosen)


def distances(features: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the cosine distance (n,) of (n, d) from the nearest of (k, d)."""
    return 1 - (features @ others.T).max(axis=1)


def unit(features: np.ndarray) -> np.ndarray:
    """Return features (n, d) brought to length 1."""
    lengths = np.linalg.norm(features, axis=-1, keepdims=True)
    return features / np.maximum(lengths, 1e-12)


def typical(pixels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return `count` centres (k, d), of length 1, of good pixels (n, d)."""
    from sklearn.cluster import MiniBatchKMeans

    count = min(count, len(pixels))
    model = MiniBatchKMeans(count, n_init=3, random_state=seed).fit(pixels)
    return unit(model.cluster_centers_.astype(np.float32))
