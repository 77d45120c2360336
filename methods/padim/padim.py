"""PaDiM: a Gaussian of pretrained features at every position of an image."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from methods import backbones
from methods.base import BATCH, Run, TrainingImages
from methods.components.enlarge import Enlarge, on_grid
from methods.components.image_scores import TOP, image_scores
from methods.components.levelled import Levelled
from methods.components.memory_check import check_memory
from methods.components.sharded_method import ShardedMethod, shards, sharing
from processing.data.image_set import ImageSet
from processing.errors import UsageError, UserError
from processing.hdf5 import ArraySpec

from .gaussian import Gaussian, Statistics, is_dual, peak_bytes
from .mahalanobis import Mahalanobis
from .presets import PRESETS, preset

FEATURES = {"wide_resnet50_2": 550}  # kept of a backbone's channels, in the paper
OTHERS = 100  # kept of any other backbone's

log = logging.getLogger(__name__)


@dataclass(kw_only=True, eq=False)
class PaDiM(ShardedMethod):
    """Mahalanobis distances of features (Defard et al. 2020, arXiv 2011.08785).

    Args:
        name: the method's name.
        image_shape: (h, w, c).
        backbone: see `FeatureMethod`.
        weights: see `FeatureMethod`.
        levels: see `FeatureMethod`; default: those of the preset's strides.
        preset: key of `PRESETS`: how features are made comparable.
        features: how many channels are drawn; None for the paper's number: 550 of
            wide_resnet50_2, else 100.
        sigma: pixels, the blur of the maps.
        top: share of the map whose mean is the score of an image, see `image_scores`.
        fit_runtime: see `FeatureMethod`.
        seed: of the draw.
    """

    strides = PRESETS["levelled"].strides
    updatable = True

    name: str = "PaDiM"
    image_shape: tuple[int, int, int] = (256, 256, 3)
    preset: str = "levelled"
    features: int | None = None
    top: float = TOP

    @classmethod
    def recorded_config(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        # As all were before there was a choice.
        return {"preset": "paper", "top": 0.0, **config}

    def choose_levels(self) -> tuple[list[backbones.Level], list[str]]:
        strides = preset(self.preset).strides
        return backbones.choose(self.backbone, strides, self.levels)

    @property
    def grid(self) -> tuple[int, int]:
        """Height and width of the positions that have a Gaussian each."""
        stride = self._stride()
        return self.image_shape[0] // stride, self.image_shape[1] // stride

    def _stride(self) -> int:
        """Return the stride of the grid: that of one of the levels, or between them."""
        strides = [level.stride for level in self.chosen_levels]
        return min(max(strides[0], preset(self.preset).stride), strides[-1])

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

    @property
    def epsilon(self) -> float:
        """What is added to all variances."""
        return preset(self.preset).epsilon

    def array_specs(self) -> dict[str, ArraySpec]:
        return {
            **super().array_specs(),
            "count": ArraySpec(kind="iu", least=1),
            "index": ArraySpec((self.channels,), "iu"),
        }

    def check_backbone(self) -> None:
        super().check_backbone()
        assert self.channels

    def build(self) -> None:
        self.build_backbone()
        if "count" in self.arrays:  # loaded
            self._use(Mahalanobis(int(self.arrays["count"]), self.epsilon))

    def _draw(self) -> np.ndarray:
        """Return the sorted index of the channels to keep."""
        rng = np.random.default_rng(self.seed)
        sizes = [level.channels for level in self.chosen_levels]
        if not preset(self.preset).levelled:
            return np.sort(rng.permutation(sum(sizes))[: self.channels])
        shares = shared_out(self.channels, sizes)
        starts = np.cumsum([0, *sizes[:-1]])
        drawn = [
            start + np.sort(rng.permutation(size)[:share])
            for start, size, share in zip(starts, sizes, shares, strict=True)
        ]
        return np.concatenate(drawn)

    def arrange(self, maps: Sequence[Any]) -> Any:
        index, start, kept = self.arrays["index"], 0, []
        for level, features in zip(self.chosen_levels, maps, strict=True):
            end = start + level.channels
            chosen = index[(start <= index) & (index < end)] - start
            kept += [self._kept(features, level, chosen)] if len(chosen) else []
            start = end
        return on_grid(kept, self.grid)

    def _kept(self, features: Any, level: backbones.Level, chosen: np.ndarray) -> Any:
        """Return some channels of a level, averaged if it is finer than the grid."""
        if preset(self.preset).levelled:
            features = Levelled(level.channels**0.5)(features)
        features = ops.take(features, chosen, axis=-1)
        finer = self._stride() // level.stride
        return keras.layers.AveragePooling2D(finer)(features) if finer > 1 else features

    def distances(self, maps: Sequence[Any]) -> Any:
        return self.networks["gaussian"](self.arrange(maps))

    def judged(self, maps: list[Any]) -> list[Any]:
        result = Enlarge(self.image_shape[:2], self.sigma)(self.distances(maps))
        return [result, image_scores(result, self.top)]

    def _use(self, layer: Mahalanobis) -> None:
        """Take `layer` as the fitted Gaussian and make the network that judges."""
        self.networks["gaussian"] = layer
        self.make_graph("padim")

    def fit(self, images: TrainingImages, run: Run | None = None) -> "PaDiM":
        started = time.perf_counter()
        self._check_memory(len(images.good))
        digest = self.load_backbone()
        self.arrays["index"] = self._draw()
        height, width = self.grid
        statistics = Statistics(height * width, self.channels, len(images.good))
        self._take(statistics, images.good, run)
        self.trained = {"weights_sha256": digest}
        return self._finish(statistics, images.validation, started)

    def update(self, images: TrainingImages, run: Run | None = None) -> "PaDiM":
        self.check_fitted()
        started = time.perf_counter()
        total = self.networks["gaussian"].count + len(images.good)
        self._check_memory(total)
        gaussian = self._gaussian()
        del self.networks["gaussian"]  # its memory is needed
        self.graph = None
        statistics = Statistics.extending(gaussian, len(images.good))
        self._take(statistics, images.good, run)
        return self._finish(statistics, images.validation, started)

    def without(self, good: ImageSet, left_out: Sequence[int]) -> "PaDiM":
        """See `Method.without`: the sums of their features are taken away.

        Where few images stay, features are kept in the place of sums, and those of the
        images that stay are added up.
        """
        self.check_fitted()
        twin, count = self.twin(), self.networks["gaussian"].count
        stay = np.setdiff1d(np.arange(len(good)), left_out)
        if count != len(good) or len(stay) == 0:
            raise UserError(
                f"--folds: expected the {count} images that the model was fitted to, "
                f"and some of them to stay. Received: {len(good)}, of which "
                f"{len(stay)} stay"
            )
        if is_dual(len(stay), self.channels):
            height, width = self.grid
            statistics = Statistics(height * width, self.channels, len(stay))
            twin._take(statistics, good.subset(stay), None)
        else:
            statistics = Statistics.extending(self._gaussian(), 0)
            for features in twin._flat(good.subset(left_out)):
                statistics.remove(features)
        gaussian = statistics.finish(self.epsilon)
        twin.arrays["count"] = np.array(gaussian.count)
        twin._use(Mahalanobis.of(gaussian))
        return twin

    def _take(self, statistics: Statistics, images: ImageSet, run: Run | None) -> None:
        """Add the features of all images to `statistics`."""
        address = sharing(run, images)
        if not address or statistics.upper:
            for features in self._flat(images):
                statistics.add(features)
            return
        if statistics.shift is None:
            [first] = self._flat(images.subset(range(BATCH)))
            statistics.shift = first.mean(axis=0)
        needed, given = self._needed(statistics.images), statistics.empty()
        for part in shards(self, images, given, address, needed):
            statistics.merge(part)

    def shard(self, images: ImageSet, start: int, given: Statistics) -> Statistics:
        statistics = given.empty()
        for features in self._flat(images):
            statistics.add(features)
        return statistics

    def _flat(self, images: ImageSet) -> Iterator[np.ndarray]:
        """Yield the features (n, p, d) of images, batch by batch."""
        for features in self.embedded(images):
            yield features.reshape(len(features), -1, features.shape[-1])

    def _finish(
        self, statistics: Statistics, validation: ImageSet, started: float
    ) -> "PaDiM":
        gaussian = statistics.finish(self.epsilon)
        self.arrays["count"] = np.array(gaussian.count)
        self._use(Mahalanobis.of(gaussian))
        self.calibrate(validation)
        self.trained |= {
            "images": gaussian.count,
            "channels": self.channels,
            "seconds": time.perf_counter() - started,
        }
        return self

    def _gaussian(self) -> Gaussian:
        """Return a copy of the Gaussian in its layer."""
        layer = self.networks["gaussian"]
        mean, *blocks = (np.array(weight) for weight in layer.weights)
        rows, upper = blocks[: len(layer.rows)], blocks[len(layer.rows) :]
        return Gaussian(layer.count, mean, layer.epsilon, rows, upper)

    def _needed(self, count: int) -> int:
        """Return about how many bytes `count` images take."""
        height, width = self.grid
        sums = peak_bytes(count, height * width, self.channels)
        return sums + self.backbone_bytes()

    def _check_memory(self, count: int) -> None:
        check_memory(
            self._needed(count),
            "expected less with --features or --size",
        )


def shared_out(count: int, sizes: Sequence[int]) -> list[int]:
    """Return how many of `count` things to take of each size, as equally as they go."""
    shares = [0] * len(sizes)
    order = sorted(range(len(sizes)), key=sizes.__getitem__)
    for taken, index in enumerate(order):
        left = count - sum(shares)
        shares[index] = min(sizes[index], left // (len(order) - taken))
    return shares
