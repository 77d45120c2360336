"""Triangular matrices of many positions at once.

They lie in row blocks: lists of arrays (p, rows, columns) that leave out most of the
zeros and can be handed over one by one.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import threadpool_limits

ROWS = 32  # most rows of a block
PART_BYTES = 2**21  # of the matrices that a thread works on at a time

Blocks = list[np.ndarray]


def row_blocks(size: int) -> list[slice]:
    """Return the rows of each block of a matrix with `size` rows, of similar sizes."""
    blocks = -(-size // ROWS)
    ends = [size * i // blocks for i in range(blocks + 1)]
    return [slice(a, b) for a, b in zip(ends, ends[1:], strict=False)]


def assemble(blocks: Blocks, part: slice) -> np.ndarray:
    """Return the lower triangles (p, d, d) in row blocks, float64; zero above."""
    size = blocks[-1].shape[2]
    lower = np.zeros((blocks[0][part].shape[0], size, size))
    for rows, block in zip(row_blocks(size), blocks, strict=True):
        lower[:, rows, : rows.stop] = block[part]
    return lower


def cut(lower: np.ndarray, blocks: Blocks, part: slice) -> None:
    """Write the lower triangles (p, d, d) into row blocks."""
    for rows, block in zip(row_blocks(lower.shape[1]), blocks, strict=True):
        block[part] = lower[:, rows, : rows.stop]


def inverse_of_lower(lower: np.ndarray) -> np.ndarray:
    """Return the inverses of lower triangular matrices (p, d, d), block by block."""
    inverse = np.zeros_like(lower)
    for rows in row_blocks(lower.shape[1]):
        corner = np.tril(np.linalg.inv(lower[:, rows, rows]))
        before = slice(rows.start)
        product = lower[:, rows, before] @ inverse[:, before, before]
        inverse[:, rows, before] = -corner @ product
        inverse[:, rows, rows] = corner
    return inverse


def in_threads(mean: np.ndarray, work: Callable[[slice], None]) -> None:
    """Call `work` on all parts of the positions of `mean` (p, d), on all cores.

    Each thread keeps to a core: those of BLAS hinder each other on small matrices.
    """
    positions, features = mean.shape
    step = max(1, PART_BYTES // (8 * features**2))
    parts = [slice(i, i + step) for i in range(0, positions, step)]
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(os.cpu_count()) as p:
        list(p.map(work, parts))
