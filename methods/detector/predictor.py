"""A trained and finetuned model as a part of other programs; see `methods.load`."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from processing.errors import UsageError

from .decisions import load_decided
from .judge import Judge


class Prediction(NamedTuple):
    """What is said of n images; maps and masks lie on the images resized to (h, w).

    Attributes:
        scores: (n,) float32, higher = more anomalous.
        maps: (n, h, w) float32, higher = more anomalous.
        masks: (n, h, w) bool, True where the decision sees a defect.
        verdicts: (n,) bool, True for a defective image.
        regions: n tables of the defects, column -> (number of regions,); see
            `processing.decision.regions.regions_of`.
    """

    scores: np.ndarray
    maps: np.ndarray
    masks: np.ndarray
    verdicts: np.ndarray
    regions: list[dict[str, np.ndarray]]


class Predictor:
    """A model that judges images in memory.

    Args:
        judge: its detector and decision.
    """

    def __init__(self, judge: Judge):
        self.judge = judge

    @classmethod
    def load(
        cls,
        path: Path,
        results: Path,
        kind: str | None,
        dtype: str | None,
        category: str | None,
        decision: str | None,
        runtime: str,
    ) -> "Predictor":
        """Load a model file and one of its decisions; see `methods.load`."""
        folder = Path(category) if category else None
        decided = load_decided(path, folder, results, kind, dtype, decision, runtime)
        return cls(decided.judge)

    def predict(
        self, images: np.ndarray | Sequence[np.ndarray], batch_size: int = 16
    ) -> Prediction:
        """Judge images as `test.py` judges them, whatever else is among them.

        Args:
            images: array (n, h, w, c), or n arrays of any sizes, each (h, w) or
                (h, w, 1) grey, (h, w, 3) RGB or (h, w, 4) RGBA, of uint8 or uint16.
            batch_size: images, or tiles of them, that the method sees at once, at most;
                as many as in the first call, for which networks are compiled.

        Raises:
            UsageError: an image of another type or shape.
            UserError: in a process that was forked after the model was loaded.
        """
        if isinstance(images, np.ndarray) and images.ndim != 4:
            raise UsageError(
                f"expected images (n, h, w, c), or a list. Received: {images.shape}"
            )
        shape = (len(images), *self.judge.detector.image_shape[:2])
        scores, regions = np.empty(shape[:1], np.float32), []
        maps, masks = np.empty(shape, np.float32), np.empty(shape, bool)
        verdicts = self.judge.judge_arrays(list(images), batch_size)
        for index, verdict in enumerate(verdicts):
            scores[index], maps[index] = verdict.score, verdict.anomaly_map
            masks[index] = verdict.mask
            regions.append(verdict.regions)
        defective = np.array([mask.any() for mask in masks], bool)
        return Prediction(scores, maps, masks, defective, regions)
