import numpy as np

from methods.engine.augmentation import Augmentation


def test_does_nothing_at_inference(rng):
    images = rng.random((2, 8, 8, 1), np.float32)
    np.testing.assert_array_equal(Augmentation(seed=0)(images), images)


def test_shape_range_and_seed(rng):
    images = rng.random((4, 16, 24, 3), np.float32)
    first, again, other = (
        np.asarray(Augmentation(seed=seed)(images, training=True)) for seed in (1, 1, 2)
    )
    assert first.shape == images.shape
    assert 0 <= first.min() <= first.max() <= 1
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_constant_images_only_change_in_brightness():
    images = np.full((64, 8, 8, 1), 0.5, np.float32)
    changed = np.asarray(Augmentation(brightness=0.05, seed=0)(images, training=True))
    values = changed.reshape(64, -1)
    np.testing.assert_allclose(np.ptp(values, axis=1), 0, atol=1e-6)
    factors = values[:, 0] / 0.5
    assert 0.95 <= factors.min() < 0.97
    assert 1.03 < factors.max() <= 1.05


def test_shift_moves_at_most_its_share():
    images = np.zeros((64, 41, 41, 1), np.float32)
    images[:, 20, 20] = 1
    layer = Augmentation(rotation=0, shift=0.1, brightness=0, seed=0)
    changed = np.asarray(layer(images, training=True))[..., 0]
    rows, columns = (np.arange(41) - 20 for _ in range(2))
    mass = changed.sum((1, 2))
    x = (changed * columns).sum((1, 2)) / mass
    y = (changed * rows[:, None]).sum((1, 2)) / mass
    for centre in (x, y):
        assert 3 < np.abs(centre).max() <= 4.1 + 1e-3
        assert centre.min() < 0 < centre.max()


def test_rotation_keeps_the_centre():
    images = np.zeros((8, 41, 41, 1), np.float32)
    images[:, 18:23, 18:23] = 1
    layer = Augmentation(rotation=45, shift=0, brightness=0, seed=0)
    changed = np.asarray(layer(images, training=True))
    np.testing.assert_allclose(changed[:, 20, 20], 1, atol=1e-5)
    assert not np.allclose(changed, images)


def test_config_round_trip():
    layer = Augmentation(rotation=3, shift=0.1, brightness=0.2, seed=7)
    again = Augmentation.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
