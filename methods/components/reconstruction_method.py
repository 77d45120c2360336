"""What methods share that compare images with their reconstructions."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from autoencoder.losses import WINDOW, ssim_map
from methods.base import Method
from processing.data.image_set import ImageSet
from processing.maps.pixel_statistics import HIGHEST, PixelStatistics
from processing.maps.residuals import smooth

from .enlarge import Enlarge


class ReconstructionMethod(Method):
    """A method whose maps are residuals between image and reconstruction.

    They are blurred and measured in standard deviations of the good images' residuals
    at the same pixel. What a network never gets right, such as sharp edges, so does
    not count as anomalous.

    Subclasses have a `sigma`, the blur in pixels, and name their `residuals`: by kind
    of map, functions from images and reconstructions (n, h, w, c) to maps (n, h, w).
    """

    residuals: dict[str, Callable]
    sigma: float

    @property
    def highest(self) -> float:
        return HIGHEST if self.map_kind in self.residuals else 1.0

    def calibrate(self, good: ImageSet) -> None:
        """Learn mean and deviation of every pixel's residual on good images."""
        found = {kind: PixelStatistics(self.image_shape[:2]) for kind in self.residuals}
        for images in good.batches(16):
            reconstructions = self.reconstruct(images)
            for kind, residual in self.residuals.items():
                maps = smooth(residual(images, reconstructions), self.sigma)
                found[kind].add(maps)
        for kind, statistics in found.items():
            mean, deviation = statistics.result(self.sigma)
            self.arrays |= {f"{kind}_mean": mean, f"{kind}_deviation": deviation}

    def standardised(
        self, images: np.ndarray, reconstructions: np.ndarray
    ) -> np.ndarray:
        """Return the maps (n, h, w) of the calibrated kind `map_kind`."""
        kind = self.map_kind
        maps = smooth(self.residuals[kind](images, reconstructions), self.sigma)
        mean, deviation = (self.arrays[f"{kind}_{x}"] for x in ("mean", "deviation"))
        return (maps - mean) / deviation

    def graph(self, images: Any) -> tuple[Any, Any | None] | None:
        """Return symbolic reconstructions of symbolic images, and perhaps scores.

        None where they come from no network. Without scores, the maps' maximum counts.
        """
        return None

    def inference_model(self) -> Any | None:
        self.check_fitted()
        images = keras.Input(self.image_shape, name="images")
        found = self.graph(images) if self.map_kind in self.residuals else None
        if found is None:
            return None
        reconstructions, scores = found
        maps = Residual(self.map_kind)(images, reconstructions)
        maps = Enlarge(self.image_shape[:2], self.sigma)(maps)
        arrays = (self.arrays[f"{self.map_kind}_{x}"] for x in ("mean", "deviation"))
        maps = Standardise(*arrays)(maps)
        if scores is None:
            scores = ops.max(maps, axis=(1, 2))
        return keras.Model(images, [maps, scores], name="reconstruction")


class Residual(keras.layers.Layer):
    """The functions of `processing.maps.residuals` as a part of a graph, in float32.

    Args:
        kind: "ssim", "l2" or "l1".
    """

    def __init__(self, kind: str):
        super().__init__(name=kind, trainable=False, dtype="float32")
        self.kind = kind

    def call(self, images: Any, reconstructions: Any) -> Any:
        """Return maps (n, h, w) of two batches (n, h, w, c) in [0, 1]."""
        if self.kind == "ssim":
            edge = WINDOW // 2
            sides = ((0, 0), (edge, edge), (edge, edge), (0, 0))
            pair = (ops.pad(x, sides, "symmetric") for x in (images, reconstructions))
            return 1 - ops.mean(ssim_map(*pair), axis=-1)
        power = {"l2": ops.square, "l1": ops.abs}[self.kind]
        return ops.mean(power(images - reconstructions), axis=-1)


class Standardise(keras.layers.Layer):
    """Maps in standard deviations from the mean at the same pixel, both (h, w)."""

    def __init__(self, mean: np.ndarray, deviation: np.ndarray):
        super().__init__(name="standardise", trainable=False, dtype="float32")
        self.mean = mean
        self.deviation = deviation

    def call(self, maps: Any) -> Any:
        """Return the maps (n, h, w)."""
        return (maps - self.mean) / self.deviation
