"""What the page needs of each image to judge it at any threshold and minimum area."""

import base64
from typing import Any

import numpy as np
import numpy.typing as npt

from processing.decision.regions import area_curve

LARGEST_AREA = 16384  # pixels


def areas_around(min_area: int) -> list[int]:
    """Return the areas, in pixels, that the page offers: `min_area` is one of them."""
    steps = np.geomspace(40, LARGEST_AREA, 60).round().astype(int).tolist()
    return sorted({*range(1, 41), *steps, min_area})


def critical(anomaly_map: npt.NDArray[Any], areas: list[int]) -> str:
    """Return the critical threshold at each area, little-endian float64 as base64.

    An image is defective exactly where the threshold is below it; -inf where the map
    (h, w) has fewer pixels than the area. Borders must not be cleared: the verdict
    could then change more than once along the thresholds.
    """
    asked = np.array(areas)
    found = area_curve(anomaly_map).critical_thresholds(areas[-1])[asked - 1]
    exact = np.where(asked <= anomaly_map.size, found, -np.inf)
    return base64.b64encode(exact.astype("<f8").tobytes()).decode("ascii")
