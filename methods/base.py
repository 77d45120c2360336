"""What every method does: fit on good images, then map and score any image."""

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from processing.data.image_set import CACHE_BYTES, ImageSet
from processing.data.sizes import Size, size_for
from processing.errors import UsageError, UserError
from processing.hdf5 import ArraySpec

MULTIPLE = 32  # pixels that default sides are multiples of
BATCH = 8  # images that are judged at once
HEADROOM = 3.0  # the top of a uint8 map, in maxima of good images
EDGE = 1e-3  # that rounding may take an image beyond [0, 1]


class NotFittedError(RuntimeError):
    """A method was asked for maps before it was fitted or loaded."""


class StateError(ValueError):
    """What an interrupted training has saved is not what its method saves."""


@dataclass(frozen=True)
class TrainingImages:
    """What a method learns from.

    Attributes:
        good: good images to fit.
        validation: other good images, to stop and to calibrate.
        shots: those that a few-shot method is to remember; None: drawn from `good`.
        defective: images that must not be among those that judge the method.
    """

    good: ImageSet
    validation: ImageSet
    shots: ImageSet | None = None
    defective: ImageSet | None = None


class Run(Protocol):
    """Where a training run reports and keeps what it must not lose."""

    cluster: str | None  # address of the Ray cluster that shares the work

    def saved(self) -> tuple[dict, dict] | None:
        """Return the (arrays, state) of an interrupted training, if any."""

    def save(self, arrays: dict, state: dict) -> None:
        """Store the state of the training, whole or not at all."""

    def report_learning_rate(self, curve: Any) -> None:
        """Take the learning-rate curve that the rate was chosen from."""

    def picture(self, name: str, pixels: np.ndarray) -> None:
        """Keep an uint8 picture (h, w, c) of how far the training is."""

    def callbacks(self, settings: Any) -> list:
        """Return Keras callbacks that display and log."""


@dataclass(kw_only=True, eq=False)
class Method(ABC):
    """One anomaly detection method.

    Its settings are its fields. Subclasses add theirs as dataclasses do, or by a
    constructor that keeps each argument under its own name.

    Args:
        name: what the registry calls the method.
        image_shape: (h, w, c) of the images.
        seed: of everything random.

    Attributes:
        networks, arrays: everything that `fit` learned, by name.
        history: a row an epoch.
        trained: what a person wants to know of the training run, JSON-able.
        size: default side of square images, in pixels.
        map_kinds: kinds of maps, the default first.
        needs: of "shots" and "defective", what `fit` needs besides good images.
        updatable: whether good images can be added later.
        multi_category: whether one model can learn several categories.
        cache_bytes: of training images that are worth keeping in memory.
        runtime: what calculates; a stand-in may have another one.
    """

    size: ClassVar[int] = 256
    map_kinds: ClassVar[tuple[str, ...]] = ("distance",)
    needs: ClassVar[tuple[str, ...]] = ()
    updatable: ClassVar[bool] = False
    multi_category: ClassVar[bool] = False
    cache_bytes: ClassVar[int] = CACHE_BYTES
    runtime: ClassVar[str] = "keras"

    name: str
    image_shape: tuple[int, int, int]
    seed: int = 42

    def __post_init__(self) -> None:
        height, width, channels = self.image_shape
        self.image_shape = (height, width, channels)  # a list, out of JSON
        self.networks: dict[str, Any] = {}
        self.arrays: dict[str, np.ndarray] = {}
        self.history: list[dict[str, float]] = []
        self.trained: dict[str, Any] = {}
        self.file_suffix = ""  # of the model file's name

    def __init_subclass__(cls, **options: Any) -> None:
        """Let every `judge` check its arguments, whoever wrote it."""
        super().__init_subclass__(**options)
        if "judge" in vars(cls):
            cls.judge = checked(cls.judge)  # type: ignore[method-assign]

    @classmethod
    def color(cls, options: Mapping[str, Any]) -> str:
        """Return "rgb" or "grayscale", the default for a method with `options`."""
        return "rgb"

    @classmethod
    def default_size(
        cls, sizes: Sequence[Size], options: Mapping[str, Any]
    ) -> tuple[int, int]:
        """Return the (h, w) that images are resized to where the user names none.

        Args:
            sizes: (h, w) of training images; none for the square of side `size`.
            options: of the constructor, as far as they are given, and the name.
        """
        return size_for(sizes, cls.size, MULTIPLE)

    @abstractmethod
    def fit(self, images: TrainingImages, run: Run | None = None) -> "Method":
        """Learn from images and return self.

        Args:
            images: all that `needs` names, and good ones.
            run: where to keep logs and intermediate states; None keeps nothing.
        """

    @abstractmethod
    def build(self) -> None:
        """Create `networks` with the shapes they have once fitted.

        On loading, `arrays` are there already.
        """

    @abstractmethod
    def judge(
        self, images: np.ndarray, kind: str | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return anomaly maps (n, h, w) and image scores (n,), higher = more anomalous.

        Both are float32, and no image changes another one's. What is wrong with the
        arguments is found before a subclass sees them.

        Args:
            images: floats (n, h, w, c) in [0, 1].
            kind: one of `map_kinds`; None, which subclasses never see, for the default.

        Raises:
            NotFittedError: before `fit`.
            UsageError: images of another type, range or shape, or an unknown kind.
        """

    def update(self, images: TrainingImages, run: Run | None = None) -> "Method":
        """Learn from more good images, as if `fit` had seen them, too; return self.

        Args:
            images: good images to add, none after `without`, and all validation
                images, old and new.
            run: see `fit`.
        """
        raise UsageError(f"{self.name} cannot take in images later: train it anew")

    def without(self, good: ImageSet, left_out: Sequence[int]) -> "Method":
        """Return the method as if it had not seen some good images; it stays as it is.

        Its maps of these images are then those of images that it does not know.

        Args:
            good: all the images that were fitted or, of shots, remembered, in order.
            left_out: indices of those that it is not to know.

        Raises:
            UsageError: a method that would have to be trained anew.
        """
        raise UsageError(trained_anew(self.name))

    def support(self, count: int) -> np.ndarray:
        """Draw which of `count` good images are remembered, sorted indices."""
        raise UsageError(f"{self.name} remembers no shots")

    def remember(self, shots: ImageSet, validation: ImageSet | None) -> None:
        """Put good images in the place of what was remembered, and calibrate.

        Args:
            shots: of any product, any number.
            validation: other good images of it; None keeps the older calibration.
        """
        raise UsageError(f"{self.name} remembers no shots")

    def fit_categories(
        self, categories: Mapping[str, TrainingImages], run: Run | None = None
    ) -> "Method":
        """Learn from several categories, by name; know the first one; return self."""
        raise UsageError(f"{self.name} learns one category: expected -a unified")

    def choose(self, category: str) -> None:
        """Know another one of the categories of `fit_categories`."""
        raise UsageError(f"{self.name} knows one category alone")

    def array_specs(self) -> dict[str, ArraySpec]:
        """Return what `arrays` hold once fitted, by name.

        It is asked on loading, when they are not checked yet, of our methods alone.
        """
        return {"good_maximum": ArraySpec()}

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments, which are attributes, JSON-able."""
        names = inspect.signature(type(self)).parameters
        values = {name: getattr(self, name) for name in names}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
        }

    @classmethod
    def recorded_config(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments in a model's record, those that it is too old for, too.

        They are the defaults, unless the method was another one before it had them.
        """
        return dict(config)

    def check(self) -> None:
        """Raise a `UserError` where `fit` could not succeed, before work starts."""
        self.build()

    def check_fitted(self) -> None:
        """Raise `NotFittedError` unless fitted or loaded."""
        if not self.networks and not self.arrays:
            raise NotFittedError(
                f"{type(self).__name__} is not fitted: call `fit`, or load a model"
            )

    @property
    def variant(self) -> str:
        """What run folders are sorted by, such as the loss or the backbone."""
        return "default"

    @property
    def iterative(self) -> bool:
        """Whether an image takes many steps, so that none is to be judged in vain."""
        return False

    @property
    def default_kind(self) -> str:
        """The kind of maps that is judged by unless another one is asked for."""
        return self.map_kinds[0]

    def calibrate(self, good: ImageSet) -> None:
        """Learn from good images how high their maps are."""
        highest = [self.judge(batch)[0].max() for batch in good.batches(BATCH)]
        self.arrays["good_maximum"] = np.array(max(highest))

    def highest(self, kind: str) -> float:
        """Return the map value that a map rounded to uint8 shows as 255."""
        return HEADROOM * float(self.arrays["good_maximum"])

    def anomaly_map(self, images: np.ndarray, kind: str | None = None) -> np.ndarray:
        """Return the maps of `judge` alone, float32 (n, h, w)."""
        return self.judge(images, kind)[0]

    def reconstruct(self, images: np.ndarray) -> np.ndarray | None:
        """Return the good version of images (n, h, w, c) that the method has in mind.

        None for a method that makes no images.
        """
        return None

    def inference_model(self, kind: str | None = None) -> Any | None:
        """Return a Keras model from images to [maps, scores], to be exported.

        None where the two do not come from one network.
        """
        return None


def checked(judge: Callable) -> Callable:
    """Return a method's `judge` behind a check of its state and its arguments."""

    @functools.wraps(judge)
    def wrapper(
        self: Method, images: np.ndarray, kind: str | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        self.check_fitted()
        if kind not in (None, *self.map_kinds):
            raise UsageError(
                f"{type(self).__name__} has no {kind} maps, expected one of "
                f"{', '.join(self.map_kinds)}"
            )
        check_images(images, self.image_shape)
        return judge(self, images, kind or self.default_kind)

    return wrapper


def on_one_machine(name: str) -> str:
    """Return why a cluster cannot share the training of a method."""
    return (
        f"--ray: {name} trains on one machine: expected -a padim, patchcore or "
        "ensemble, or several runs (categories or methods)"
    )


def trained_anew(name: str) -> str:
    """Return why a method has no `without`."""
    return (
        f"--folds: {name} would have to be trained anew without some images: expected "
        "train.py --validation SHARE, which keeps more of them apart"
    )


def check_defective(name: str, count: int) -> None:
    """Raise `UserError` if a method that needs defective images has none."""
    if not count:
        raise UserError(
            f"{name} is supervised and needs defective images to learn from: expected "
            "some in train/<kind of defect> or test/<kind of defect>, or --synthetic. "
            "Received: 0"
        )


def labelled_defects(images: TrainingImages) -> ImageSet:
    """Return the defective images that `known_defects` are learned from.

    Raises:
        UserError: there are none.
    """
    if not images.defective:
        raise no_labelled_defects()
    return images.defective


def no_labelled_defects() -> UserError:
    """Return the error that no defective images are beside the good ones."""
    return UserError(
        "--known-defects needs images of defects: expected some in the table of "
        "--labels, or in train/<kind of defect>. Received: 0"
    )


def check_images(images: np.ndarray, image_shape: tuple[int, int, int]) -> None:
    """Raise `UsageError` unless images are floats (n, h, w, c) in [0, 1]."""
    dtype, shape = getattr(images, "dtype", type(images).__name__), np.shape(images)
    if not np.issubdtype(getattr(images, "dtype", object), np.floating):
        received = f"{dtype}"
    elif shape[1:] != image_shape:
        received = f"{shape}"
    elif images.size and not (images.min() >= -EDGE and images.max() <= 1 + EDGE):
        received = f"values from {images.min():g} to {images.max():g}"
    else:
        return
    raise UsageError(
        f"expected float images (n, {', '.join(map(str, image_shape))}) in [0, 1]. "
        f"Received: {received}"
    )
