import numpy as np
from scipy.linalg import solve_triangular

from methods.padim.triangular import assemble, cut, inverse_of_lower, row_blocks


def test_row_blocks_cover_all_rows():
    for size in (1, 32, 33, 100, 550):
        rows = [i for block in row_blocks(size) for i in range(block.start, block.stop)]
        assert rows == list(range(size))
        assert max(b.stop - b.start for b in row_blocks(size)) <= 32


def test_inverse_is_that_of_scipy(rng):
    lower = np.tril(rng.normal(size=(3, 70, 70))) / 20 + np.eye(70)
    expected = [solve_triangular(m, np.eye(70), lower=True) for m in lower]
    inverse = inverse_of_lower(lower)
    np.testing.assert_allclose(inverse, expected, atol=1e-10)
    assert not np.triu(inverse, 1).any()


def test_cut_and_assemble_are_inverse(rng):
    lower = np.tril(rng.normal(size=(5, 40, 40)))
    blocks = [np.empty((5, b.stop - b.start, b.stop)) for b in row_blocks(40)]
    cut(lower[1:3], blocks, slice(1, 3))
    np.testing.assert_array_equal(assemble(blocks, slice(1, 3)), lower[1:3])
