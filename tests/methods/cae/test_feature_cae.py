import numpy as np
import pytest

from methods.base import TrainingImages
from methods.cae.feature_cae import NOISE, STEADY, FeatureCAE, residual
from methods.components.enlarge import enlarging
from processing.data.dataset import scan_category
from processing.errors import UserError

pytestmark = pytest.mark.usefixtures("eager_file", "few_blocks")
SMALL = {"image_shape": (64, 64, 3), "weights": "random", "levels": "stage2,stage3"}
LEVELS = (slice(24), slice(24, None))  # of channels


def errors_of(method, features):
    """Return the root mean square residual (n, h, w) of each level."""
    left = (features - method.arrays["mean"]) @ method.arrays["residual"]
    return [np.sqrt((left[..., part] ** 2).mean(axis=-1)) for part in LEVELS]


@pytest.fixture(scope="module")
def good(samples):
    return scan_category(samples / "washer", image_shape=(64, 64, 3)).train


@pytest.fixture(scope="module")
def fitted(good):
    images = TrainingImages(good.subset(range(6)), good.subset([10, 11]))
    return FeatureCAE(**SMALL).fit(images)


def test_it_is_the_linear_autoencoder_that_best_removes_noise(rng):
    """Any other matrix leaves more of the error, of features and of noise together."""
    channels, features = [3, 5], rng.normal(size=(200, 8)) @ rng.normal(size=(8, 8))
    covariance = features.T @ features / len(features)
    level = np.sqrt(np.repeat(channels, channels))
    scale = 1 / (level * np.sqrt(np.diag(covariance) + STEADY))
    matrix = residual(covariance, channels) / scale[:, None]
    noise, scaled = NOISE * 2 / 8, covariance * np.outer(scale, scale)

    def error(left):
        kept = np.eye(8) - left
        return np.trace(left.T @ scaled @ left) + noise * np.trace(kept.T @ kept)

    for change in 0.01 * rng.normal(size=(20, 8, 8)):
        assert error(matrix + change) > error(matrix)


def test_the_map_is_the_sum_of_the_levels_errors_in_deviations(fitted, good):
    images = next(good.subset([7, 8]).batches(2))
    [features] = fitted.outputs(good.subset([7, 8]), fitted._features)
    expected = 0
    for level, error in enumerate(errors_of(fitted, features[0])):
        mean, deviation = fitted.arrays["errors"][:, level]
        expected += (error - mean) / deviation
    matrix = enlarging(expected.shape[1], 64, 4.0)
    expected = np.einsum("ih,nhw,jw->nij", matrix, expected, matrix)
    maps, scores = fitted.judge(images)
    np.testing.assert_allclose(maps, expected, rtol=1e-3, atol=1e-3)
    highest = np.sort(expected.reshape(2, -1))[:, -41:]  # 1 % of 64 x 64
    np.testing.assert_allclose(scores, highest.mean(axis=1), rtol=1e-3)


def test_what_is_learned_is_of_the_good_images(fitted, good):
    known = good.subset(range(6))
    features = np.concatenate([x for [x] in fitted.outputs(known, fitted._features)])
    mean, covariance = fitted._moments(known)
    np.testing.assert_allclose(mean, features.mean(axis=0), rtol=1e-4, atol=1e-6)
    centred = (features - features.mean(axis=0)).reshape(-1, features.shape[-1])
    expected = centred.T @ centred / len(centred)
    np.testing.assert_allclose(covariance, expected, rtol=1e-3, atol=1e-4)
    matrix = residual(expected, [24, 40])
    np.testing.assert_allclose(fitted.arrays["residual"], matrix, rtol=1e-2, atol=1e-3)
    means = [error.mean(axis=0) for error in errors_of(fitted, features)]
    np.testing.assert_allclose(fitted.arrays["errors"][0], means, rtol=1e-3)


def test_one_good_image_is_enough(good):
    """Channels that do not vary at all stay finite."""
    one = good.subset([0])
    method = FeatureCAE(**SMALL).fit(TrainingImages(one, one))
    assert np.isfinite(method.judge(next(good.subset([1]).batches(1)))[1]).all()


def test_too_little_memory_is_told_before_the_images_are_read(good, monkeypatch):
    monkeypatch.setattr("methods.components.memory_check.psutil.virtual_memory", _none)
    with pytest.raises(UserError, match="of memory needed, .* --size, or fewer of"):
        FeatureCAE(**SMALL).fit(TrainingImages(good, good))


def _none():
    return type("Memory", (), {"available": 0})
