"""What the methods on pretrained features share: images to one grid of features."""

from collections.abc import Sequence
from typing import Any

import cv2
import keras
import numpy as np
from keras import ops

from methods import backbones
from methods.backbones import weights as weight_files
from methods.base import Method
from processing.data.image_set import ImageSet
from processing.errors import UsageError

BATCH = 8  # images that a backbone takes at once
HEADROOM = 3.0  # the top of a uint8 map, in maxima of good images
ACTIVATIONS = 100  # numbers for each pixel that a backbone has in memory, about


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
    from_scratch: bool = False  # whether the backbone itself is trained
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
        self._trained: dict[str, Any] = {}

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

    def summary(self) -> dict[str, Any]:
        return self._trained

    def check(self) -> None:
        self.build()
        weight_files.find(self.backbone, self.weights)
        published = backbones.spec(self.backbone).published
        if not (self.from_scratch or published or self.weights != "random"):
            raise UsageError(
                f"-k {self.backbone} is to be trained from scratch: expected "
                "-a contrastive, or --weights FILE. Received: --weights random"
            )

    @property
    def grid(self) -> tuple[int, int]:
        """Height and width of the first chosen level."""
        stride = self.chosen_levels[0].stride
        return self.image_shape[0] // stride, self.image_shape[1] // stride

    @property
    def chosen_levels(self) -> list[backbones.Level]:
        """The levels whose features are taken, from shallow to deep."""
        known = backbones.levels(self.backbone)
        if self.levels is None:
            low, high = self.strides
            return [level for level in known if low <= level.stride <= high]
        names = self.levels.split(",")
        return [level for level in known if level.name in names]

    def build_backbone(self) -> None:
        """Put the backbone, with random weights, into `networks`."""
        names = [level.name for level in self.chosen_levels]
        asked = self.levels.split(",") if self.levels else []
        names += [name for name in asked if name not in names]  # it tells unknown ones
        shape = (*self.image_shape[:2], 3)
        self.networks = {"backbone": backbones.build(self.backbone, shape, names)}

    def load_backbone(self) -> str:
        """Build the backbone with its weights; return the SHA-256 of their file."""
        if self.weights == "random":
            keras.utils.set_random_seed(self.seed)
        self.build_backbone()
        network = self.networks["backbone"]
        return backbones.load_weights(network, self.backbone, self.weights)

    @property
    def highest(self) -> float:
        return HEADROOM * float(self.arrays["good_maximum"])

    def calibrate(self, validation: ImageSet) -> None:
        """Keep the highest map value of good images."""
        highest = [self.judge_batch(b)[0].max() for b in validation.batches(BATCH)]
        self.arrays["good_maximum"] = np.array(max(highest))

    def backbone_bytes(self) -> int:
        """Return about how much memory the backbone takes while it works."""
        height, width, _ = self.image_shape
        activations = ACTIVATIONS * BATCH * height * width
        return 4 * (backbones.spec(self.backbone).parameters + activations)

    def feature_maps(self, images: Any) -> list[Any]:
        """Return the feature maps of a symbolic batch of images (n, h, w, c)."""
        if self.image_shape[2] == 1:
            images = ops.repeat(images, 3, axis=-1)
        maps = self.networks["backbone"](images)
        return list(maps) if isinstance(maps, (list, tuple)) else [maps]


def on_grid(maps: Sequence[Any], grid: tuple[int, int]) -> Any:
    """Enlarge symbolic feature maps (n, h, w, c) to one grid and concatenate them.

    Bilinear: on bottle and magnetic tile that finds more than the repetition that
    PaDiM's authors chose.
    """
    same = [
        features if features.shape[1:3] == grid else enlarged(features, grid)
        for features in maps
    ]
    return ops.concatenate(same, axis=-1) if len(same) > 1 else same[0]


def enlarged(features: Any, grid: tuple[int, int]) -> Any:
    """Enlarge symbolic feature maps (n, h, w, c) bilinearly, a matrix a side."""
    _, height, width, channels = features.shape
    features = ops.reshape(features, (-1, height, width * channels))
    features = ops.matmul(enlarging(height, grid[0]), features)
    features = ops.reshape(features, (-1, width, channels))
    features = ops.matmul(enlarging(width, grid[1]), features)
    return ops.reshape(features, (-1, *grid, channels))


class Enlarge(keras.layers.Layer):
    """Enlarge maps (n, h, w) bilinearly and blur them, both as one matrix a side.

    Args:
        size: (height, width) of the result, in pixels.
        sigma: pixels of the result, of the Gaussian blur.
        name: of the layer.
    """

    def __init__(self, size: tuple[int, int], sigma: float, name: str = "enlarge"):
        super().__init__(name=name, trainable=False, dtype="float32")
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


def enlarging(size: int, wanted: int, sigma: float = 0) -> np.ndarray:
    """Return the float32 matrix (wanted, size) that enlarges and blurs a column.

    The same as OpenCV's bilinear `resize` followed by `residuals.smooth`.
    """
    identity = np.eye(size, dtype=np.float32)
    matrix = cv2.resize(identity, (size, wanted), interpolation=cv2.INTER_LINEAR)
    if sigma:
        length = round(8 * sigma + 1) | 1  # OpenCV's own choice for float32
        kernel = cv2.getGaussianKernel(length, sigma)
        border = cv2.BORDER_REFLECT
        matrix = cv2.sepFilter2D(matrix, -1, np.ones(1), kernel, borderType=border)
    return matrix
