import numpy as np
import pytest
from scipy import ndimage

from processing.decoding.appearance import appearance

RNG = np.random.default_rng(1)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 3])
def test_values_are_those_of_scipy(dtype, channels):
    highest = 1 if dtype == "float32" else np.iinfo(dtype).max
    grey = (RNG.random((20, 30)) * highest).astype(dtype)
    found = appearance(np.repeat(grey[..., None], channels, axis=2))
    unit = grey / highest
    laplacian = ndimage.laplace(unit, mode="mirror")
    expected = [unit.mean(), unit.std(), laplacian.var()]
    assert list(found) == ["brightness", "contrast", "sharpness"]
    assert list(found.values()) == pytest.approx(expected, rel=1e-4)


def test_green_is_brighter_than_blue():
    blue, green = np.zeros((2, 4, 4, 3), "uint8")
    blue[..., 2] = green[..., 1] = 255
    assert appearance(blue)["brightness"] == pytest.approx(0.114, abs=2e-3)
    assert appearance(green)["brightness"] == pytest.approx(0.587, abs=2e-3)


def test_a_blur_lowers_sharpness_alone():
    photo = ndimage.gaussian_filter(RNG.random((90, 90)), 2)
    photo = np.uint8(255 * (photo - photo.min()) / np.ptp(photo))[..., None]
    blurred = ndimage.gaussian_filter(photo, (1, 1, 0))
    before, after = appearance(photo), appearance(blurred)
    assert after["sharpness"] < 0.6 * before["sharpness"]
    assert after["brightness"] == pytest.approx(before["brightness"], abs=0.01)
