"""From images to verdicts: a detector and the decision that `finetune.py` found."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from methods.base import Method
from processing.data.image_set import ImageSet
from processing.decision.calibration import p_values
from processing.decision.decision import Decision
from processing.decision.regions import BoolArray, area_curve, regions_of
from processing.errors import UserError
from processing.maps.residuals import quantise

from .detector import Detector, Judged, warn_of_unregistered
from .kept import Arrays, Kept
from .results import FinetuningResult, Promise
from .settings import KERAS

MAPS = "maps"  # begins the name of what is kept of images


@dataclass(frozen=True, eq=False)
class Verdict:
    """What is said of one image; maps and masks lie on the image resized to (h, w).

    Attributes:
        score: of the image, higher = more anomalous.
        anomaly_map: (h, w) float32, higher = more anomalous.
        decided_map: (h, w), the map that the decision is made on, perhaps uint8.
        mask: (h, w) bool, True where the decision sees a defect.
        p_value: how likely a good image looks as bad; None if the decision knows no
            scores of good images.
        registered: whether the image was registered; None if it was not to be.
        critical: the lowest threshold at which the image is good, in the units of
            `decided_map`; None where there is no p-value.
    """

    score: float
    anomaly_map: np.ndarray
    decided_map: np.ndarray
    mask: BoolArray
    p_value: float | None
    registered: bool | None
    critical: float | None = None

    @property
    def defective(self) -> bool:
        """Whether any region is left."""
        return bool(self.mask.any())

    @cached_property
    def regions(self) -> dict[str, np.ndarray]:
        """The defects; see `regions_of` for the columns of the table."""
        return regions_of(self.mask, self.anomaly_map)


class Judge:
    """A detector and its decision.

    Args:
        detector: fitted.
        decision: what makes an image defective.
        kind: of the maps that the decision is for; None for the method's default.
        dtype: of these maps: "float64" or "uint8".
        good_scores: of good validation images, as `GoodImages` has them; without them
            verdicts have no p-value.
        name: of the decision, in tables.
        promise: what it keeps, if that is known.

    Raises:
        UserError: maps of a kind that the method does not have.
    """

    def __init__(
        self,
        detector: Detector,
        decision: Decision,
        kind: str | None = None,
        dtype: str = "float64",
        good_scores: Sequence[float] = (),
        name: str = "",
        promise: Promise | None = None,
    ):
        method = detector.method
        self.detector = detector
        self.decision = decision
        self.kind = kind or method.default_kind
        if self.kind not in method.map_kinds:
            raise UserError(
                f"the decision is for {self.kind} maps: expected one of "
                f"{', '.join(method.map_kinds)}, which {method.name} has"
            )
        self.dtype = dtype
        self.good_scores = good_scores
        self.name = name
        self.promise = promise
        self._process = os.getpid()

    @classmethod
    def of(cls, detector: Detector, finetuned: FinetuningResult) -> "Judge":
        """Return the judge that a finetuning result describes."""
        calibration = finetuned.calibration
        good_scores = calibration.good_scores if calibration else ()
        kind, dtype, name = finetuned.kind, finetuned.dtype, finetuned.name
        decided, promise = finetuned.decision, finetuned.promise
        return cls(detector, decided, kind, dtype, good_scores, name, promise)

    @property
    def columns(self) -> dict[str, Any]:
        """What scores.csv says of the decision: its name, and what it promises."""
        return {"decision": self.name, **(self.promise.columns if self.promise else {})}

    def judge(self, images: ImageSet, batch_size: int = 16) -> Iterator[Verdict]:
        """Yield the verdict on each image, in order; see `Detector.judge`.

        Raises:
            UserError: in a process that was forked after the model was loaded.
        """
        self._check_process()
        return self._verdicts(self.detector.judge(images, self.kind, batch_size))

    def judge_arrays(
        self, images: Sequence[np.ndarray], batch_size: int = 16
    ) -> Iterator[Verdict]:
        """As `judge`, of images in memory; see `array_pixels` for what they can be."""
        self._check_process()
        return self._verdicts(self.detector.judge_arrays(images, self.kind, batch_size))

    def judge_kept(self, images: ImageSet, kept: Kept) -> Iterator[Verdict]:
        """As `judge`, with the maps that are kept, and keeping the others."""
        self._check_process()
        known, unregistered = kept.known(images, self.maps), []
        for index, arrays in enumerate(kept.each(images, self.maps, self._arrays)):
            registered = {-1: None, 0: False, 1: True}[int(arrays["registered"])]
            if registered is False and index in known:
                unregistered.append(images.names[index])
            yield self._verdict(arrays["map"], arrays["score"], registered)
        warn_of_unregistered(unregistered, len(images))  # as judging does of the others

    @property
    def maps(self) -> str:
        """What `judge_kept` keeps of an image."""
        runtime = self.detector.method.runtime
        return "_".join([MAPS, self.kind, *([runtime] * (runtime != KERAS))])

    def _arrays(self, images: ImageSet) -> Iterator[Arrays]:
        for judged in self.detector.judge(images, self.kind):
            yield from kept_arrays(judged)

    def _check_process(self) -> None:
        """Raise `UserError` in a fork, which lacks the threads of the networks."""
        if os.getpid() != self._process:
            raise UserError(
                "a model works in the process that loaded it alone: expected "
                f"methods.load in process {os.getpid()}, which was forked. Received: a "
                f"model of process {self._process}"
            )

    def _verdicts(self, batches: Iterable[Judged]) -> Iterator[Verdict]:
        for judged in batches:
            for view, anomaly_map, score in zip(*judged, strict=True):
                yield self._verdict(anomaly_map, score, view.geometry.registered)

    def _verdict(
        self, anomaly_map: np.ndarray, score: np.ndarray, registered: bool | None
    ) -> Verdict:
        [decided_map] = decision_maps(
            self.detector.method, self.kind, anomaly_map[None], self.dtype
        )
        critical = self._critical(decided_map) if self.good_scores else None
        p_value = None if critical is None else p_values(critical, self.good_scores)
        return Verdict(
            float(score),
            anomaly_map,
            decided_map,
            self.decision.mask(decided_map),
            None if p_value is None else float(p_value),
            registered,
            critical,
        )

    def _critical(self, decided_map: np.ndarray) -> float:
        curve = area_curve(decided_map, clear_border=self.decision.clear_border)
        return float(curve.critical_thresholds(self.decision.min_area)[-1])

    @property
    def score_threshold(self) -> float:
        """The threshold of the decision in the units of the scores.

        Scores are those of maps as they are; of a map rounded to uint8, where `highest`
        became 255, a pixel is above the threshold from half a step more upward.
        """
        if self.dtype != "uint8":
            return self.decision.threshold
        highest = self.detector.method.highest(self.kind)
        return (self.decision.threshold + 0.5) * highest / 255


def kept_arrays(judged: Judged) -> Iterator[Arrays]:
    """Yield what is kept of each image of a batch for `Judge.judge_kept`."""
    for view, anomaly_map, score in zip(*judged, strict=True):
        known = view.geometry.registered
        registered = np.array(-1 if known is None else known, np.int8)
        yield {"map": anomaly_map, "score": score, "registered": registered}


def decision_maps(
    method: Method, kind: str, maps: np.ndarray, dtype: str
) -> np.ndarray:
    """Return maps of a kind as the decision sees them."""
    return quantise(maps, method.highest(kind)) if dtype == "uint8" else maps
