"""Area curves that are kept are those that are made."""

import cv2
import numpy as np
import pytest

from methods.detector.detector import Detector
from methods.detector.kept import Kept
from methods.pipeline.curves import Curves
from processing.errors import UserError
from tests.methods.detector.test_judge import Grey

COUNT = 20  # images: more than a batch


class Counting(Grey):
    """Maps of images, and how many were asked for."""

    judged = 0

    def judge(self, images, kind=None):
        self.judged += len(np.unique(images, axis=0))
        return super().judge(images, kind)


@pytest.fixture
def folder(tmp_path, rng):
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(COUNT):
        cv2.imwrite(str(folder / f"{i:02d}.png"), rng.integers(0, 256, (8, 8)))
    return folder


@pytest.fixture
def found(folder, tmp_path):
    """Return what gives levels and areas of all images, and how many were judged."""

    def found(dtype, clear_border, max_area, keep=True):
        method = Counting()
        detector = Detector(method)
        kept = Kept(tmp_path / "kept", 2**20) if keep else Kept()
        curves = Curves(detector, "light", dtype, clear_border, max_area, kept)
        images = curves.readable(detector.images(folder), skip_unreadable=False)
        values = [(curve.levels, curve.areas) for curve in curves.of(images)]
        return values, method.judged

    return found


@pytest.mark.parametrize("dtype", ["float64", "uint8"])
@pytest.mark.parametrize("clear_border", [False, True])
@pytest.mark.parametrize("max_area", [4, 64])
def test_kept_curves_are_the_same(found, dtype, clear_border, max_area):
    fresh, judged = found(dtype, clear_border, max_area, keep=False)
    assert judged == COUNT
    for expected in (COUNT, 0):
        curves, judged = found(dtype, clear_border, max_area)
        assert judged == expected
        for one, other in zip(curves, fresh, strict=True):
            for array, right in zip(one, other, strict=True):
                assert array.dtype == right.dtype
                np.testing.assert_array_equal(array, right)


def test_other_curves_are_made_of_the_maps_that_are_kept(found):
    found("float64", False, 4)
    for settings in (("uint8", False, 4), ("float64", True, 4), ("float64", False, 5)):
        curves, judged = found(*settings)
        assert judged == 0
        np.testing.assert_equal(curves, found(*settings, keep=False)[0])


def test_what_is_known_is_not_decoded_again(found, folder, monkeypatch):
    found("float64", False, 4)
    monkeypatch.setattr("processing.preprocessing.preparation.read_pixels", None)
    assert found("float64", False, 4)[1] == 0
    (folder / "00.png").write_bytes(b"no image")
    monkeypatch.undo()
    with pytest.raises(UserError, match=r"1 of 20 images cannot be read"):
        found("float64", False, 4)
