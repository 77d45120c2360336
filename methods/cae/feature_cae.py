"""featureCAE: residuals of a linear autoencoder of pretrained features."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from methods.base import BATCH, Run, TrainingImages
from methods.components.enlarge import Enlarge, on_grid
from methods.components.feature_method import FeatureMethod
from methods.components.image_scores import TOP, image_scores
from methods.components.levelled import Levelled
from methods.components.memory_check import check_memory
from processing.data.image_set import ImageSet
from processing.hdf5 import ArraySpec
from processing.maps.pixel_statistics import PixelStatistics

NOISE = 8.0  # variance that the autoencoder removes, in mean variances of features
STEADY = 1e-3  # added to the variance of each channel, whose mean square is about 1
BLUR = 1.0  # positions, of the deviations of good residuals


@dataclass(kw_only=True, eq=False)
class FeatureCAE(FeatureMethod):
    """Residuals of a linear denoising autoencoder of backbone features.

    The features of each level are levelled, brought to one grid, and centred at each
    position; each channel is divided by its deviation, and levels have equal variances.
    The linear 1x1 convolution that best takes white noise of variance e off features
    with covariance S is S (S + e I)^-1: a PCA that weakens components the more, the
    less they vary. That is the autoencoder, known without training. Networks that were
    trained in its place found no more on the whole: see docs/decisions.md.

    The map is the root mean square residual of each level, in standard deviations of
    the good images' at the same position, summed.

    Args:
        name: the method's name.
        image_shape: (h, w, c).
        backbone: see `FeatureMethod`.
        weights: see `FeatureMethod`.
        levels: see `FeatureMethod`; default: all of strides 8 to 32.
        sigma: pixels, the blur of the maps.
        top: share of the map whose mean is the score of an image, see `image_scores`.
        fit_runtime: see `FeatureMethod`.
        seed: of random weights.
    """

    strides = (8, 32)

    name: str = "featureCAE"
    image_shape: tuple[int, int, int] = (256, 256, 3)
    top: float = TOP

    @property
    def _channels(self) -> list[int]:
        return [level.channels for level in self.chosen_levels]

    def array_specs(self) -> dict[str, ArraySpec]:
        size, levels = sum(self._channels), len(self._channels)
        return {
            **super().array_specs(),
            "mean": ArraySpec((*self.grid, size)),
            "residual": ArraySpec((size, size)),
            "errors": ArraySpec((2, levels, *self.grid)),
        }

    def build(self) -> None:
        self.build_backbone()
        if "errors" in self.arrays:  # loaded
            self.make_graph("feature_cae")

    def fit(self, images: TrainingImages, run: Run | None = None) -> "FeatureCAE":
        started = time.perf_counter()
        self._check_memory()
        self.trained = {"weights_sha256": self.load_backbone()}
        mean, covariance = self._moments(images.good)
        self.arrays = {"mean": mean.astype(np.float32)}
        self.arrays["residual"] = residual(covariance, self._channels)
        self.arrays["errors"] = self._statistics(images.good)
        self.make_graph("feature_cae")
        self.calibrate(images.validation)
        self.trained |= {
            "images": len(images.good),
            "seconds": time.perf_counter() - started,
        }
        return self

    def _moments(self, images: ImageSet) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean (h, w, d) of features, and their covariance (d, d) about it.

        Both are float64, the covariance that of all positions.
        """
        size = sum(self._channels)
        total, squares = np.zeros((*self.grid, size)), np.zeros((size, size))
        for [features] in self.outputs(images, self._features):
            total += features.sum(axis=0)
            rows = features.reshape(-1, size)
            squares += rows.T @ rows
        mean = total / len(images)
        rows = mean.reshape(-1, size)
        return mean, squares / (len(images) * len(rows)) - rows.T @ rows / len(rows)

    def _statistics(self, images: ImageSet) -> np.ndarray:
        """Return mean and deviation (2, levels, h, w) of the errors of good images."""
        levels = [PixelStatistics(self.grid) for _ in self._channels]
        for errors in self.outputs(images, self._errors):
            for statistics, error in zip(levels, errors, strict=True):
                statistics.add(error)
        return np.stack([level.result(BLUR) for level in levels], axis=1)

    def _features(self, maps: list[Any]) -> Any:
        """Return the features (n, h, w, d) of symbolic maps, a mean square of 1."""
        levelled = [
            Levelled(channels**0.5)(features)
            for channels, features in zip(self._channels, maps, strict=True)
        ]
        return on_grid(levelled, self.grid)

    def _errors(self, maps: list[Any]) -> list[Any]:
        """Return the root mean square residual (n, h, w) of each level."""
        centred = self._features(maps) - self.arrays["mean"]
        squares = ops.square(ops.matmul(centred, self.arrays["residual"]))
        bounds = np.cumsum(self._channels)[:-1].tolist()
        levels = ops.split(squares, bounds, axis=-1)
        return [ops.sqrt(ops.mean(level, axis=-1)) for level in levels]

    def judged(self, maps: list[Any]) -> list[Any]:
        means, deviations = self.arrays["errors"]
        distances = sum(
            (error - mean) / deviation
            for error, mean, deviation in zip(
                self._errors(maps), means, deviations, strict=True
            )
        )
        result = Enlarge(self.image_shape[:2], self.sigma)(distances)
        return [result, image_scores(result, self.top)]

    def _check_memory(self) -> None:
        size, (height, width) = sum(self._channels), self.grid
        batch = 3 * 4 * BATCH * height * width * size
        needed = batch + 4 * 8 * size**2 + self.backbone_bytes()
        check_memory(needed, "expected less with --size, or fewer of --levels")


def residual(covariance: np.ndarray, channels: list[int]) -> np.ndarray:
    """Return the float32 matrix (d, d) from centred features to residuals.

    Args:
        covariance: (d, d) of the features.
        channels: how many of the d there are of each level.
    """
    deviation = np.sqrt(np.diag(covariance) + STEADY)
    scale = 1 / (deviation * np.sqrt(np.repeat(channels, channels)))
    variance = len(channels) / len(scale)  # of a feature in this scale, on average
    noise = NOISE * variance * np.eye(len(scale))
    matrix = np.linalg.solve(covariance * np.outer(scale, scale) + noise, noise)
    return (scale[:, None] * matrix).astype(np.float32)
