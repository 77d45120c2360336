import numpy as np

from methods.components.levelled import Levelled


def test_little_contrast_is_left(rng):
    features = rng.standard_normal((1, 4, 4, 8)).astype(np.float32)
    features[:, :2] *= 10
    lengths = np.linalg.norm(np.asarray(Levelled(2.0)(features)), axis=-1)
    plain = np.linalg.norm(features, axis=-1)
    np.testing.assert_allclose(lengths, 2 * (plain / plain.mean()) ** 0.4, rtol=1e-5)
    np.testing.assert_allclose(
        Levelled(1.0)(5 * features), Levelled(1.0)(features), rtol=1e-4
    )
    zero = np.asarray(Levelled(1.0)(np.zeros((1, 2, 2, 3), np.float32)))
    np.testing.assert_array_equal(zero, 0)
