"""CNN: a classifier that is shown defective images, too."""

import logging
from typing import Any

import numpy as np

from methods.base import Run, SupervisedMethod
from methods.engine.precision import choose_policy
from processing.data.image_set import ImageSet

from . import classifier, hirescam

EPOCHS = 20
HIGHEST = 25.5  # nats; the top of a uint8 map

log = logging.getLogger(__name__)


class CNN(SupervisedMethod):
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

    def __init__(
        self,
        *,
        name: str = "CNN",
        image_shape: tuple[int, int, int] = (256, 256, 3),
        synthetic: bool = False,
        batch_size: int = 16,
        epochs: int | None = None,
        learning_rate: float = 1e-3,
        precision: str = "auto",
        seed: int = 42,
    ):
        super().__init__(
            name=name,
            image_shape=image_shape,
            seed=seed,
            variant="synthetic" if synthetic else "supervised",
        )
        self.synthetic = synthetic
        self.needs_defects = not synthetic
        self.batch_size = batch_size
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.precision = precision

    def highest(self, kind: str) -> float:
        return HIGHEST

    def build(self) -> None:
        classifier.check_shape(self.image_shape)
        self._use(classifier.classifier(self.image_shape))

    def _use(self, network: Any) -> None:
        self.networks = {"classifier": network}
        self._verdict = hirescam.verdict_model(network)

    def fit(
        self,
        train: ImageSet,
        validation: ImageSet,
        run: Run | None = None,
        *,
        defective: ImageSet | None = None,
    ) -> "CNN":
        defective = train.subset([]) if defective is None else defective
        self.check_defective(len(defective))
        learned = f"{len(defective)} defective images (it is supervised)"
        drawn = self.synthetic or len(defective) < classifier.FEW
        if drawn:
            learned = "synthetic defects" + f" and {learned}" * (not self.synthetic)
        log.info("CNN learns from %s and may miss other kinds of defects", learned)
        saved = run.saved() if run else None
        policy = saved[1]["policy"] if saved else choose_policy(self.precision)
        network, state = classifier.train(
            classifier.labelled(train, defective, drawn),
            classifier.labelled(validation, train.subset([])),
            self._settings(policy),
            draw=classifier.drawing(train, self.seed) if drawn else None,
            hooks=run,
            saved=saved,
        )
        self._use(network)
        self.history = state["history"]
        self.file_suffix = f"_b{self.batch_size}_e{state['epochs']}"
        self.trained = {
            "supervised": not self.synthetic,
            "learned_from": learned,
            "precision": policy,
            "epochs": state["epochs"],
            "seconds": sum(row["seconds"] for row in self.history),
        }
        return self

    def _settings(self, policy: str) -> classifier.Settings:
        return classifier.Settings(
            image_shape=self.image_shape,
            batch_size=self.batch_size,
            epochs=self.epochs or EPOCHS,
            learning_rate=self.learning_rate,
            policy=policy,
            seed=self.seed,
        )

    def judge(
        self, images: np.ndarray, kind: str | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        maps, scores = self._verdict.predict_on_batch(images)
        return np.asarray(maps), np.asarray(scores)

    def inference_model(self, kind: str | None = None) -> Any:
        self.check_fitted()
        return self._verdict
