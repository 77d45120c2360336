import numpy as np
import pytest

from methods.contrastive.clustering import (
    CLUSTERINGS,
    GoodPixels,
    centroids,
    distances,
    from_good,
    typical,
    unit,
)

NAMES = sorted(CLUSTERINGS)


@pytest.fixture
def around(rng):
    """Return a function from a direction to unit vectors around it."""

    def draw(axis, count):
        return unit(np.eye(6)[axis] + 0.05 * rng.normal(size=(count, 6)))

    return draw


@pytest.mark.parametrize("name", NAMES)
def test_two_clouds_are_told_apart(name, around):
    pixels = np.concatenate([around(0, 90), around(1, 30)])
    labels = CLUSTERINGS[name](pixels, 0)
    first, second = (set(part.tolist()) - {-1} for part in (labels[:90], labels[90:]))
    assert len(first) == len(second) == 1
    assert first != second


@pytest.mark.parametrize("name", NAMES)
def test_a_clean_image_comes_out_clean(name, around):
    """k-means finds two clusters whatever there is; neither is a defect."""
    good = GoodPixels(typical(around(0, 300), 4, 0), reach=0.05)
    pixels = around(0, 120)
    away = from_good(pixels, CLUSTERINGS[name](pixels, 0), good)
    assert away.max() < 0.1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("defective", [30, 90])
def test_a_defect_is_far_from_good(name, defective, around):
    """Even where it is the larger cluster."""
    good = GoodPixels(typical(around(0, 300), 4, 0), reach=0.05)
    pixels = np.concatenate([around(0, 120 - defective), around(1, defective)])
    away = from_good(pixels, CLUSTERINGS[name](pixels, 0), good)
    assert away[: 120 - defective].max() < 0.2
    assert away[120 - defective :].min() > 0.7


def test_the_nearest_cluster_is_good_where_none_is_in_reach(around):
    good = GoodPixels(np.eye(6)[[0]], reach=0.01)
    pixels = np.concatenate([around(1, 50), unit(around(0, 50) + around(2, 50))])
    labels = np.repeat([0, 1], 50)
    away = from_good(pixels, labels, good)
    assert away[50:].max() < 0.1 < away[:50].min()


def test_noise_is_no_cluster(around):
    pixels = np.concatenate([around(0, 20), around(3, 5)])
    labels = np.array([0] * 20 + [-1] * 5)
    assert centroids(pixels, labels).shape == (1, 6)
    lost = centroids(pixels, np.full(25, -1))
    np.testing.assert_allclose(lost, unit(pixels.mean(axis=0))[None])


def test_distances_are_those_of_scipy(around):
    from scipy.spatial.distance import cdist

    pixels, others = around(0, 7), around(1, 3)
    expected = cdist(pixels, others, "cosine").min(axis=1)
    np.testing.assert_allclose(distances(pixels, others), expected, atol=1e-6)
