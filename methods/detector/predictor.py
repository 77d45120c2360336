"""A trained and finetuned model as a part of other programs; see `methods.load`."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from processing.decision.decision import Decision
from processing.errors import UsageError

from .decisions import decision_maps, load_decided
from .detector import Detector


class Prediction(NamedTuple):
    """What is said of n images; maps and masks lie on the images resized to (h, w).

    Attributes:
        scores: (n,) float32, higher = more anomalous.
        maps: (n, h, w) float32, higher = more anomalous.
        masks: (n, h, w) bool, True where the decision sees a defect.
        verdicts: (n,) bool, True for a defective image.
    """

    scores: np.ndarray
    maps: np.ndarray
    masks: np.ndarray
    verdicts: np.ndarray


class Predictor:
    """A detector and its decision.

    Args:
        detector: fitted.
        decision: what makes an image defective.
        kind: of the maps that the decision is for; None for the method's default.
        dtype: of these maps: "float64" or "uint8".
    """

    def __init__(
        self,
        detector: Detector,
        decision: Decision,
        kind: str | None = None,
        dtype: str = "float64",
    ):
        self.detector = detector
        self.decision = decision
        self.kind = kind or detector.method.default_kind
        self.dtype = dtype

    @classmethod
    def load(
        cls,
        path: Path,
        results: Path,
        kind: str | None,
        dtype: str | None,
        category: str | None,
    ) -> "Predictor":
        """Load a model file and the newest matching decision; see `methods.load`."""
        folder = Path(category) if category else None
        detector, _, finetuned = load_decided(path, folder, results, kind, dtype)
        decision = Decision.of_result(finetuned)
        return cls(detector, decision, finetuned["method"], finetuned["dtype"])

    def predict(
        self, images: np.ndarray | Sequence[np.ndarray], batch_size: int = 16
    ) -> Prediction:
        """Judge images as `test.py` judges them, whatever else is among them.

        Args:
            images: array (n, h, w, c), or n arrays of any sizes, each (h, w) or
                (h, w, 1) grey, (h, w, 3) RGB or (h, w, 4) RGBA, of uint8 or uint16.
            batch_size: images, or tiles of them, that the method sees at once.

        Raises:
            UsageError: an image of another type or shape.
        """
        if isinstance(images, np.ndarray) and images.ndim != 4:
            raise UsageError(
                f"expected images (n, h, w, c), or a list. Received: {images.shape}"
            )
        shape = (len(images), *self.detector.image_shape[:2])
        scores = np.empty(shape[:1], np.float32)
        maps, masks = np.empty(shape, np.float32), np.empty(shape, bool)
        done = 0
        for judged in self.detector.judge_arrays(list(images), self.kind, batch_size):
            part = slice(done, done := done + len(judged.scores))
            scores[part], maps[part] = judged.scores, judged.maps
            decided = decision_maps(
                self.detector.method, self.kind, judged.maps, self.dtype
            )
            masks[part] = [self.decision.mask(one) for one in decided]
        verdicts = np.array([mask.any() for mask in masks], bool)
        return Prediction(scores, maps, masks, verdicts)
