import numpy as np
from skimage.measure import label, regionprops

from processing.metrics.pixel_scores import Regions


def test_regions_equal_scikit_image(rng):
    mask = rng.random((40, 50)) < 0.2
    mask[:5] = mask[:, -7:] = False
    regions = Regions.of(mask)
    expected = np.zeros(mask.shape)
    for region in (properties := regionprops(label(mask, connectivity=2))):
        expected[tuple(region.coords.T)] = 1 / region.area
    assert len(regions) == len(properties)
    np.testing.assert_allclose(regions.shares_in(mask.shape), expected)


def test_an_empty_mask_has_no_region():
    regions = Regions.of(np.zeros((4, 5), bool))
    assert len(regions) == 0
    assert not regions.shares_in((4, 5)).any()
