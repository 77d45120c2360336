"""What the page needs of each image to judge it at any threshold and minimum area."""

import base64
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from processing.decision.regions import AreaCurve, area_curve

SMALLEST_STEPS = 40  # pixels: up to this area each is offered, beyond in steps
LARGEST_AREA = 4  # the part of a map that an area is at most, as of searches
LONGEST = 128  # pixels, the longer side of a small map
SMALL_MAPS = 3_000_000  # bytes of small maps that a report holds, as base64

Point = tuple[list[int], str, dict[str, Any] | None]  # areas, thresholds, small map


class Operating:
    """Critical thresholds and small maps of the images of one report.

    Args:
        min_area: of the decision, in pixels.

    Attributes:
        areas: pixels, ascending, that the page offers; `min_area` is one of them.
        critical: of each image, see `critical_thresholds`.
        small: of each image, see `small_map`; None from the one on that is too many.
        bytes: of all small maps.
    """

    def __init__(self, min_area: int):
        self.min_area = min_area
        self.areas: list[int] = []
        self.critical: list[str] = []
        self.small: list[dict[str, Any] | None] = []
        self.bytes = 0

    def of(
        self,
        anomaly_map: npt.NDArray[Any],
        shape: tuple[int, int],
        curve: AreaCurve | None = None,
    ) -> Point:
        """Return what is needed of an image of `shape` (H, W) with a map (h, w).

        Borders must not be cleared: the verdict could then change more than once along
        the thresholds. `curve` is that of the map, where it is known.
        """
        areas = areas_around(self.min_area, anomaly_map.size // LARGEST_AREA)
        critical = critical_thresholds(curve or area_curve(anomaly_map), areas)
        fits = self.bytes < SMALL_MAPS  # by now; `take` has the last word
        return areas, critical, small_map(anomaly_map, shape) if fits else None

    def take(self, point: Point) -> None:
        """Add what is needed of the next image."""
        self.areas, critical, small = point
        self.critical.append(critical)
        small = small if self.bytes < SMALL_MAPS else None
        self.bytes += len(small["url"]) if small else 0
        self.small.append(small)


def areas_around(min_area: int, largest: int) -> list[int]:
    """Return the areas up to `largest`, in pixels, that are offered, and `min_area`."""
    steps = np.geomspace(SMALLEST_STEPS, max(largest, SMALLEST_STEPS), 60)
    offered = {*range(1, SMALLEST_STEPS + 1), *steps.round().astype(int).tolist()}
    return sorted({area for area in offered if area <= largest} | {1, min_area})


def critical_thresholds(curve: AreaCurve, areas: Sequence[int]) -> str:
    """Return the critical threshold at each area, little-endian float64 as base64.

    An image is defective exactly where the threshold is below it.
    """
    found = curve.critical_thresholds(areas[-1])[np.array(areas) - 1]
    return base64.b64encode(found.astype("<f8").tobytes()).decode("ascii")


def small_map(anomaly_map: npt.NDArray[Any], shape: tuple[int, int]) -> dict[str, Any]:
    """Return a map (h, w) as a small picture, for masks that a browser draws.

    Each of its pixels is the highest of those in its place, so that no peak is lost.

    Args:
        anomaly_map: (h, w), finite.
        shape: (H, W) of the image, whose proportions the picture has.

    Returns:
        "url" of a grey PNG, "low" and "high", what its 0 and 255 stand for, and
        "pixels" of the map in one of the picture.
    """
    longest = min(LONGEST, max(anomaly_map.shape))
    height, width = (max(1, round(side * longest / max(shape))) for side in shape)
    low, high = float(anomaly_map.min()), float(anomaly_map.max())
    share = (anomaly_map - np.float64(low)) / ((high - low) or 1.0)
    grey = np.rint(255 * share).astype("uint8")
    rows, columns = (
        np.arange(new) * side // new
        for new, side in zip((height, width), grey.shape, strict=True)
    )
    small = np.maximum.reduceat(np.maximum.reduceat(grey, rows), columns, axis=1)
    file = cv2.imencode(".png", small, [cv2.IMWRITE_PNG_COMPRESSION, 6])[1].tobytes()
    return {
        "url": f"data:image/png;base64,{base64.b64encode(file).decode('ascii')}",
        "low": low,
        "high": high,
        "pixels": anomaly_map.size / small.size,
    }
