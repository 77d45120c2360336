"""What methods share that compare images with their reconstructions."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from autoencoder.losses import WINDOW, ssim_map
from methods.base import Method
from processing.data.image_set import ImageSet
from processing.hdf5 import ArraySpec
from processing.maps.pixel_statistics import HIGHEST, PixelStatistics
from processing.maps.residuals import smooth

from .enlarge import Enlarge

AT_ONCE = 16  # images that are reconstructed together
NAMES = ("mean", "deviation")


@dataclass(kw_only=True, eq=False)
class ReconstructionMethod(Method):
    """A method whose maps are residuals between images and their reconstructions.

    Those of the kinds `standardised` are blurred and measured in standard deviations of
    the good images' residuals at the same pixel. What a network never gets right, such
    as sharp edges, so does not count as anomalous.

    Subclasses have a `sigma`, the blur in pixels, and `reconstruct`.
    """

    standardised: ClassVar[tuple[str, ...]]  # of `map_kinds`
    statistic = "{kind}_{name}"  # how `arrays` calls a kind's mean and deviation
    sigma: Any = None

    @property
    def blur(self) -> float:
        """The standard deviation of the maps' blur, in pixels."""
        return float(self.sigma)

    @abstractmethod
    def residual(
        self, images: np.ndarray, reconstructions: np.ndarray, kind: str
    ) -> np.ndarray:
        """Return float32 maps (n, h, w) of two batches (n, h, w, c) in [0, 1].

        They are not blurred yet, if the kind is one of `standardised`.
        """

    def array_specs(self) -> dict[str, ArraySpec]:
        return {
            self.statistic.format(kind=kind, name=name): ArraySpec(self.image_shape[:2])
            for kind in self.standardised
            for name in NAMES
        }

    def highest(self, kind: str) -> float:
        return HIGHEST if kind in self.standardised else 1.0

    def calibrate(self, good: ImageSet) -> None:
        """Learn mean and deviation of every pixel's residual on good images."""
        by_kind = {
            kind: PixelStatistics(self.image_shape[:2]) for kind in self.standardised
        }
        for images in good.batches(AT_ONCE):
            reconstructions = self.reconstruct(images)
            for kind, statistics in by_kind.items():
                maps = self.residual(images, reconstructions, kind)
                statistics.add(smooth(maps, self.blur))
        for kind, statistics in by_kind.items():
            names = (self.statistic.format(kind=kind, name=name) for name in NAMES)
            self.arrays |= dict(zip(names, statistics.result(self.blur), strict=True))

    def _statistics(self, kind: str) -> list[np.ndarray]:
        """Return mean and deviation (h, w) of a kind."""
        return [self.arrays[self.statistic.format(kind=kind, name=x)] for x in NAMES]

    def maps(
        self, images: np.ndarray, reconstructions: np.ndarray, kind: str
    ) -> np.ndarray:
        """Return the maps (n, h, w) of images and their reconstructions."""
        maps = self.residual(images, reconstructions, kind)
        if kind not in self.standardised:
            return maps
        mean, deviation = self._statistics(kind)
        return (smooth(maps, self.blur) - mean) / deviation

    def judge(
        self, images: np.ndarray, kind: str | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        assert kind
        maps = self.maps(images, self.reconstruct(images), kind)
        return maps, maps.max(axis=(1, 2))  # they are blurred already

    @abstractmethod
    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        """Return the good version of images, both float32 (n, h, w, c) in [0, 1]."""

    def graph(self, images: Any) -> tuple[Any, Any | None] | None:
        """Return symbolic reconstructions of symbolic images, and perhaps scores.

        None where they come from no network. Without scores, the maps' maximum counts.
        """
        return None

    def inference_model(self, kind: str | None = None) -> Any | None:
        self.check_fitted()
        kind = kind or self.default_kind
        images = keras.Input(self.image_shape, name="images")
        outputs = self.graph(images) if kind in self.standardised else None
        if outputs is None:
            return None
        reconstructions, scores = outputs
        maps = Residual(kind)(images, reconstructions)
        maps = Enlarge(self.image_shape[:2], self.blur)(maps)
        maps = Standardise(*self._statistics(kind))(maps)
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
