"""Tiling of large images, and stitching of the maps of tiles."""

import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from .image_set import ImageSet
from .prepared import Prepared, Window


@dataclass(frozen=True)
class Tiling:
    """Tiles that cover an image, the last of a row or column moved back inside.

    Attributes:
        shape: (h, w) of the image.
        tile: (h, w) of a tile, not larger.
        stride: pixels from one tile to the next, not larger either.
    """

    shape: tuple[int, int]
    tile: tuple[int, int]
    stride: int

    def __len__(self) -> int:
        return len(self.starts(0)) * len(self.starts(1))

    def window(self, index: int) -> Window:
        """Return the rows and columns of a tile."""
        columns = self.starts(1)
        row, column = (
            self.starts(0)[index // len(columns)],
            columns[index % len(columns)],
        )
        return slice(row, row + self.tile[0]), slice(column, column + self.tile[1])

    def stitch(self, tiles: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Blend an array (h, w) or (h, w, c) for each tile into one for the image.

        Where tiles overlap, their weights fall linearly towards their edges.
        """
        if len(tiles) == 1:
            return tiles[0]  # as it is, to the last bit
        rest = tiles[0].shape[2:]
        ones = (1,) * len(rest)
        weights = np.outer(self.ramp(0), self.ramp(1)).reshape(*self.tile, *ones)
        result: NDArray[np.float32] = np.zeros((*self.shape, *rest), np.float32)
        total: NDArray[np.float32] = np.zeros((*self.shape, *ones), np.float32)
        for index, values in enumerate(tiles):
            result[self.window(index)] += weights * values
            total[self.window(index)] += weights
        return result / total

    def starts(self, axis: int) -> list[int]:
        """Return the first row (axis 0) or column (1) of the tiles."""
        last = self.shape[axis] - self.tile[axis]
        return [*range(0, last, self.stride), last]

    def ramp(self, axis: int) -> NDArray[np.float32]:
        """Return the weights of the rows (axis 0) or columns (1) of a tile."""
        length = self.tile[axis]
        rising = np.arange(1, length + 1)
        return (np.minimum(rising, rising[::-1]) / length).astype(np.float32)


class TileSet(ImageSet):
    """The tiles of images as a set of their own; each has its image's label.

    Args:
        images: whole images.
        tiling: how they are cut.
    """

    def __init__(self, images: ImageSet, tiling: Tiling):
        self._images, self._tiling = images, tiling
        self._tiles = list(product(range(len(images)), range(len(tiling))))
        repeated = [i for i, _ in self._tiles]
        super().__init__(
            [images.paths[i] for i in repeated],
            names=[f"{images.names[i]} tile {tile}" for i, tile in self._tiles],
            labels=images.labels[repeated],
            classes=[images.classes[i] for i in repeated],
            image_shape=(*tiling.tile, images.image_shape[2]),
            cache_bytes=0,  # `images` keep theirs
        )

    def subset(self, indices: Iterable[int]) -> "TileSet":
        chosen = self._chosen(indices)
        subset = super().subset(chosen)
        assert isinstance(subset, TileSet)
        subset._tiles = [self._tiles[i] for i in chosen]
        return subset

    def uncached(self) -> "TileSet":
        tiles = copy.copy(self)
        tiles._images = self._images.uncached()
        return tiles

    def _prepared(self, indices: Sequence[int], ahead: int) -> Iterator[Prepared]:
        """Yield tiles, reading an image once for all its neighbouring tiles."""
        tiles = [self._tiles[i] for i in indices]
        changes = [k == 0 or tiles[k][0] != tiles[k - 1][0] for k in range(len(tiles))]
        needed = [image for (image, _), new in zip(tiles, changes, strict=True) if new]
        views = self._images._prepared(needed, ahead)
        for (_, tile), new in zip(tiles, changes, strict=True):
            if new:
                view = next(views)
            yield view.part(self._tiling.window(tile))
