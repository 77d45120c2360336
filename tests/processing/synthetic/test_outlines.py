import math

import numpy as np
import pytest

from processing.synthetic.outlines import Outline, draw_outline, perlin, random_place

EVERYWHERE = np.ones((200, 160), dtype=bool)


def centred(rng, outline, place=EVERYWHERE):
    """Return the first outline that lies well inside the image."""
    for _ in range(100):
        share, (x, y) = draw_outline(rng, place, outline)
        if 60 <= x < 100 and 60 <= y < 140:
            return share, x, y
    raise AssertionError("no draw in the middle")


@pytest.mark.parametrize(("square", "area"), [(0, math.pi * 40 * 10), (1, 4 * 40 * 10)])
@pytest.mark.parametrize("turn", [0.0, 0.7])
def test_the_area_is_that_of_an_ellipse_or_rectangle(rng, square, area, turn):
    share, _, _ = centred(rng, Outline((40, 10), turn, square=square))
    assert share.dtype == np.float32
    assert share.sum() == pytest.approx(area, rel=0.05)


def test_the_turn_leads_from_right_to_down(rng):
    share, x, y = centred(rng, Outline((40, 5), turn=math.radians(30)))
    assert share[y + round(30 * 0.5), x + round(30 * 0.866)] == 1
    assert share[y - round(30 * 0.5), x + round(30 * 0.866)] == 0


def test_the_ends_of_a_bow_are_off_the_middle(rng):
    share, x, y = centred(rng, Outline((40, 3), bow=0.5))
    assert share[y, x] == 1
    assert share[y, x + 30] == 0
    assert share[y + round(0.5 * 40 * 0.75**2), x + 30] > 0


def test_a_soft_edge_is_as_wide_as_asked_for(rng):
    share, _, y = centred(rng, Outline((40, 40), soft=20))
    row = share[y]
    assert 2 * 18 <= np.count_nonzero((row > 0) & (row < 1)) <= 2 * 20


def test_roughness_moves_the_edge_but_neither_place_nor_size(rng):
    smooth, *_ = centred(rng, Outline((30, 30)))
    for _ in range(5):
        uneven, x, y = centred(rng, Outline((30, 30), rough=0.5))
        assert uneven[y, x] == 1
        assert 0.6 < uneven.sum() / smooth.sum() < 1.6
        window = uneven[y - 50 : y + 51, x - 50 : x + 51]
        assert np.abs(window - window[:, ::-1]).mean() > 0.01  # not round


def test_nothing_lies_off_the_part(rng):
    part = np.zeros((64, 64), dtype=bool)
    part[20:40, 10:50] = True
    for _ in range(10):
        share, (x, y) = draw_outline(rng, part, Outline((30, 30), rough=0.5))
        assert part[y, x]
        assert not share[~part].any()


def test_a_place_is_drawn_from_all_of_the_part(rng):
    part = np.zeros((5, 9), dtype=bool)
    part[1, 7] = part[4, 0] = True
    assert {random_place(rng, part) for _ in range(50)} == {(7, 1), (0, 4)}


@pytest.mark.parametrize(("shape", "cells"), [((64, 64), 4), ((32, 96), 3)])
def test_perlin_noise_is_that_of_the_textbook(shape, cells):
    """Interpolate the gradients' ramps at the four nodes around each pixel."""
    noise = perlin(np.random.default_rng(1), shape, cells)
    angle = np.random.default_rng(1).uniform(0, 2 * np.pi, (cells + 1, cells + 1))
    fade = np.polynomial.Polynomial([0, 0, 0, 10, -15, 6])
    for row, column in np.random.default_rng(2).integers(0, shape, (40, 2)):
        y, x = row * cells / shape[0], column * cells / shape[1]
        j, i = int(y), int(x)
        value = 0.0
        for dj, di in np.ndindex(2, 2):
            ramp = np.cos(angle[j + dj, i + di]) * (x - i - di)
            ramp += np.sin(angle[j + dj, i + di]) * (y - j - dj)
            weights = fade(1 - abs(y - j - dj)), fade(1 - abs(x - i - di))
            value += ramp * weights[0] * weights[1]
        assert noise[row, column] == pytest.approx(math.sqrt(2) * value, abs=1e-5)


@pytest.mark.parametrize("cells", [2, 8, 64])
def test_perlin_noise_is_bounded_continuous_and_seeded(cells):
    noise = perlin(np.random.default_rng(0), (256, 256), cells)
    assert noise.dtype == np.float32
    assert np.abs(noise).max() <= 1
    assert 0.1 < noise.std() < 0.5
    assert abs(noise.mean()) < 0.2
    assert np.abs(noise[:: 256 // cells, :: 256 // cells]).max() < 1e-6
    steepest = 4 * cells / 256  # change a pixel
    assert max(np.abs(np.diff(noise, axis=axis)).max() for axis in (0, 1)) < steepest
    again = perlin(np.random.default_rng(0), (256, 256), cells)
    np.testing.assert_array_equal(noise, again)
    assert (perlin(np.random.default_rng(1), (256, 256), cells) != noise).any()
