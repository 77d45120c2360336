import numpy as np
import pytest

from methods.components.image_scores import image_scores


@pytest.mark.parametrize(("top", "count"), [(0, 1), (1e-6, 1), (0.02, 2), (1, 80)])
def test_the_mean_of_the_highest(top, count, rng):
    maps = rng.random((3, 8, 10), np.float32)
    highest = np.sort(maps.reshape(3, -1), axis=1)[:, -count:]
    scores = np.asarray(image_scores(maps, top))
    np.testing.assert_allclose(scores, highest.mean(axis=1), rtol=1e-5)
    stacked = np.asarray(image_scores(np.stack([maps, 2 * maps], axis=1), top))
    np.testing.assert_allclose(stacked, scores[:, None] * [1, 2], rtol=1e-5)
