"""Few-shot detection: cosine distances from the features of a few good images."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from methods.base import BATCH, Run, TrainingImages, labelled_defects
from methods.components.enlarge import Enlarge
from methods.components.image_scores import TOP, image_scores
from methods.components.known_defects import defective_features, raised
from methods.components.map_blend import choose_fusion, fused
from methods.components.memory_bank import MemoryBank
from methods.components.synthetic_batches import validation_batches
from methods.components.synthetic_training import fit_to_defects
from methods.engine.settings import Settings
from processing.data.image_set import ImageSet
from processing.hdf5 import ArraySpec

from .few_shot_method import ShotMethod, cosine_distances
from .prototypes import HeadTrainer, residual_head

DEFECTS = "defects_"  # begins the names of banks of known defects


@dataclass(kw_only=True, eq=False)
class FewShot(ShotMethod):
    """A memory for each level of a backbone, of one or a few good images.

    As in AnomalyGPT (Gu et al. 2023, arXiv 2308.15366): the map of a level is the
    cosine distance of each feature from the nearest one in memory; the anomaly map is
    the mean of the levels' enlarged maps.

    Args:
        name: the method's name.
        image_shape: (h, w, c).
        backbone: see `FeatureMethod`.
        weights: see `FeatureMethod`.
        levels: see `FeatureMethod`; default: all of strides 8 to 32.
        shots: how many of the good images are remembered.
        rotations: directions that each is remembered in, 360 / `rotations` degrees
            apart; default: 8 of a single image, as it cannot show in which directions
            others lie, else 1.
        train: learn from synthetic defects what deviations from the memory mean; the
            maps then are a blend of distances and this, as far as it detects defects on
            validation images better.
        batch_size: images a training step.
        epochs: of the training, at most.
        learning_rate: its peak.
        known_defects: how much a distance is raised by what a feature is nearer to
            those of defects than to the memory, see `known_defects.raised`; 0 needs no
            defective images.
        sigma: pixels, the blur of the maps.
        top: share of the map whose mean is the score of an image, see `image_scores`.
        fit_runtime: see `FeatureMethod`.
        seed: of the choice.
    """

    strides = (8, 32)

    name: str = "fewshot"
    image_shape: tuple[int, int, int] = (256, 256, 3)
    train: bool = False
    batch_size: int = 8
    epochs: int = 4
    learning_rate: float = 1e-3
    known_defects: float = 0.0
    top: float = TOP

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("shots", "defective") if self.known_defects else ("shots",)

    @classmethod
    def recorded_config(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        # As all were before there was a choice.
        return {"top": 0.0, "rotations": 1, **config}

    def array_specs(self) -> dict[str, ArraySpec]:
        blend = {"blend": ArraySpec((2,))} if self.train else {}
        names = [DEFECTS + x.name for x in self.chosen_levels if self.known_defects]
        defects = {x: ArraySpec(kind="iu", rows={x: 1}, least=1) for x in names}
        return {**super().array_specs(), **blend, **defects}

    def build(self) -> None:
        self.build_backbone()
        if self.train:
            self._add_head()
        if "views" in self.arrays:  # loaded
            self.add_banks(int(self.arrays["views"]))
            self._add_defects()
            self.use()

    def fit(self, images: TrainingImages, run: Run | None = None) -> "FewShot":
        started, shots = time.perf_counter(), self.shots_of(images)
        self.trained = {"weights_sha256": self.load_backbone()}
        for name in ("blend", *(x for x in [*self.arrays] if x.startswith(DEFECTS))):
            self.arrays.pop(name, None)
        if self.train:
            keras.utils.set_random_seed(self.seed)
            self._add_head()
        more = self.train or self.known_defects
        self.remember(shots, None if more else images.validation)
        if self.train:
            self._learn(without(images.good, shots), images.validation, run)
        if self.known_defects:
            self._remember_defects(labelled_defects(images))
        if more:
            self.use()
            self.calibrate(images.validation)
        self.trained |= {
            "shots": list(shots.names),
            "seconds": time.perf_counter() - started,
        }
        return self

    @property
    def learned(self) -> bool:
        return self.train

    def twin(self) -> "FewShot":
        twin = super().twin()
        defects = {x: y for x, y in self.networks.items() if x.startswith(DEFECTS)}
        twin.networks |= defects
        return twin

    def _remember_defects(self, defective: ImageSet) -> None:
        embed = self.function(self.unit_features)
        found = defective_features(defective, embed, self.banks)
        known = {
            DEFECTS + x.name: y for x, y in zip(self.chosen_levels, found, strict=True)
        }
        self.arrays |= {name: np.array(len(known[name])) for name in known}
        self._add_defects()
        for name, features in known.items():
            self.networks[name].bank.assign(features)

    def _add_defects(self) -> None:
        """Put empty banks of known defects, if there are any, into `networks`."""
        for level in self.chosen_levels:
            if (name := DEFECTS + level.name) in self.arrays:
                self.networks[name] = MemoryBank(int(self.arrays[name]), name)
                self.networks[name].build((None, level.channels))

    def _add_head(self) -> None:
        height, width, _ = self.image_shape
        self.networks["head"] = residual_head(
            [
                (height // level.stride, width // level.stride, level.channels)
                for level in self.chosen_levels
            ]
        )

    def _learn(self, train: ImageSet, validation: ImageSet, run: Run | None) -> None:
        """Train the head, and find how much of it makes the maps better."""
        settings = Settings(
            batch_size=self.batch_size,
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            seed=self.seed,
        )
        front = self.front()
        deviations = keras.Model(front.inputs, self._compare(front.maps)[1])
        enlarge = Enlarge(self.image_shape[:2], 0)
        trainer = HeadTrainer(deviations, self.networks["head"], enlarge)
        state = fit_to_defects(trainer, train, validation, settings, run, front.take)
        self.history = state["history"]
        self.arrays["blend"] = np.eye(2, dtype=np.float32)  # both maps apart
        self.use()
        batches = validation_batches(validation, BATCH, self.seed)
        pairs = [batches[i] for i in range(len(batches))]
        judge = self.function(self.judged)
        maps = [judge(images)[0] for images, _ in pairs]
        masks = np.concatenate([masks for _, masks in pairs])
        self.arrays["blend"], separations = choose_fusion(
            np.moveaxis(np.concatenate(maps), 1, 0), masks
        )
        self.trained |= {"best_epoch": state["best_epoch"], "blends": separations}

    def _compare(self, maps: list[Any]) -> tuple[list[Any], list[Any]]:
        """Compare symbolic feature maps with the memory, level by level.

        Returns distances (n, h, w) from the nearest features and deviations from them,
        (n, h, w, d).
        """
        distances, deviations = [], []
        features = self.unit_features(maps)
        for level, bank, queries in zip(
            self.chosen_levels, self.banks, features, strict=True
        ):
            distance, nearest = cosine_distances(bank, queries)
            if known := self.networks.get(DEFECTS + level.name):
                to_defects, _ = cosine_distances(known, queries)
                distance = raised(distance, to_defects, self.known_defects)
            distances.append(distance)
            deviations.append(ops.abs(queries - nearest))
        return distances, deviations

    def use(self) -> None:
        self.make_graph("fewshot")

    def judged(self, maps: list[Any]) -> list[Any]:
        distances, deviations = self._compare(maps)
        size = self.image_shape[:2]
        enlarged = [
            Enlarge(size, self.sigma, f"enlarge_{level.name}")(distance)
            for level, distance in zip(self.chosen_levels, distances, strict=True)
        ]
        result = sum(enlarged) / len(enlarged)
        if "blend" in self.arrays:
            odds = ops.softplus(self.networks["head"](deviations))
            learned = Enlarge(size, self.sigma, "enlarge_head")(odds)
            result = fused(self.arrays["blend"], result, learned)
        return [result, image_scores(result, self.top)]


def without(images: ImageSet, shots: ImageSet) -> ImageSet:
    """Return the images that are not among the shots; all where none are left."""
    names = set(shots.names)
    others = [i for i, name in enumerate(images.names) if name not in names]
    return images.subset(others) if others else images
