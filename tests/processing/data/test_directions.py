import cv2
import numpy as np
import pytest

from processing.data.directions import LOOKED_AT, differ, turned_share

SIDE = 96


def part(angle, kind="arrow", seed=0):
    """Return a photo (h, w) of a part that lies in this direction, with some noise."""
    image = np.full((SIDE, SIDE), 60, np.uint8)
    if kind == "arrow":
        cv2.rectangle(image, (20, 44), (76, 52), 220, -1)
        cv2.circle(image, (66, 48), 14, 160, -1)
    elif kind == "ring":
        cv2.circle(image, (48, 48), 30, 200, 10)
    matrix = cv2.getRotationMatrix2D((48, 48), angle, 1)
    image = cv2.warpAffine(image, matrix, (SIDE, SIDE), borderValue=60)
    noise = np.random.default_rng(seed).normal(0, 8, image.shape)
    return (image + noise).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("angles", "kind", "turned"),
    [
        ((10, 80, 150, 200, 290, 330), "arrow", True),
        ((0, 180, 0, 180, 0, 180), "arrow", True),
        ((0, 4, -8, 3, 8, -2), "arrow", False),
        ((10, 80, 150, 200, 290, 330), "ring", False),
        ((0,) * 6, "texture", False),
    ],
)
def test_parts_that_lie_in_different_directions(angles, kind, turned):
    images = [part(angle, kind, seed) for seed, angle in enumerate(angles)]
    share = turned_share(images)
    assert (share > 0.5) if turned else (share == 0)


def test_long_images_are_compared_in_their_middle():
    rows = ((10, 10), (30, 50))
    images = [np.pad(part(angle), rows, "edge") for angle in (0, 90, 180, 270)]
    assert turned_share(images) > 0.5


def test_nothing_to_compare_is_not_turned():
    flat = np.zeros((8, 8), np.uint8)
    assert turned_share([]) == turned_share([flat]) == turned_share([flat] * 2) == 0


def test_a_few_files_are_read_and_damaged_ones_left_out(tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(2 * LOOKED_AT)]
    for i, path in enumerate(paths):
        cv2.imwrite(str(path), part(60 * i, seed=i))
    paths[0].write_bytes(b"no image")
    assert differ(paths)
    assert not differ(paths[:2])
