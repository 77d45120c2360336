"""Geometry of prepared images: from the whole image, and back for their maps."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from processing.geometry import Matrix, shift

Mask = NDArray[np.bool_]
Window = tuple[slice, slice]  # rows and columns, with start and stop


@dataclass(frozen=True)
class PreparedGeometry:
    """The map from a whole image to its prepared one, and which pixels are judged.

    Attributes:
        matrix: (3, 3), from a pixel (x, y, 1) of the whole image, resized to `frame`,
            to the prepared image's. Centres of pixels are at integers.
        frame: (h, w) of the whole image, and of its map.
        shape: (h, w) of the prepared image.
        bits: packed mask of the pixels to judge; None for all.
        registered: whether registration found where it belongs; None if not asked to.
    """

    matrix: Matrix
    frame: tuple[int, int]
    shape: tuple[int, int]
    bits: NDArray[np.uint8] | None = None
    registered: bool | None = None

    @classmethod
    def whole(cls, frame: tuple[int, int]) -> "PreparedGeometry":
        """Return the geometry of an image that is merely resized."""
        return cls(np.eye(3), frame, frame)

    def part(self, window: Window) -> "PreparedGeometry":
        """Return the geometry of some rows and columns of the prepared image."""
        rows, columns = window
        cut = shift(-columns.start, -rows.start)
        return replace(
            self,
            matrix=cut @ self.matrix,
            shape=(rows.stop - rows.start, columns.stop - columns.start),
            bits=None if self.judged is None else pack(self.judged[window]),
        )

    @property
    def judged(self) -> Mask | None:
        """The pixels (h, w) of the prepared image to judge, True; None for all."""
        if self.bits is None:
            return None
        height, width = self.shape
        flat = np.unpackbits(self.bits, count=height * width)
        return flat.reshape(self.shape).astype(bool)

    def restore(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return values (h, w) or (h, w, c) of the prepared image in the whole frame.

        What lies outside of the prepared image takes the value of its nearest edge.
        """
        if self._whole:
            return values
        return self._warped(values, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE)

    def restore_map(self, anomaly_map: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the map in the whole frame, at its lowest where nothing is judged."""
        judged = self.judged
        if self._whole:
            return anomaly_map if judged is None else lowered(anomaly_map, judged)
        judged = np.ones(self.shape, bool) if judged is None else judged
        known = self._warped(
            judged.view(np.uint8), cv2.INTER_NEAREST, cv2.BORDER_CONSTANT
        )
        lowest = lowered(anomaly_map, judged).min()
        return np.where(known > 0, self.restore(anomaly_map), lowest)

    def seen(self, mask: Mask) -> Mask:
        """Return a mask (h, w) of the whole image as it lies on the prepared one."""
        if self._whole:
            return mask
        size, how = self.shape[::-1], cv2.INTER_NEAREST
        pixels = mask.astype(np.uint8)
        return cv2.warpPerspective(pixels, self.matrix, size, flags=how) > 0

    @property
    def _whole(self) -> bool:
        return self.frame == self.shape and np.array_equal(self.matrix, np.eye(3))

    def _warped(self, values: NDArray[Any], how: int, border: int) -> NDArray[Any]:
        height, width = self.frame
        return cv2.warpPerspective(
            values,
            self.matrix,
            (width, height),
            flags=how | cv2.WARP_INVERSE_MAP,
            borderMode=border,
        ).reshape(*self.frame, *values.shape[2:])


class Prepared(NamedTuple):
    """An image as methods see it, and its geometry.

    The pixels are (h, w, c), uint8 or float32 in [0, 1].
    """

    pixels: NDArray[Any]
    geometry: PreparedGeometry

    @property
    def nbytes(self) -> int:
        """Memory in bytes."""
        bits = self.geometry.bits
        return self.pixels.nbytes + (0 if bits is None else bits.nbytes)

    def part(self, window: Window) -> "Prepared":
        """Return some of its rows and columns."""
        return Prepared(self.pixels[window], self.geometry.part(window))


class Preparer(Protocol):
    """Protocol of what prepares images: a `Preparation`."""

    @property
    def size(self) -> tuple[int, int]:
        """The (h, w) of whole images."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """The (h, w, c) of prepared images."""

    def __call__(self, path: Path) -> Prepared:
        """Read an image; a `UserError` if it cannot be read."""


def pack(mask: Mask) -> NDArray[np.uint8] | None:
    """Return a mask as `PreparedGeometry.bits`."""
    return None if mask.all() else np.packbits(mask)


def lowered(anomaly_map: NDArray[np.float32], judged: Mask) -> NDArray[np.float32]:
    """Return the map with its lowest judged value wherever it is not judged."""
    lowest = anomaly_map[judged].min() if judged.any() else anomaly_map.min()
    return np.where(judged, anomaly_map, lowest)


class Cache:
    """Prepared images of one shape by path, up to `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.images: dict[Path, Prepared] = {}

    def keep(self, path: Path, view: Prepared) -> None:
        """Keep an image if there is room."""
        # Counted, not summed: threads need no lock. Images of 16 bits take 4 bytes.
        if (len(self.images) + 1) * view.nbytes <= self.limit:
            view.pixels.setflags(write=False)
            self.images[path] = view
