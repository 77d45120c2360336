"""Contrastive features of pixels, clustered image by image."""

import time
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from methods.base import BATCH, NotFittedError, Run, TrainingImages
from methods.components.enlarge import Enlarge, on_grid
from methods.components.feature_method import FeatureMethod
from methods.components.map_blend import separation
from methods.components.synthetic_batches import validation_batches
from methods.components.synthetic_training import fit_to_defects
from methods.engine.runtimes import KERAS
from methods.engine.settings import Settings
from processing.data.image_set import ImageSet
from processing.hdf5 import ArraySpec

from .clustering import (
    CLUSTERINGS,
    GoodPixels,
    centroids,
    distances,
    from_good,
    typical,
)
from .pixel_contrast import PixelContrast

CENTRES = 32  # of the pixels of good images
DRAWN = 64  # pixels of a good image that they come from


@dataclass(kw_only=True, eq=False)
class Contrastive(FeatureMethod):
    """Clusters of features that separate good from defective pixels (arXiv 2308.09307).

    As in FOCAL (Wu et al. 2023) an encoder learns, from synthetic defects, to pull good
    pixels together and away from the defective ones, and the features of each image are
    clustered. Unlike there, it does so across the images of a batch, good clusters
    are those that look like the training images, and the map is the distance from them,
    in units of the highest that good images have. Training that does not separate the
    synthetic defects on validation images better is undone.

    Args:
        name: the method's name.
        image_shape: (h, w, c).
        backbone: the encoder, see `FeatureMethod`.
        weights: it starts with, see `FeatureMethod`; "random" to learn from scratch.
        levels: see `FeatureMethod`; default: all of strides 8 to 32.
        cluster: a key of `CLUSTERINGS`.
        batch_size: images a training step.
        epochs: of the training, at most; 0 keeps the encoder as it is.
        learning_rate: its peak.
        sigma: pixels, the blur of the maps.
        seed: of everything random.
    """

    map_kinds = ("separation",)
    strides = (8, 32)
    from_scratch = True

    name: str = "contrastive"
    image_shape: tuple[int, int, int] = (256, 256, 3)
    backbone: str = "swin_tiny"
    fit_runtime: str = field(init=False, default=KERAS)
    cluster: str = "kmeans"
    batch_size: int = 8
    epochs: int = 4
    learning_rate: float = 1e-4

    def array_specs(self) -> dict[str, ArraySpec]:
        size = sum(level.channels for level in self.chosen_levels)
        return {
            **super().array_specs(),
            "centres": ArraySpec((None, size)),
            "reach": ArraySpec(least=0),
            "level": ArraySpec(least=float(np.finfo(np.float32).tiny)),  # a divisor
        }

    def build(self) -> None:
        self.build_backbone()
        self._use()

    def _use(self) -> None:
        """Make the network from images to features (n, h, w, d) of length 1."""
        images = keras.Input(self.image_shape, name="images")
        merged = on_grid(self.feature_maps(images), self.grid)
        features = keras.layers.UnitNormalization(axis=-1)(merged)
        self._embedder = keras.Model(images, features, name="pixels")
        self._enlarge = Enlarge(self.image_shape[:2], self.sigma)

    def fit(self, images: TrainingImages, run: Run | None = None) -> "Contrastive":
        started = time.perf_counter()
        self.trained = {"weights_sha256": self.load_backbone()}
        self._use()
        self._know(images)
        if self.epochs:
            self._learn(images, run)
        self.calibrate(images.validation)
        self.trained["seconds"] = time.perf_counter() - started
        return self

    def _learn(self, images: TrainingImages, run: Run | None) -> None:
        """Train the encoder, and take that back if it was of no use."""
        settings = Settings(
            batch_size=self.batch_size,
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            seed=self.seed,
        )
        before, arrays = self._embedder.get_weights(), dict(self.arrays)
        frozen = self._separation(images.validation)
        trainer = PixelContrast(self._embedder, self.seed)
        state = fit_to_defects(trainer, images.good, images.validation, settings, run)
        self.history = state["history"]
        self._know(images)
        learned = self._separation(images.validation)
        if learned < frozen:
            self._embedder.set_weights(before)
            self.arrays = arrays
        self.trained |= {
            "best_epoch": state["best_epoch"],
            "separation_before": frozen,
            "separation_after": learned,
        }

    def _know(self, images: TrainingImages) -> None:
        """Learn what pixels and clusters of good images are like."""
        rng, drawn = np.random.default_rng(self.seed), []
        for pixels in self._pixels(images.good):
            drawn.append(rng.permutation(pixels)[:DRAWN])
        centres = typical(np.concatenate(drawn), CENTRES, self.seed)
        reach = 0.0
        for pixels in self._pixels(images.validation):
            means = centroids(pixels, CLUSTERINGS[self.cluster](pixels, self.seed))
            reach = max(reach, float(distances(means, centres).max()))
        self.arrays |= {"centres": centres, "reach": np.array(reach, np.float32)}
        self.arrays["level"] = np.array(1.0, np.float32)
        highest = [self.anomaly_map(b).max() for b in images.validation.batches(BATCH)]
        self.arrays["level"] = np.array(max(highest), np.float32)

    def _pixels(self, images: ImageSet) -> Any:
        """Yield the features (pixels, d) of each image."""
        for batch in images.batches(BATCH):
            yield from self._of_batch(batch)

    def _of_batch(self, images: np.ndarray) -> np.ndarray:
        """Return the features (n, pixels, d) of a batch of images."""
        features = np.asarray(self._embedder.predict_on_batch(images))
        return features.reshape(len(images), -1, features.shape[-1])

    def _separation(self, validation: ImageSet) -> float:
        """Return how well maps separate synthetic defects on good images."""
        batches = validation_batches(validation, BATCH, self.seed)
        pairs = [batches[i] for i in range(len(batches))]
        maps = np.concatenate([self.anomaly_map(images) for images, _ in pairs])
        return separation(maps, np.concatenate([masks for _, masks in pairs]))

    def check_fitted(self) -> None:
        if "centres" not in self.arrays:
            raise NotFittedError("contrastive is not fitted: call `fit`, or load one")

    def judge(
        self, images: np.ndarray, kind: str | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        good = GoodPixels(self.arrays["centres"], float(self.arrays["reach"]))
        away = [
            from_good(pixels, CLUSTERINGS[self.cluster](pixels, self.seed), good)
            for pixels in self._of_batch(images)
        ]
        maps = np.stack(away).reshape(-1, *self.grid)
        maps = np.asarray(self._enlarge(maps)) / self.arrays["level"]
        return maps, maps.max(axis=(1, 2))  # they are blurred already
