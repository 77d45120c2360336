import time

import numpy as np
import pytest

from methods.diffusion import simplex
from methods.diffusion.simplex import simplex3, simplex_noise


@pytest.fixture
def table(rng):
    return rng.permutation(256)


def slow(points, table):
    """Evaluate one point after the other in Python."""
    out, values = np.zeros(1), []
    for x, y, z in points.tolist():
        simplex.point(x, y, z, table, out)
        values.append(out[0])
    return np.array(values)


def test_compiled_equals_python_and_is_50_times_as_fast(rng, table):
    points = rng.uniform(-300, 300, (400, 3))
    simplex3(*points.T, table)  # compiles
    start = time.process_time()
    expected = slow(points, table)
    python = (time.process_time() - start) / len(points)
    np.testing.assert_allclose(simplex3(*points.T, table), expected, atol=1e-12)
    many = rng.uniform(-300, 300, (3, 200_000))
    start = time.process_time()
    simplex3(*many, table)
    assert (time.process_time() - start) / many.shape[1] < python / 50


def test_zero_on_the_lattice_bounded_and_smooth(rng, table):
    skewed = rng.integers(-50, 50, (3, 100))
    lattice = skewed - skewed.sum(axis=0) / 6
    np.testing.assert_allclose(simplex3(*lattice, table), 0, atol=1e-9)
    points = rng.uniform(-300, 300, (3, 20_000))
    values = simplex3(*points, table)
    assert np.abs(values).max() <= 1
    assert values.std() == pytest.approx(simplex.DEVIATION, rel=0.1)
    near = simplex3(*(points + 1e-5), table)
    assert np.abs(near - values).max() < 2e-4


def test_depth_is_a_third_dimension(table):
    line = np.arange(40) / 7
    slices = [simplex3(line, 0.3, depth, table) for depth in (0.0, 0.01, 0.5)]
    assert 0 < np.abs(slices[1] - slices[0]).max() < 0.1
    assert np.abs(slices[2] - slices[0]).max() > 0.1


def test_fields_are_seeded_and_independent():
    first, second = (
        simplex_noise(np.random.default_rng(3), (2, 16, 24, 3)) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
    assert first.dtype == np.float32
    fields = first.transpose(0, 3, 1, 2).reshape(6, -1)
    assert np.abs(np.corrcoef(fields) - np.eye(6)).max() < 0.9
    assert len(np.unique(fields[:, 0])) == 6


def test_first_octave_is_one_slice_of_simplex_noise():
    """Rows and columns run over the lattice at 1 / frequency cells a pixel."""
    draws = np.random.default_rng(5)
    tables = draws.permuted(np.arange(256)[None, None, None, None], axis=-1)
    depth = draws.uniform(0, 256)
    made = simplex_noise(
        np.random.default_rng(5), (1, 4, 6, 1), octaves=1, frequency=8.0
    )
    expected = simplex3(3 / 8, 2 / 8, depth, tables[0, 0, 0, 0])
    assert made[0, 2, 3, 0] == pytest.approx(expected, abs=1e-6)


def test_persistence_weighs_the_octaves():
    shape, options = (1, 32, 32, 1), {"frequency": 16.0}
    one, two, none = (
        simplex_noise(
            np.random.default_rng(1), shape, octaves=n, persistence=p, **options
        )
        for n, p in ((1, 0.5), (2, 0.5), (2, 0.0))
    )
    np.testing.assert_array_equal(none, one)
    assert np.abs(two - one).max() <= 0.5


def test_unit_variance():
    draws = np.random.default_rng(0)
    fields = simplex_noise(draws, (12, 64, 64, 3), frequency=16.0, unit=True)
    assert fields.std() == pytest.approx(1, rel=0.05)
