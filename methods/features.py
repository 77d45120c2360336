"""What the methods on pretrained features share: images to one grid of features."""

from collections.abc import Sequence
from typing import Any

import cv2
import keras
import numpy as np
from keras import ops

from processing.errors import UsageError

from . import backbones
from .base import Method

BATCH = 16  # images that a backbone takes at once


class FeatureMethod(Method):
    """A method on the feature maps of a pretrained backbone that stays as it is.

    Args:
        name: of the method.
        image_shape: (h, w, c); grey images are given to the backbone as RGB.
        backbone: key of `backbones.BACKBONES`.
        weights: "imagenet", "random" or the path of a weight file.
        levels: comma-separated names of levels of the backbone; None for those of
            the strides that the method takes by default.
        sigma: pixels, the blur of the maps.
        seed: of everything random.
    """

    map_kinds = ("distance",)
    map_kind = "distance"
    strides: tuple[int, int]  # lowest and highest of the levels taken by default
    cache_bytes = 2**26  # the images are seen once

    def __init__(
        self,
        *,
        name: str,
        image_shape: tuple[int, int, int],
        backbone: str,
        weights: str,
        levels: str | None,
        sigma: float,
        seed: int,
    ):
        self.name = name
        self.image_shape = (image_shape[0], image_shape[1], image_shape[2])
        self.backbone = backbone
        self.weights = weights
        self.levels = levels
        self.sigma = sigma
        self.seed = seed
        self.networks: dict[str, Any] = {}
        self.arrays: dict[str, np.ndarray] = {}
        self.history: list[dict[str, float]] = []
        self.variant = backbone

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "image_shape": list(self.image_shape),
            "backbone": self.backbone,
            "weights": self.weights,
            "levels": self.levels,
            "sigma": self.sigma,
            "seed": self.seed,
        }

    def check(self) -> None:
        self.build()
        backbones.find_weights(self.backbone, self.weights)

    @property
    def chosen_levels(self) -> list[backbones.Level]:
        """The levels whose features are taken, from shallow to deep."""
        known = backbones.levels(self.backbone)
        if self.levels is None:
            low, high = self.strides
            return [level for level in known if low <= level.stride <= high]
        names = self.levels.split(",")
        unknown = [name for name in names if name not in {k.name for k in known}]
        if unknown:
            raise UsageError(
                f"{self.backbone} has the levels {', '.join(k.name for k in known)}. "
                f"Received: {', '.join(unknown)}"
            )
        return [level for level in known if level.name in names]

    def build_backbone(self) -> None:
        """Put the backbone, with random weights, into `networks`."""
        names = [level.name for level in self.chosen_levels]
        shape = (*self.image_shape[:2], 3)
        self.networks = {"backbone": backbones.build(self.backbone, shape, names)}

    def load_backbone(self) -> str:
        """Build the backbone with its weights; return the SHA-256 of their file."""
        self.build_backbone()
        network = self.networks["backbone"]
        return backbones.load_weights(network, self.backbone, self.weights)

    def feature_maps(self, images: Any) -> list[Any]:
        """Return the feature maps of a symbolic batch of images (n, h, w, c)."""
        if self.image_shape[2] == 1:
            images = ops.repeat(images, 3, axis=-1)
        maps = self.networks["backbone"](images)
        return maps if isinstance(maps, (list, tuple)) else [maps]


def on_one_grid(maps: Sequence[Any]) -> Any:
    """Enlarge symbolic feature maps to the grid of the first and concatenate them.

    PaDiM and PatchCore repeat or interpolate; bilinear interpolation finds more, on
    magnetic tile and bottle, than the repetition of PaDiM's authors.
    """
    height, width = maps[0].shape[1:3]
    same = []
    for features in maps:
        size = (height // features.shape[1], width // features.shape[2])
        if size != (1, 1):
            layer = keras.layers.UpSampling2D(size, interpolation="bilinear")
            features = layer(features)
        same.append(features)
    return ops.concatenate(same, axis=-1) if len(same) > 1 else same[0]


class Enlarge(keras.layers.Layer):
    """Enlarge maps (n, h, w) bilinearly and blur them, both as one matrix a side.

    Args:
        size: (height, width) of the result, in pixels.
        sigma: pixels of the result, of the Gaussian blur.
    """

    def __init__(self, size: tuple[int, int], sigma: float):
        super().__init__(name="enlarge", trainable=False, dtype="float32")
        self.size = size
        self.sigma = sigma

    def build(self, input_shape: tuple) -> None:
        """Make the matrices for maps (n, h, w)."""
        height, width = self.size
        self.rows = enlarging(input_shape[1], height, self.sigma)
        self.columns = enlarging(input_shape[2], width, self.sigma).T

    def call(self, maps: Any) -> Any:
        """Return maps (n, height, width) of maps (n, h, w)."""
        return ops.matmul(ops.matmul(self.rows, maps), self.columns)


def enlarging(size: int, wanted: int, sigma: float) -> np.ndarray:
    """Return the float32 matrix (wanted, size) that enlarges and blurs a column.

    The same as OpenCV's bilinear `resize` followed by `processing.residuals.smooth`.
    """
    identity = np.eye(size, dtype=np.float32)
    matrix = cv2.resize(identity, (size, wanted), interpolation=cv2.INTER_LINEAR)
    if sigma:
        length = round(8 * sigma + 1) | 1  # OpenCV's own choice for float32
        kernel = cv2.getGaussianKernel(length, sigma)
        border = cv2.BORDER_REFLECT
        matrix = cv2.sepFilter2D(matrix, -1, np.ones(1), kernel, borderType=border)
    return matrix
