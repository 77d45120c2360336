"""PaDiM: a Gaussian of pretrained features at every position of an image."""

import logging
import time
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from processing.errors import UsageError
from processing.images import ImageSet

from .base import NotFittedError, Run
from .display import tracked
from .features import BATCH, Enlarge, FeatureMethod, on_one_grid
from .gaussian import Gaussian, Statistics, peak_bytes
from .mahalanobis import Mahalanobis
from .memory import check_memory

EPSILON = 0.01  # added to all variances, as in the paper
FEATURES = {"wide_resnet50_2": 550}  # kept of a backbone's channels, in the paper
OTHERS = 100  # kept of any other backbone's
HEADROOM = 3.0  # the top of a uint8 map, in maxima of good images

log = logging.getLogger(__name__)


class PaDiM(FeatureMethod):
    """Mahalanobis distances of features (Defard et al. 2020, arXiv 2011.08785).

    Args:
        name: the method's name.
        image_shape: (h, w, c).
        backbone: see `FeatureMethod`.
        weights: see `FeatureMethod`.
        levels: see `FeatureMethod`; default: all of strides 4 to 16.
        features: how many channels are drawn; None for the paper's number: 550 of
            wide_resnet50_2, else 100.
        sigma: pixels, the blur of the maps.
        seed: of the draw.
    """

    strides = (4, 16)
    updatable = True

    def __init__(
        self,
        *,
        name: str = "PaDiM",
        image_shape: tuple[int, int, int] = (256, 256, 3),
        backbone: str = "efficientnet_lite0",
        weights: str = "imagenet",
        levels: str | None = None,
        features: int | None = None,
        sigma: float = 4.0,
        seed: int = 42,
    ):
        super().__init__(
            name=name,
            image_shape=image_shape,
            backbone=backbone,
            weights=weights,
            levels=levels,
            sigma=sigma,
            seed=seed,
        )
        self.features = features

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "features": self.features}

    @property
    def highest(self) -> float:
        return HEADROOM * float(self.arrays["good_maximum"])

    @property
    def channels(self) -> int:
        """How many channels are kept of each position."""
        there = sum(level.channels for level in self.chosen_levels)
        if self.features is None:
            return min(FEATURES.get(self.backbone, OTHERS), there)
        if self.features > there:
            raise UsageError(
                f"{self.backbone} has {there} channels at these levels, expected "
                f"--features of at most that. Received: {self.features}"
            )
        return self.features

    def build(self) -> None:
        self.build_backbone()
        assert self.channels
        if "count" in self.arrays:  # loaded
            self._use(Mahalanobis(int(self.arrays["count"]), EPSILON))

    def _draw(self) -> np.ndarray:
        """Return the sorted index of the channels to keep."""
        there = sum(level.channels for level in self.chosen_levels)
        drawn = np.random.default_rng(self.seed).permutation(there)[: self.channels]
        return np.sort(drawn)

    def _embed(self, images: Any) -> Any:
        """Return the features (n, h, w, d) of symbolic images: the channels kept."""
        index, start, kept = self.arrays["index"], 0, []
        for features in self.feature_maps(images):
            end = start + features.shape[-1]
            chosen = index[(start <= index) & (index < end)] - start
            kept += [ops.take(features, chosen, axis=-1)] if len(chosen) else []
            start = end
        return on_one_grid(kept)
