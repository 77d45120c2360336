import numpy as np

from processing.maps.pixel_statistics import STEADY, PixelStatistics


def test_mean_and_deviation_are_those_of_numpy(rng):
    maps = rng.random((7, 4, 5))
    statistics = PixelStatistics((4, 5))
    statistics.add(maps[:3])
    statistics.add(maps[3:])
    mean, deviation = statistics.result(sigma=0)
    np.testing.assert_allclose(mean, maps.mean(axis=0), rtol=1e-5)
    pixel_deviation = maps.std(axis=0)
    np.testing.assert_allclose(
        deviation, pixel_deviation + STEADY * pixel_deviation.mean(), rtol=1e-4
    )


def test_constant_maps_have_a_deviation_above_zero():
    statistics = PixelStatistics((2, 2))
    statistics.add(np.ones((3, 2, 2)))
    mean, deviation = statistics.result(sigma=1.0)
    assert (mean == 1).all()
    assert (deviation > 0).all()
