"""Whether defects are found where they are: counts of true and of decided regions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from processing.wording import count

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Place:
    """How the 8-connected regions of a decided mask lie on those of the truth.

    Attributes:
        true: number of true regions.
        found: how many of them the decided mask touches.
        false: number of decided regions that touch no true one.
    """

    true: int
    found: int
    false: int


def place(decided: BoolArray, truth: BoolArray) -> Place:
    """Compare a decided mask with the ground truth.

    Both are brought to the larger height and the larger width of the two by nearest
    neighbour: enlarged, no region is lost, split or joined to another.

    Args:
        decided: (h, w).
        truth: (H, W).
    """
    height, width = np.maximum(decided.shape, truth.shape)
    ours, theirs = (
        cv2.resize(
            mask.astype(np.uint8),
            (int(width), int(height)),
            interpolation=cv2.INTER_NEAREST_EXACT,
        )
        for mask in (decided, truth)
    )
    true, found = _touched(theirs, ours)
    regions, touching = _touched(ours, theirs)
    return Place(true, found, regions - touching)


def _touched(mask: npt.NDArray[Any], other: npt.NDArray[Any]) -> tuple[int, int]:
    """Return the number of regions of `mask`, and of those that `other` touches."""
    regions, labels = cv2.connectedComponents(mask, connectivity=8)
    touched = np.unique(labels[(mask > 0) & (other > 0)])
    return regions - 1, len(touched)


@dataclass
class Localisation:
    """Counts over the images whose ground truth is known.

    Attributes:
        defects: defective images.
        in_place: those of them whose decided mask touches the true one.
        true_regions, regions_found: of all images, see `Place`.
        images: all images counted.
        false_regions: on all of them.
        good_images: the good ones.
        false_regions_on_good: on these.
    """

    defects: int = 0
    in_place: int = 0
    true_regions: int = 0
    regions_found: int = 0
    images: int = 0
    false_regions: int = 0
    good_images: int = 0
    false_regions_on_good: int = 0

    def update(self, decided: BoolArray, truth: BoolArray) -> Place:
        """Count an image, good if its truth marks nothing, and return its regions."""
        found = place(decided, truth)
        self.images += 1
        self.true_regions += found.true
        self.regions_found += found.found
        self.false_regions += found.false
        if found.true:
            self.defects += 1
            self.in_place += found.found > 0
        else:
            self.good_images += 1
            self.false_regions_on_good += found.false
        return found

    def to_json(self) -> dict[str, float | None]:
        """Return counts and rates; a rate of nothing is None."""
        return vars(self) | {
            "in_place_rate": _rate(self.in_place, self.defects),
            "region_recall": _rate(self.regions_found, self.true_regions),
            "false_regions_per_image": _rate(self.false_regions, self.images),
            "false_regions_per_good_image": _rate(
                self.false_regions_on_good, self.good_images
            ),
        }


def _rate(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def in_words(counts: Mapping[str, Any]) -> str:
    """Return the counts of `Localisation.to_json` in a line, "" if there are none."""
    parts = []
    if counts.get("defects"):
        parts += [
            f"{counts['in_place']} of {count(counts['defects'], 'defect')} with a mask "
            "in the right place",
            f"{counts['regions_found']} of "
            f"{count(counts['true_regions'], 'true region')}",
        ]
    if counts.get("good_images"):
        false = count(counts["false_regions_on_good"], "false region")
        parts.append(f"{false} on {count(counts['good_images'], 'good image')}")
    return "; ".join(parts)
