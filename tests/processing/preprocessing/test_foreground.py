import cv2
import numpy as np
import pytest

from processing.preprocessing.foreground import SEPARATE, foreground
from processing.samples import draw_sample


def part(background, colour, size=(96, 128)):
    """Return an image (h, w, c) of a disc with a hole, and its filled outline."""
    image = np.full((*size, len(background)), background, np.uint8)
    cv2.circle(image, (70, 50), 30, colour, -1)
    cv2.circle(image, (70, 50), 10, background, -1)
    outline = cv2.circle(np.zeros(size, np.uint8), (70, 50), 30, 1, -1)
    return image, outline.astype(bool)


@pytest.mark.parametrize(
    ("background", "colour"),
    [((230,), (60,)), ((40,), (200,)), ((120, 120, 120), (120, 60, 180))],
)
def test_a_part_without_its_hole(background, colour, rng):
    """Brighter, darker, or of another colour alone."""
    image, outline = part(background, colour)
    noise = rng.normal(0, 5, image.shape)
    mask, separation = foreground(np.clip(image + noise, 0, 255).astype(np.uint8))
    assert mask[outline].mean() > 0.99
    near = cv2.dilate(outline.astype(np.uint8), np.ones((11, 11), np.uint8)) > 0
    assert not mask[~near].any()
    assert separation > SEPARATE


def test_dirt_is_left_out():
    image, outline = part((230,), (60,))
    image[5:8, 5:8] = 60
    assert not foreground(image)[0][:12, :12].any()


def test_a_part_that_touches_two_edges():
    image = np.full((64, 64, 1), 220, np.uint8)
    image[:, 20:44] = 50
    mask, _ = foreground(image)
    assert mask[:, 20:44].all()
    assert not mask[:, :16].any()
    assert not mask[:, 48:].any()


def test_real_looking_parts_are_found_and_textures_are_not():
    washer = draw_sample("washer", "train/good", 0, size=128).image
    mask, separation = foreground(washer)
    assert separation > SEPARATE
    assert 0.3 < mask.mean() < 0.7
    fabric = draw_sample("fabric", "train/good", 0, size=128).image
    assert foreground(fabric)[1] < SEPARATE


def test_an_even_image_has_none():
    mask, separation = foreground(np.full((20, 30, 3), 77, np.uint8))
    assert not mask.any()
    assert separation == 0
