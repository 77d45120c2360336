"""What the methods that know a product by a few images of it share."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import cv2
import keras
import numpy as np
from keras import ops

from methods.backbones import Level
from methods.base import BATCH, TrainingImages
from methods.components.feature_method import FeatureMethod
from methods.components.memory_bank import BLOCK, MemoryBank
from methods.components.memory_check import check_memory
from processing.data.image_set import ImageSet
from processing.errors import UserError
from processing.geometry import warped
from processing.hdf5 import ArraySpec

DIRECTIONS = 8  # that the only image is remembered in


@dataclass(kw_only=True, eq=False)
class ShotMethod(FeatureMethod):
    """A method with a memory of a few good images: for each level, all its features.

    Features have length 1, so that their squared distance is twice the cosine
    distance. Subclasses make the network that judges from `networks`, in `use`.
    """

    needs = ("shots",)
    width: ClassVar[int] = 1  # numbers remembered for each of a feature's

    shots: int = 4
    rotations: int | None = None

    def array_specs(self) -> dict[str, ArraySpec]:
        rows = {f"bank_{x.name}": self._features(x) for x in self.chosen_levels}
        views = ArraySpec(kind="iu", rows=rows, least=1)
        return {**super().array_specs(), "views": views}

    def support(self, count: int) -> np.ndarray:
        if count < self.shots:
            raise UserError(
                f"--shots {self.shots} needs as many good images to fit. "
                f"Received: {count}"
            )
        drawn = np.random.default_rng(self.seed).permutation(count)
        return np.sort(drawn[: self.shots])

    def shots_of(self, images: TrainingImages) -> ImageSet:
        """Return the images to remember, drawn from the good ones if none are given."""
        return images.shots or images.good.subset(self.support(len(images.good)))

    def remember(self, shots: ImageSet, validation: ImageSet | None) -> None:
        views = len(shots) * self.directions
        self._check_room(views)
        self.arrays["views"] = np.array(views)
        self.add_banks(views)
        levels = zip(*self._remembered(shots), strict=True)
        for bank, features in zip(self.banks, levels, strict=True):
            bank.bank.assign(np.concatenate(features))
        self.use()
        if validation:
            self.calibrate(validation)

    def without(self, good: ImageSet, left_out: Sequence[int]) -> "ShotMethod":
        """See `Method.without`; `good` are the shots."""
        self.check_fitted()
        if self.learned:
            super().without(good, left_out)
        stay = np.setdiff1d(np.arange(len(good)), left_out)
        if not len(stay):
            raise UserError("--folds: expected more --shots: none would be left")
        twin = self.twin()
        twin.remember(good.subset(stay), None)
        return twin

    @property
    def directions(self) -> int:
        """In how many directions each image is remembered."""
        return self.rotations or (DIRECTIONS if self.shots == 1 else 1)

    @abstractmethod
    def use(self) -> None:
        """Make the network that judges, of the networks as they are."""

    @property
    def learned(self) -> bool:
        """Whether more than the memory is made of good images."""
        return True

    @property
    def banks(self) -> list[MemoryBank]:
        """The memory of each level, from shallow to deep."""
        return [self.networks[f"bank_{level.name}"] for level in self.chosen_levels]

    def add_banks(self, views: int) -> None:
        """Put empty banks for so many images into `networks`."""
        for level in self.chosen_levels:
            bank = MemoryBank(views * self._features(level), f"bank_{level.name}")
            bank.build((None, self.width * level.channels))
            self.networks[bank.name] = bank

    def _features(self, level: Level) -> int:
        """Return how many features of an image a level has."""
        height, width, _ = self.image_shape
        return (height // level.stride) * (width // level.stride)

    def unit_features(self, maps: list[Any]) -> list[Any]:
        """Return symbolic feature maps (n, h, w, d) brought to length 1."""
        unit = keras.layers.UnitNormalization(axis=-1)
        return [unit(features) for features in maps]

    def _remembered(self, shots: ImageSet) -> Iterator[list[np.ndarray]]:
        """Yield the features (n, d) of all levels of some images, perhaps turned."""
        embed = self.function(self.unit_features)
        for batch in shots.batches(BATCH):
            for turned in turns(batch, self.directions):
                yield [np.reshape(f, (-1, f.shape[-1])) for f in embed(turned)]

    def _check_room(self, views: int) -> None:
        height, width, _ = self.image_shape
        pixels = [height * width // level.stride**2 for level in self.chosen_levels]
        sizes = [self.width * level.channels for level in self.chosen_levels]
        banks = 4 * views * sum(n * d for n, d in zip(pixels, sizes, strict=True))
        compared = 2 * 4 * BLOCK * BATCH * max(pixels)
        advice = "expected fewer --shots or --rotations, or a smaller --size"
        check_memory(2 * banks + compared + self.backbone_bytes(), advice)


def turns(images: np.ndarray, number: int) -> Iterator[np.ndarray]:
    """Yield images (n, h, w, c) turned about their middle into `number` directions.

    They keep their shape; what comes in from beyond their edges repeats them. Quarters
    of a turn are exact where the shape allows it.
    """
    height, width = images.shape[1:3]
    for angle in 360 * np.arange(number) / number:
        quarters, rest = divmod(angle, 90)
        if not rest and (height == width or not quarters % 2):
            yield np.ascontiguousarray(np.rot90(images, int(quarters), (1, 2)))
            continue
        matrix, middle = np.eye(3), ((width - 1) / 2, (height - 1) / 2)
        matrix[:2] = cv2.getRotationMatrix2D(middle, angle, 1)
        yield np.stack([warped(image, matrix) for image in images])


def cosine_distances(bank: MemoryBank, features: Any) -> tuple[Any, Any]:
    """Return how far symbolic features (n, h, w, d) are from a bank, and the nearest.

    Both have length 1. Distances are (n, h, w), 1 minus the cosine, in [0, 2]; the
    nearest features are (n, h, w, d).
    """
    _, height, width, size = features.shape
    distances, index = bank(ops.reshape(features, (-1, size)))
    nearest = ops.take(bank.bank, index, axis=0)
    distances = ops.reshape(ops.square(distances) / 2, (-1, height, width))
    return distances, ops.reshape(nearest, (-1, height, width, size))
