"""The preparation of every image before a method sees it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from processing.data.prepared import Mask, Prepared, PreparedGeometry, Window, pack
from processing.data.tiling import Tiling
from processing.decoding.decode import (
    array_pixels,
    read_pixels,
    resize,
    to_uint8,
    to_unit,
)
from processing.errors import UsageError
from processing.geometry import Matrix, covered, scaling, shift, warped
from processing.hdf5 import ArraySpec

from .foreground import foreground
from .region_of_interest import RegionOfInterest, parse_region
from .registration import Grey, register


@dataclass(frozen=True)
class Preparation:
    """Resizing, registration, region of interest, crop and tiles, in this order.

    Attributes:
        size: (h, w) that whole images are resized to, and of their maps.
        channels: 1 (grey) or 3 (RGB).
        span: stored values that become 0 and 1; None for the range of the type.
        pad: keep the aspect ratio, and replicate the edges of the shorter side.
        crop: (h, w) of the middle that is left; None for all.
        register: "orb", "ecc" or None.
        reference: image to register to, and in whose pixels a mask is given; None for
            the most typical training image.
        mask: what to judge, for `parse_region`; None for all.
        blank: paint black what is not judged, instead of leaving it out of maps alone.
        tile: side of the tiles that the method sees; None for whole images.
        stride: pixels from tile to tile; None for three quarters of a tile.
        arrays: what `reference.learn` learned: "reference" (grey), "mask", "core",
            each (h, w).
    """

    size: tuple[int, int]
    channels: int
    span: tuple[float, float] | None = None
    pad: bool = False
    crop: tuple[int, int] | None = None
    register: str | None = None
    reference: str | None = None
    mask: str | None = None
    blank: bool = False
    tile: int | None = None
    stride: int | None = None
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        for name in ("size", "crop", "span"):  # lists, out of JSON
            value = getattr(self, name)
            object.__setattr__(self, name, value and tuple(value))
        height, width = self.shape
        if height > self.size[0] or width > self.size[1]:
            raise UsageError(
                "--crop must not exceed --size. Received: "
                f"{height}x{width} of {self.size[0]}x{self.size[1]} (height x width)"
            )
        if self.tile and self.tile > min(height, width):
            raise UsageError(
                "--tile must not exceed what --size and --crop leave. Received: "
                f"{self.tile} for {height}x{width}"
            )
        if self.stride and self.stride > (self.tile or 0):
            raise UsageError(
                "--stride must not exceed --tile, or pixels are left out. Received: "
                f"{self.stride} for {self.tile or 'no tiles'}"
            )
        if self.blank and not self.mask:
            raise UsageError("--blank needs a --mask")

    @property
    def array_specs(self) -> dict[str, ArraySpec]:
        """What `arrays` hold once they are learned."""
        learned = {
            "reference": (self.register, "u"),
            "mask": (self.region.still, "b"),
            "core": (self.region.foreground, "b"),
        }
        return {
            name: ArraySpec(self.size, kind)
            for name, (needed, kind) in learned.items()
            if needed
        }

    def config(self) -> dict[str, Any]:
        """Return all but the arrays, JSON-able."""
        return {
            item.name: getattr(self, item.name)
            for item in fields(self)
            if item.name != "arrays"
        }

    @property
    def shape(self) -> tuple[int, int]:
        """The (h, w) of prepared images."""
        return self.crop or self.size

    @property
    def window(self) -> Window:
        """The rows and columns of prepared images in whole ones."""
        starts = ((a - b) // 2 for a, b in zip(self.size, self.shape, strict=True))
        rows, columns = (
            slice(start, start + length)
            for start, length in zip(starts, self.shape, strict=True)
        )
        return rows, columns

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """The (h, w, c) of prepared images."""
        return (*self.shape, self.channels)

    @property
    def seen_shape(self) -> tuple[int, int, int]:
        """The (h, w, c) of what a method sees: a prepared image, or a tile of it."""
        return (self.tile, self.tile, self.channels) if self.tile else self.image_shape

    @property
    def partial(self) -> bool:
        """Whether a part of an image may be left out of the maps."""
        return bool(self.mask or self.register or self.pad)

    @property
    def still(self) -> bool:
        """Whether all images are merely resized, and the same pixels of them judged."""
        return not (self.register or self.pad or self.region.foreground)

    @property
    def judged(self) -> Mask:
        """The pixels (h, w) of whole images that crop and mask leave to be judged."""
        cropped = np.zeros(self.size, bool)
        cropped[self.window] = True
        return cropped & np.asarray(self.arrays.get("mask", True), bool)

    @cached_property
    def tiling(self) -> Tiling:
        """How prepared images are cut into tiles, perhaps a single one."""
        height, width, _ = self.seen_shape
        stride = self.stride or max(1, min(height, width) * 3 // 4)
        return Tiling(self.shape, (height, width), stride)

    @cached_property
    def region(self) -> RegionOfInterest:
        """The region of interest that `mask` describes."""
        return parse_region(self.mask)

    def __call__(self, path: Path) -> Prepared:
        """Read and prepare an image."""
        return self._prepare(read_pixels(path, self.channels, self.span))

    def array(self, image: NDArray[Any]) -> Prepared:
        """Prepare an image that is in memory; see `array_pixels` for what it can be."""
        return self._prepare(array_pixels(image, self.channels, self.span))

    def _prepare(self, pixels: NDArray[Any]) -> Prepared:
        pixels, matrix = self.fit(pixels)
        registered = None
        if self.register:
            homography = register(grey(pixels), self.arrays["reference"], self.register)
            registered = homography is not None
            if homography is not None:
                pixels, matrix = warped(pixels, homography), homography @ matrix
        kept = self._kept(pixels)
        if self.blank:
            pixels = pixels * kept[..., None].astype(pixels.dtype)
        bits = pack(kept & covered(self.size, matrix))
        geometry = PreparedGeometry(matrix, self.size, self.size, bits, registered)
        return self._middle(Prepared(pixels, geometry))

    def picture(self, path: Path) -> NDArray[np.uint8]:
        """Read an image at its own size, uint8 RGB (H, W, 3), for display."""
        return to_uint8(to_unit(read_pixels(path, 3, self.span)))

    def _middle(self, whole: Prepared) -> Prepared:
        """Return the crop of a prepared image."""
        if self.shape == self.size:
            return whole
        part = whole.part(self.window)  # copied, for the whole to be let go
        return part._replace(pixels=np.ascontiguousarray(part.pixels))

    def fit(self, pixels: NDArray[Any]) -> tuple[NDArray[Any], Matrix]:
        """Resize, and pad, an image (H, W, c) to `size`.

        Returns:
            The image (h, w, c), uint8 or float32 in [0, 1], and the matrix from pixels
            of the image merely resized to this one's.
        """
        (height, width), (old_height, old_width) = self.size, pixels.shape[:2]
        if not self.pad:
            return to_unit(resize(pixels, height, width)), np.eye(3)
        scale = min(height / old_height, width / old_width)
        inner = max(1, round(old_height * scale)), max(1, round(old_width * scale))
        top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
        rows = (top, height - inner[0] - top)
        columns = (left, width - inner[1] - left)
        padded = np.pad(resize(pixels, *inner), (rows, columns, (0, 0)), "edge")
        return to_unit(padded), shift(left, top) @ scaling(
            inner[1] / width, inner[0] / height
        )

    def _kept(self, pixels: NDArray[Any]) -> Mask:
        """Return what the mask leaves of an image, before it is cropped."""
        kept = np.asarray(self.arrays.get("mask", np.ones(self.size)), bool)
        if self.region.foreground:
            kept = kept & (foreground(to_uint8(pixels))[0] | self.arrays["core"])
        return kept


def grey(pixels: NDArray[Any]) -> Grey:
    """Return an image (h, w, c) as grey uint8 (h, w)."""
    pixels = to_uint8(pixels)
    if pixels.shape[2] == 1:
        return pixels[..., 0]
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)
