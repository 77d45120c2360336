"""Simplex noise in three dimensions, for whole batches of fields at once.

Perlin 2001, in the form of Gustavson 2005 ("Simplex noise demystified"). AnoDDPM's
original evaluates OpenSimplex, its close relative, pixel by pixel.
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIZE = 256  # of the permutation; the noise repeats after so many lattice cells
GRADIENTS = np.array(  # towards the edges of a cube
    [
        (x, y, z)
        for x in (-1, 0, 1)
        for y in (-1, 0, 1)
        for z in (-1, 0, 1)
        if abs(x) + abs(y) + abs(z) == 2
    ],
    np.float64,
)
REACH = 0.5  # squared distance at which a corner's part fades out, without a jump
SCALE = 76.5  # keeps one octave within [-1, 1]; the largest of 4 million points: 0.995
DEVIATION = 0.3906  # of one octave, from the same points


def simplex_noise(
    draws: np.random.Generator,
    shape: tuple[int, int, int, int],
    *,
    frequency: float = 64.0,
    octaves: int = 6,
    persistence: float = 0.8,
    unit: bool = False,
) -> NDArray[np.float32]:
    """Return fields (n, h, w, c), independent of each other.

    Each is the slice at a random depth of a three-dimensional field of its own.

    Args:
        draws: where the fields come from.
        shape: (n, h, w, c).
        frequency: wavelength of the first octave in pixels; each next has half of it.
        octaves: how many.
        persistence: amplitude of each next octave in those of the one before.
        unit: scale to variance 1, which the diffusion assumes. The original does not:
            its default settings have a standard deviation of 0.63 here, and of about
            0.5 in its OpenSimplex noise.
    """
    n, height, width, channels = shape
    tables = np.tile(np.arange(SIZE), (n, channels, 1, 1, 1))
    tables = draws.permuted(tables, axis=-1)
    depth = draws.uniform(0, SIZE, (n, channels, 1, 1))
    rows, columns = np.arange(height)[:, None] + 0.0, np.arange(width) + 0.0
    fields = np.zeros((n, channels, height, width))
    amplitudes = persistence ** np.arange(octaves)
    for octave, amplitude in enumerate(amplitudes):
        scale = 2.0**octave / frequency
        fields += amplitude * simplex3(columns * scale, rows * scale, depth, tables)
        depth = depth * 2
    if unit:
        fields /= DEVIATION * np.sqrt(np.square(amplitudes).sum())
    return fields.transpose(0, 2, 3, 1).astype("float32")


def simplex3(x: Any, y: Any, z: Any, tables: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return simplex noise in [-1, 1] at points.

    Args:
        x: coordinates in lattice cells, which broadcast with each other.
        y: likewise.
        z: likewise.
        tables: (..., 256) permutations of 0 to 255; all but the last axis broadcast.
    """
    return _compiled()(x, y, z, tables)


@cache
def _compiled() -> Any:
    import numba  # slow to import

    kernel = numba.guvectorize(
        "void(f8, f8, f8, i8[:], f8[:])", "(),(),(),(p)->()", cache=True
    )
    return kernel(point)


def point(x: float, y: float, z: float, table: Any, out: Any) -> None:
    """Write the noise at one point to `out[0]`; see `simplex3`."""
    skew = (x + y + z) / 3
    i, j, k = int(np.floor(x + skew)), int(np.floor(y + skew)), int(np.floor(z + skew))
    back = (i + j + k) / 6
    x, y, z = x - i + back, y - j + back, z - k + back  # from the cell's first corner
    # From corner to corner of the tetrahedron, the largest coordinate steps first.
    rank_x = (x >= y) + (x >= z)
    rank_y = (y > x) + (y >= z)
    rank_z = (z > x) + (z > y)
    total = 0.0
    for corner in range(4):
        a, b, c = rank_x >= 3 - corner, rank_y >= 3 - corner, rank_z >= 3 - corner
        dx, dy, dz = x - a + corner / 6, y - b + corner / 6, z - c + corner / 6
        fall = REACH - dx * dx - dy * dy - dz * dz
        if fall > 0:
            index = table[(k + c) % SIZE]
            index = table[(j + b + index) % SIZE]
            index = table[(i + a + index) % SIZE]
            gradient = GRADIENTS[index % 12]
            slope = gradient[0] * dx + gradient[1] * dy + gradient[2] * dz
            total += fall * fall * fall * fall * slope
    out[0] = SCALE * total
