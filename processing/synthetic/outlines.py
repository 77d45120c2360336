"""Random outlines on the part, and the noise that makes them uneven."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
Rng = np.random.Generator


class Outline(NamedTuple):
    """The form of a defect; lengths in pixels."""

    radii: tuple[float, float]  # along and across, before turning
    turn: float = 0.0  # radians
    bow: float = 0.0  # how far the ends are off the middle, as a share of the length
    square: float = 0.0  # 0 an ellipse, 1 a rectangle
    rough: float = 0.0  # unevenness, as a share of the radii
    soft: float = 1.0  # width of the edge
    cells: int | None = None  # of the noise in it; by default as fine as the form


def draw_outline(
    rng: Rng, foreground: Mask, outline: Outline
) -> tuple[Array, tuple[int, int]]:
    """Put an outline at a random place of the part.

    Returns:
        float32 (h, w), the share of each pixel inside, 0 off the part; and the x, y
        of the centre.
    """
    height, width = foreground.shape
    centre_x, centre_y = random_place(rng, foreground)
    x = np.arange(width, dtype=np.float32) - centre_x
    y = np.arange(height, dtype=np.float32)[:, None] - centre_y
    cos, sin = math.cos(outline.turn), math.sin(outline.turn)
    along = (cos * x + sin * y) / outline.radii[0]
    arc = outline.bow * outline.radii[0] * along**2
    across = (cos * y - sin * x - arc) / outline.radii[1]
    along, across = np.abs(along), np.abs(across)
    radius = np.hypot(along, across) * (1 - outline.square)
    radius += np.maximum(along, across) * outline.square
    small = min(outline.radii)
    if outline.rough:
        cells = outline.cells or round(min(max(min(height, width) / small, 2), 64))
        radius += outline.rough * perlin(rng, foreground.shape, cells)
    share = np.clip(0.5 + (1 - radius) * (small / outline.soft), 0, 1)
    return (share * foreground).astype(np.float32), (centre_x, centre_y)


def random_place(rng: Rng, foreground: Mask) -> tuple[int, int]:
    """Return x, y of a random pixel of the part."""
    places = np.flatnonzero(foreground)
    y, x = divmod(int(places[rng.integers(len(places))]), foreground.shape[1])
    return x, y


def perlin(rng: Rng, shape: tuple[int, ...], cells: int) -> Array:
    """Return gradient noise (Perlin 2002) in [-1, 1], 0 at the nodes.

    Args:
        rng: draws a direction for each node.
        shape: (h, w).
        cells: between nodes, from side to side.
    """
    angle = rng.uniform(0, 2 * np.pi, (cells + 1, cells + 1)).astype(np.float32)
    (top, down, step_down), (left, right, step_right) = (
        _fades(side, cells) for side in shape
    )
    along_x = _blended(np.cos(angle).T, left, step_right).T  # (cells + 1, w)
    along_y = _blended(np.sin(angle).T, left, right).T
    noise = _blended(along_x, top, down) + _blended(along_y, top, step_down)
    return np.float32(math.sqrt(2)) * noise


def _blended(nodes: Array, first: NDArray[np.int_], factors: Array) -> Array:
    """Return the sum, at each pixel, of the rows of the two nodes around it.

    A product with a matrix would be mostly zeros, and of as many threads as there are
    cores, which wait for those that train.
    """
    before, after = factors[..., None]
    return before * nodes[first] + after * nodes[first + 1]


def _fades(length: int, cells: int) -> tuple[NDArray[np.int_], Array, Array]:
    """Return the node before each pixel, and weights and ramps of it and the next.

    The weights, (2, length), are those at the pixel; a ramp is a weight times the way
    from the node.
    """
    pixels = np.arange(length, dtype=np.float32) * np.float32(cells / length)
    first = np.floor(pixels)
    way = pixels - first - np.array([[0], [1]], np.float32)
    near = 1 - np.abs(way)
    weight = near**3 * (near * (6 * near - 15) + 10)
    return first.astype(np.int_), weight, weight * way
