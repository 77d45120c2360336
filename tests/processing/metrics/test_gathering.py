import numpy as np
import pytest
from scipy.stats import binomtest

from processing.metrics.gathering import LEVEL, bands, chance, gathering_band

SIZE = (64, 96)
NONE = np.zeros(SIZE, bool)
TRIED = 17


def test_the_chance_is_that_of_a_binomial_test():
    inside, images = np.arange(12) < 8, np.arange(12)
    expected = binomtest(8, 12, 0.2, "greater").pvalue
    assert chance(inside, images, 0.2, 1) == pytest.approx(expected)
    assert chance(inside, images, 0.2, 9) == pytest.approx(9 * expected)


def test_few_regions_and_few_images_are_no_gathering():
    images = np.arange(20)
    assert chance(images < 4, images, 0.01, 1) == 1  # fewer than five
    assert chance(images < 9, images, 0.01, 1) == 1  # not half of them
    assert chance(images < 12, images // 10, 0.01, 1) == 1  # on two images
    assert chance(images < 12, images // 5, 0.01, 1) < LEVEL


def test_regions_at_a_border_lead_to_the_band_that_holds_them(rng):
    centres = np.stack([rng.uniform(0, 4, 9), rng.uniform(0, 95, 9)], 1)
    images = np.arange(9)
    assert gathering_band(centres, images, NONE, TRIED) == (0, 0, 4, 96)
    wider = centres * [2, 1]
    assert gathering_band(wider, images, NONE, TRIED) == (0, 0, 8, 96)
    right = np.stack([rng.uniform(0, 63, 9), rng.uniform(88, 95, 9)], 1)
    box = gathering_band(right, images, NONE, TRIED)
    assert (box[0], box[2:]) == (0, (64, 96))
    true = NONE.copy()
    true[2, 50] = True  # a defect can lie there
    assert gathering_band(centres, images, true, TRIED) is None


def test_regions_anywhere_gather_hardly_ever(rng):
    for count in (5, 12, 60):
        for _ in range(100):
            centres = rng.uniform(0, 1, (count, 2)) * [63, 95]
            images = np.arange(count)
            assert gathering_band(centres, images, NONE, TRIED) is None


def test_bands_lie_along_all_borders_of_maps_of_any_size():
    for height, width in ((1, 1), (3, 50), SIZE):
        for top, left, bottom, right in bands(height, width):
            assert 0 <= top < bottom <= height
            assert 0 <= left < right <= width
            assert (bottom - top, right - left) in {
                (height, right - left),
                (bottom - top, width),
            }
