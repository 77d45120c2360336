from pathlib import Path

import cv2
import numpy as np
import pytest

from processing.errors import UsageError
from processing.preprocessing.region_of_interest import RegionOfInterest, parse_region


def test_parts_of_a_mask():
    assert parse_region(None) == RegionOfInterest()
    assert not parse_region("foreground").still
    region = parse_region("foreground;10, 20,30,40;roi.png;1,2,3,4")
    assert region == RegionOfInterest(
        True, (Path("roi.png"),), ((10, 20, 30, 40), (1, 2, 3, 4))
    )
    assert region.still


def test_rectangles_are_left_out():
    """x is a column and y a row."""
    mask = parse_region("2,1,5,3;0,7,1,1").draw(8, 12)
    expected = np.ones((8, 12), bool)
    expected[1:4, 2:7] = False
    expected[7, 0] = False
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize("value", [255, 1, 2])
def test_black_of_a_file_is_left_out(tmp_path, value):
    path = tmp_path / "only; here.png"
    drawn = np.zeros((8, 12), np.uint8)
    drawn[2:6, 3:9] = value
    cv2.imwrite(str(path), drawn)
    region = RegionOfInterest(files=(path,), rectangles=((3, 2, 1, 1),))
    mask = region.draw(8, 12)
    assert mask.sum() == 4 * 6 - 1
    assert not mask[2, 3]
    with pytest.raises(UsageError, match="is 12x8 pixels, expected the 9x8 of the"):
        region.draw(8, 9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("5,5,8,2", "5,5,8,2 lies outside .* 12x8 pixels"),
        ("5,5,2,4", "lies outside"),
        ("0,0,12,8", "leaves nothing to judge"),
        ("backgruond", "expected foreground, an image .* Received: backgruond"),
        ("1,2,3", "Received: 1,2,3"),
        (__file__, "--mask: .*not a readable image"),
    ],
)
def test_masks_that_cannot_be_drawn(text, message):
    with pytest.raises(UsageError, match=message):
        parse_region(text).draw(8, 12)


def test_a_rectangle_without_pixels():
    with pytest.raises(UsageError, match="without pixels: 1,2,0,4"):
        parse_region("1,2,0,4")
