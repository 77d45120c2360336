"""CNN: a classifier that is shown defective images, too."""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np

from methods.base import Method, Run, TrainingImages, check_defective
from methods.engine.settings import Settings
from methods.engine.training import resumed, summary
from processing.hdf5 import ArraySpec

from . import classifier, hirescam

EPOCHS = 20
HIGHEST = 25.5  # nats; the top of a uint8 map

log = logging.getLogger(__name__)


@dataclass(kw_only=True, eq=False)
class CNN(Method):
    """A small classifier trained on good and on defective images.

    It is supervised, unless all defects are synthetic. Where there are few real ones,
    synthetic ones are added.

    The score is -log p(good), in nats, of the mean logits of the image and its flips:
    it grows with p(defective) but does not end at 1. Maps say which part of an image
    speaks for a defect, scaled so that their highest value is the score; of an image
    with no such part, all are the score.

    Args:
        name: as in the registry.
        image_shape: (h, w, c).
        synthetic: learn from defects drawn on the good images alone.
        batch_size: images a training step.
        epochs: or None for 20.
        learning_rate: of Adam, at its peak.
        precision: "auto", "float32" or "bfloat16", for training alone.
        seed: of everything random.
    """

    map_kinds = ("cam",)

    name: str = "CNN"
    image_shape: tuple[int, int, int] = (256, 256, 3)
    synthetic: bool = False
    batch_size: int = 16
    epochs: int | None = None
    learning_rate: float = 1e-3
    precision: str = "auto"

    @property
    def variant(self) -> str:
        return "synthetic" if self.synthetic else "supervised"

    def array_specs(self) -> dict[str, ArraySpec]:
        return {}

    def highest(self, kind: str) -> float:
        return HIGHEST

    def build(self) -> None:
        classifier.check_shape(self.image_shape)
        self._use(classifier.classifier(self.image_shape))

    def _use(self, network: Any) -> None:
        self.networks = {"classifier": network}
        self._verdict = hirescam.verdict_model(network)

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        return () if self.synthetic else ("defective",)

    def fit(self, images: TrainingImages, run: Run | None = None) -> "CNN":
        good = images.good
        defective = images.defective or good.subset([])
        if self.needs:
            check_defective(self.name, len(defective))
        learned = f"{len(defective)} defective images (it is supervised)"
        drawn = self.synthetic or len(defective) < classifier.FEW
        if drawn:
            learned = "synthetic defects" + f" and {learned}" * (not self.synthetic)
        log.info("CNN learns from %s and may miss other kinds of defects", learned)
        saved, policy = resumed(run, self.precision)
        network, state = classifier.train(
            self.image_shape,
            classifier.labelled(good, defective, drawn),
            classifier.labelled(images.validation, good.subset([])),
            self._settings(policy),
            run,
            draw=classifier.drawing(good, self.seed) if drawn else None,
            saved=saved,
        )
        self._use(network)
        self.history = state["history"]
        self.file_suffix = f"_b{self.batch_size}_e{state['epochs']}"
        self.trained = {
            **summary(state),
            "supervised": not self.synthetic,
            "learned_from": learned,
        }
        return self

    def _settings(self, policy: str) -> Settings:
        return Settings(
            batch_size=self.batch_size,
            epochs=self.epochs or EPOCHS,
            learning_rate=self.learning_rate,
            policy=policy,
            seed=self.seed,
            patience=None,
        )

    def judge(
        self, images: np.ndarray, kind: str | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        maps, scores = self._verdict.predict_on_batch(images)
        return np.asarray(maps), np.asarray(scores)

    def inference_model(self, kind: str | None = None) -> Any:
        self.check_fitted()
        return self._verdict
