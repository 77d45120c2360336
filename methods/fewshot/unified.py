"""Few-shot memory behind projections learned by contrast, of one or many categories."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import ops

from methods.base import BATCH, Run, TrainingImages
from methods.components.map_blend import SHARES, best_share, separation
from methods.components.synthetic_batches import validation_batches
from methods.components.synthetic_training import fit_to_batches
from methods.engine.settings import Settings
from processing.data.image_set import ImageSet
from processing.hdf5 import ArraySpec

from .episodes import Episodes
from .fewshot import FewShot
from .projection import EpisodeContrast, projection_head


@dataclass(kw_only=True, eq=False)
class Unified(FewShot):
    """`FewShot` with features that were taught what a defect is.

    A linear projection of each level learns, from synthetic defects, to bring good
    pixels nearer to the memory than defective ones, by InfoNCE as in FOCAL (Wu et al.
    2023, arXiv 2308.09307). It does so in episodes of one category each, every time
    with another memory, so that it serves the memory of any category.

    The backbone stays as it is. What is remembered and compared are its features and
    the projected ones, side by side, so that distances are a mean of both. The share of
    the projected ones is chosen on synthetic defects on validation images, and is 0 if
    they gain nothing: then the maps are those of `FewShot`.

    Args:
        name: the method's name.
        image_shape: see `FewShot`.
        backbone: see `FeatureMethod`.
        weights: see `FeatureMethod`.
        levels: see `FewShot`.
        shots: see `FewShot`.
        rotations: see `FewShot`, but 1 by default.
        batch_size: images of an episode; half of them at most are remembered.
        epochs: see `FewShot`.
        learning_rate: see `FewShot`.
        sigma: see `FewShot`.
        top: see `FewShot`.
        fit_runtime: see `FeatureMethod`.
        seed: see `FewShot`.
    """

    width = 2
    multi_category = True

    name: str = "unified"
    rotations: int | None = 1
    train: bool = field(init=False, default=False)
    known_defects: float = field(init=False, default=0.0)

    def array_specs(self) -> dict[str, ArraySpec]:
        specs = {**super().array_specs(), "share": ArraySpec()}
        views = self.arrays.get("views", 0)
        memory = {
            f"bank_{x.name}": ArraySpec((views * self._features(x), 2 * x.channels))
            for x in self.chosen_levels
        }
        memory["good_maximum"] = specs["good_maximum"]
        for category in {x.partition("@")[2] for x in self.arrays if "@" in x}:
            specs |= {f"{name}@{category}": spec for name, spec in memory.items()}
        return specs

    def build_backbone(self) -> None:
        super().build_backbone()
        for level in self.chosen_levels:
            name = f"projection_{level.name}"
            self.networks[name] = projection_head(level.channels, name)

    def fit(self, images: TrainingImages, run: Run | None = None) -> "Unified":
        return self.fit_categories({"": images}, run)

    def fit_categories(
        self, categories: Mapping[str, TrainingImages], run: Run | None = None
    ) -> "Unified":
        started = time.perf_counter()
        self.arrays.clear()
        self.trained = {"weights_sha256": self.load_backbone()}
        known = list(categories.values())
        state = self._learn_episodes(known, run)
        self.history = state["history"]
        metrics = {share: self._separation(known, share) for share in SHARES}
        self.arrays["share"] = np.array(best_share(metrics), np.float32)
        memories: dict[str, np.ndarray] = {}
        for name in reversed(list(categories)):
            self.remember(self.shots_of(categories[name]), categories[name].validation)
            memories |= self._memory(name) if name else {}  # none of `fit`
        self.arrays |= memories
        self.trained |= {
            "shots": {
                name: list(self.shots_of(c).names) for name, c in categories.items()
            },
            "best_epoch": state["best_epoch"],
            "shares": {str(share): metric for share, metric in metrics.items()},
            "seconds": time.perf_counter() - started,
        }
        return self

    @property
    def learned(self) -> bool:
        return True

    def remember(self, shots: ImageSet, validation: ImageSet | None) -> None:
        for name in [name for name in self.arrays if "@" in name]:  # other categories
            del self.arrays[name]
        super().remember(shots, validation)

    def choose(self, category: str) -> None:
        for bank in self.banks:
            bank.bank.assign(self.arrays[f"{bank.name}@{category}"])
        self.arrays["good_maximum"] = self.arrays[f"good_maximum@{category}"]

    def _memory(self, name: str) -> dict[str, np.ndarray]:
        memory = {f"{b.name}@{name}": np.asarray(b.bank) for b in self.banks}
        return {**memory, f"good_maximum@{name}": self.arrays["good_maximum"]}

    def unit_features(self, maps: list[Any]) -> list[Any]:
        """Return features and projected ones, weighted, side by side: (n, h, w, 2 d).

        Their length is 1, and their cosine the mean of both cosines.
        """
        share = float(self.arrays["share"])
        plain, learned = (keras.layers.Rescaling(x**0.5) for x in (1 - share, share))
        pairs = zip(super().unit_features(maps), self._projections, strict=True)
        return [
            ops.concatenate([plain(features), learned(project(features))], axis=-1)
            for features, project in pairs
        ]

    @property
    def _projections(self) -> list[keras.Model]:
        return [self.networks[f"projection_{x.name}"] for x in self.chosen_levels]

    def _learn_episodes(
        self, known: list[TrainingImages], run: Run | None
    ) -> dict[str, Any]:
        """Train the projections and return the state of the training."""
        settings = Settings(
            batch_size=self.batch_size,
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            seed=self.seed,
        )
        front = self.front()
        features = keras.Model(front.inputs, super().unit_features(front.maps))
        shots = max(1, min(self.shots, self.batch_size // 2))
        trainer = EpisodeContrast(features, self._projections, shots, self.seed)
        draw = (shots, max(self.batch_size, 2), self.seed)
        batches = Episodes([(c.good, c.good) for c in known], *draw)
        steps = sum(-(-len(c.validation) // (draw[1] - shots)) for c in known)
        checks = Episodes(
            [(self.shots_of(c), c.validation) for c in known], *draw, steps
        )
        return fit_to_batches(trainer, batches, checks, settings, run, front.take)

    def _separation(self, known: list[TrainingImages], share: float) -> float:
        """Return how well maps separate synthetic defects, the mean of the categories.

        Every validation image is judged as it is and with a defect.
        """
        self.arrays["share"] = np.array(share, np.float32)
        metrics = []
        for category in known:
            self.remember(self.shots_of(category), None)
            maps, masks = [], []
            for part in (0.0, 1.0):
                draw = category.validation, BATCH, self.seed
                batches = validation_batches(*draw, share=part)
                for images, truth in (batches[i] for i in range(len(batches))):
                    maps.append(self.anomaly_map(images))
                    masks.append(truth)
            metrics.append(separation(np.concatenate(maps), np.concatenate(masks)))
        return float(np.mean(metrics))
