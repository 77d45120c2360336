"""Few-shot detection: cosine distances from the features of a few good images."""

import time
from typing import Any

import keras
import numpy as np

from processing.images import ImageSet

from .base import NotFittedError, Run
from .features import Enlarge
from .shots import ShotMethod, cosine_distances


class FewShot(ShotMethod):
    """A memory for each level of a backbone, of one or a few good images.

    As in AnomalyGPT (Gu et al. 2023, arXiv 2308.15366): the map of a level is the
    cosine distance of each feature from the nearest one in memory; the anomaly map is
    the mean of the levels' enlarged maps, and the score of an image its maximum.

    Args:
        name: the method's name.
        image_shape: (h, w, c).
        backbone: see `FeatureMethod`.
        weights: see `FeatureMethod`.
        levels: see `FeatureMethod`; default: all of strides 8 to 32.
        shots: how many of the good images are remembered.
        rotations: remember each turned by 90, 180 and 270 degrees, too.
        sigma: pixels, the blur of the maps.
        seed: of the choice.
    """

    strides = (8, 32)

    def __init__(
        self,
        *,
        name: str = "fewshot",
        image_shape: tuple[int, int, int] = (256, 256, 3),
        backbone: str = "efficientnet_lite0",
        weights: str = "imagenet",
        levels: str | None = None,
        shots: int = 4,
        rotations: bool = False,
        sigma: float = 4.0,
        seed: int = 42,
    ):
        super().__init__(
            name=name,
            image_shape=image_shape,
            backbone=backbone,
            weights=weights,
            levels=levels,
            sigma=sigma,
            seed=seed,
        )
        self.shots = shots
        self.rotations = rotations

    def get_config(self) -> dict[str, Any]:
        own = {"shots": self.shots, "rotations": self.rotations}
        return {**super().get_config(), **own}

    def build(self) -> None:
        self.build_backbone()
        if "views" in self.arrays:  # loaded
            self.add_banks(int(self.arrays["views"]))
            self.use()

    def fit(
        self,
        train: ImageSet,
        validation: ImageSet,
        run: Run | None = None,
        *,
        shots: ImageSet | None = None,
    ) -> "FewShot":
        started = time.perf_counter()
        shots = shots or train.subset(self.support(len(train)))
        self._trained = {"weights_sha256": self.load_backbone()}
        self.remember(shots, validation)
        self._trained |= {
            "shots": list(shots.names),
            "seconds": time.perf_counter() - started,
        }
        return self

    def use(self) -> None:
        images = keras.Input(self.image_shape, name="images")
        maps = []
        features = self.unit_features(images)
        for level, bank, found in zip(
            self.chosen_levels, self.banks, features, strict=True
        ):
            distances, _ = cosine_distances(bank, found)
            enlarge = Enlarge(self.image_shape[:2], self.sigma, f"enlarge_{level.name}")
            maps.append(enlarge(distances))
        mean = sum(maps) / len(maps)
        scores = keras.ops.max(mean, axis=(1, 2))
        self._judge = keras.Model(images, [mean, scores], name="fewshot")

    def check_fitted(self) -> None:
        if "views" not in self.arrays:
            raise NotFittedError("fewshot is not fitted: call `fit`, or load a model")

    def inference_model(self) -> Any:
        self.check_fitted()
        return self._judge

    def anomaly_map(self, images: np.ndarray) -> np.ndarray:
        return self.judge_batch(images)[0]

    def score(self, images: np.ndarray, maps: np.ndarray) -> np.ndarray:
        return maps.max(axis=(1, 2))  # the maps are blurred already

    def judge_batch(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.check_fitted()
        maps, scores = self._judge.predict_on_batch(images)
        return np.asarray(maps), np.asarray(scores)
