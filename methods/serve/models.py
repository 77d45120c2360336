"""The models of a station, each with the decision that is in force."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from methods.detector.decisions import Decided, load_decided
from methods.detector.judge import Judge, Verdict
from methods.pipeline.reporting import colours
from processing.errors import UsageError
from processing.report.gallery import ColourScale

from .batching import LARGEST

SIZES = (1, 4, LARGEST)  # of batches: networks are compiled for each


@dataclass(frozen=True)
class Served:
    """A model that judges for the station.

    Attributes:
        path: of its file.
        decided: the model with its decision.
    """

    path: Path
    decided: Decided

    @property
    def judge(self) -> Judge:
        """The detector and its decision."""
        return self.decided.judge

    @property
    def id(self) -> str:
        """Of the model."""
        return self.decided.record.id

    @property
    def scale(self) -> ColourScale:
        """The colours of its maps."""
        return colours(self.decided.finetuned)

    @property
    def about(self) -> dict[str, Any]:
        """What the station tells of it."""
        record, finetuned = self.decided.record, self.decided.finetuned
        return {
            "id": self.id,
            "file": self.path.name,
            "dataset": record.dataset,
            "category": record.category,
            "method": record.method,
            "variant": self.judge.detector.method.variant,
            "image_shape": list(self.judge.detector.image_shape),
            "decision": finetuned.name,
            "threshold": self.judge.score_threshold,
            "min_area": finetuned.min_area,
            "promise": finetuned.promise.in_words() if finetuned.promise else None,
        }

    def verdicts(self, images: Sequence[np.ndarray]) -> list[Verdict]:
        """Judge at most `LARGEST` images; see `Judge.judge_arrays`."""
        size = next(size for size in SIZES if size >= len(images))
        return list(self.judge.judge_arrays(images, size))

    def prepare(self) -> None:
        """Judge black images, so that no photo waits for a network to be compiled."""
        blank = np.zeros(self.judge.detector.image_shape, np.uint8)
        for size in SIZES:
            self.verdicts([blank] * size)


def load_models(
    paths: Sequence[Path], results: Path, decision: str | None, runtime: str
) -> dict[str, Served]:
    """Return the models of files by their ids; the first is the one to be asked first.

    Raises:
        UserError: a model or a decision is not there.
    """
    models: dict[str, Served] = {}
    for path in paths:
        decided = load_decided(path, None, results, None, None, decision, runtime)
        served = Served(path, decided)
        if served.id in models:
            raise UsageError(
                f"-p: expected different models. Received: {models[served.id].path} "
                f"and {path}, which are one"
            )
        models[served.id] = served
    return models
