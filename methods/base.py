"""What every method does: fit on good images, then map and score any image."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from processing.data.image_set import CACHE_BYTES, ImageSet
from processing.errors import UsageError, UserError
from processing.maps.residuals import smooth

SCORE_SIGMA = 4.0  # pixels; blur before the maximum of a map is its image's score


class NotFittedError(RuntimeError):
    """A method was asked for maps before it was fitted or loaded."""


class Run(Protocol):
    """Where a training run reports and keeps what it must not lose."""

    cluster: str | None  # address of the Ray cluster that shares the work

    def saved(self) -> tuple[dict, dict] | None:
        """Return the (arrays, state) of an interrupted training, if any."""

    def save(self, arrays: dict, state: dict) -> None:
        """Store the state of the training, whole or not at all."""

    def swept(self, sweep: Any) -> None:
        """Take the result of a learning rate search."""

    def picture(self, name: str, pixels: np.ndarray) -> None:
        """Keep an uint8 picture (h, w, c) of how far the training is."""

    def callbacks(self, settings: Any) -> list:
        """Return Keras callbacks that display and log."""


class Method(ABC):
    """One anomaly detection method.

    Subclasses take their settings as keyword arguments, keep each under its own name
    and return them all from `get_config`. After `fit`, `networks` and `arrays` hold
    everything learned.
    """

    size: int = 256  # default side of the images, in pixels
    image_shape: tuple[int, int, int]
    networks: dict[str, Any]
    arrays: dict[str, np.ndarray]
    history: list[dict[str, float]]  # one row an epoch
    variant: str  # what run folders are sorted by, such as loss or backbone
    file_suffix: str = ""  # of the model file's name
    map_kinds: tuple[str, ...]  # what `map_kind` can be
    map_kind: str  # which maps `anomaly_map` gives
    updatable: bool = False  # whether good images can be added later
    cache_bytes: int = CACHE_BYTES  # of training images that are worth keeping

    @classmethod
    def color(cls, options: Mapping[str, Any]) -> str:
        """Return "rgb" or "grayscale", the default for a method with `options`."""
        return "rgb"

    @abstractmethod
    def fit(
        self, train: ImageSet, validation: ImageSet, run: Run | None = None
    ) -> "Method":
        """Learn from good images and return self.

        Args:
            train: good images to fit.
            validation: other good images, to stop and to calibrate.
            run: where to keep logs and intermediate states; None keeps nothing.
        """

    def update(
        self, train: ImageSet, validation: ImageSet, run: Run | None = None
    ) -> "Method":
        """Learn from more good images, as if `fit` had seen them, too; return self.

        Args:
            train: good images to add.
            validation: all validation images, of `fit` and of the added ones.
            run: see `fit`.
        """
        raise UsageError(
            f"{type(self).__name__} cannot take in images later: train it anew"
        )

    @abstractmethod
    def anomaly_map(self, images: np.ndarray) -> np.ndarray:
        """Return float32 maps (n, h, w), higher = more anomalous.

        Takes images (n, h, w, c) in [0, 1]; no image changes another one's map.
        Raises `NotFittedError` before `fit`.
        """

    @abstractmethod
    def get_config(self) -> dict[str, Any]:
        """Return the constructor's keyword arguments, JSON-able."""

    @abstractmethod
    def build(self) -> None:
        """Create `networks` with the shapes they have once fitted.

        On loading, `arrays` are there already.
        """

    def check(self) -> None:
        """Raise a `UserError` where `fit` could not succeed, before work starts."""
        self.build()

    @property
    @abstractmethod
    def highest(self) -> float:
        """The map value that a map rounded to uint8 shows as 255."""

    def reconstruct(self, images: np.ndarray) -> np.ndarray | None:
        """Return the good version of images (n, h, w, c) that the method has in mind.

        None for a method that makes no images.
        """
        return None

    def inference_model(self) -> Any | None:
        """Return a Keras model from images to [maps, scores], to be exported.

        None where the two do not come from one network.
        """
        return None

    def summary(self) -> dict[str, Any]:
        """Return what a person wants to know of the training, JSON-able."""
        return {}

    def score(self, images: np.ndarray, maps: np.ndarray) -> np.ndarray:
        """Return one float32 score an image (n,): the maximum of its blurred map."""
        return smooth(maps, SCORE_SIGMA).max(axis=(1, 2))

    def judge_batch(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return maps (n, h, w) and scores (n,) of images (n, h, w, c).

        For a method that finds both at once to override.
        """
        maps = self.anomaly_map(images)
        return maps, self.score(images, maps)

    def check_fitted(self) -> None:
        """Raise `NotFittedError` unless fitted or loaded."""
        if not self.networks and not self.arrays:
            raise NotFittedError(
                f"{type(self).__name__} has no weights yet: call `fit`, or load a model"
            )


class SupervisedMethod(Method):
    """A method that learns from defective images, too, and only finds their like.

    `needs_defects` is False where it makes its own: then it gets none.
    """

    needs_defects: bool = True

    @abstractmethod
    def fit(
        self,
        train: ImageSet,
        validation: ImageSet,
        run: Run | None = None,
        *,
        defective: ImageSet | None = None,
    ) -> "SupervisedMethod":
        """Learn from good and from defective images and return self.

        Args:
            train: good images to fit.
            validation: other good images, to stop and to calibrate.
            run: where to keep logs and intermediate states; None keeps nothing.
            defective: images that must not be among those that judge the method.
        """

    def check_defective(self, count: int, tiles: int = 1) -> None:
        """Raise `UserError` unless `count` defective images can be learned from.

        Not if each is cut into `tiles`, for most of them would show no defect. A method
        that makes its own defects takes anything.
        """
        if not self.needs_defects:
            return
        if tiles > 1:
            raise UsageError(
                f"{type(self).__name__} learns from whole images: leave out --tile, or "
                "take --synthetic"
            )
        if not count:
            raise UserError(
                f"{type(self).__name__} is supervised and needs defective images to "
                "learn from: expected some in train/<kind of defect> or test/<kind of "
                "defect>, or --synthetic. Received: 0"
            )
