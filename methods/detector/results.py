"""The JSON files that `finetune.py` and `test.py` write."""

import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from processing.decision.calibration import RULES, Rule
from processing.decision.decision import Decision
from processing.errors import UsageError
from processing.metrics.names import METRICS
from processing.wording import count

from .json_record import JsonRecord, check_names, check_range, checked, shown
from .records import EARLIER
from .settings import LARGEST_SIDE, RANGES

CONFUSION = ("true_positives", "false_positives", "true_negatives", "false_negatives")
DTYPES = ("float64", "uint8")  # of the maps that a decision is for


@dataclass(frozen=True, kw_only=True)
class Calibration(JsonRecord):
    """The rule that made a decision from good images, and what it was made from.

    Attributes:
        good_scores: (n,) of the good validation images, ascending.
    """

    name: str
    number: float | None
    good_scores: list[float]

    def check(self) -> None:
        """Raise a `ValueError` unless there are the scores that a rule takes."""
        if self.name not in RULES or not self.good_scores:
            expected = f"one of {', '.join(RULES)}, and scores"
            raise ValueError(
                f"calibration: expected {expected}. Received: {shown(self.name)}, "
                f"{len(self.good_scores)} scores"
            )
        try:
            Rule(self.name, self.number)
        except UsageError as error:
            raise ValueError(f"calibration.number: {error}") from error


@dataclass(frozen=True, kw_only=True)
class Promise(JsonRecord):
    """What a decision keeps, by the images that it was made from.

    Bounds are one-sided, of 95 % confidence or, of a pair that was searched, of 99 %,
    see `processing.decision.promise`.

    Attributes:
        good_images: that were judged, none of which the model has learned from.
        false_alarms: among them.
        false_alarm_bound: of the rate of false alarms.
        defective_images, misses, miss_bound: the same of defects; 1 without any.
        asked: the rate that was asked for, of false alarms or of misses.
        kept: whether its bound keeps it.
        needed: how many images without an event keep it.
    """

    good_images: int
    false_alarms: int
    false_alarm_bound: float
    defective_images: int
    misses: int
    miss_bound: float
    asked: float | None = None
    kept: bool | None = None
    needed: int | None = None

    def check(self) -> None:
        """Raise a `ValueError` unless counts and rates go together."""
        check_range("promise.false_alarms", self.false_alarms, 0, self.good_images)
        check_range("promise.misses", self.misses, 0, self.defective_images)
        for name in ("false_alarm_bound", "miss_bound", "asked"):
            check_range(f"promise.{name}", getattr(self, name), 0, 1)

    @property
    def columns(self) -> dict[str, float | int]:
        """What scores.csv repeats: the bounds, and a rate that was asked for."""
        columns = {
            "false_alarm_bound": self.false_alarm_bound,
            "miss_bound": self.miss_bound,
        }
        if self.asked is None:
            return columns
        return columns | {"asked": self.asked, "kept": int(bool(self.kept))}

    def in_words(self) -> str:
        """Return the bounds, and whether a rate that was asked for is kept."""
        words = f"at most {self.false_alarm_bound:.1%} false alarms"
        if self.defective_images:
            words += f", {self.miss_bound:.1%} misses"
        if self.asked is not None:
            words += f"; {self.asked:.3g} is {'' if self.kept else 'not '}kept"
        return words


@dataclass(frozen=True, kw_only=True)
class Labels(JsonRecord):
    """What a table of labels changed of the images that a decision was made from.

    Attributes:
        path, sha256: of the table.
        good, defective: how many images count, as they are labelled.
        corrected: how many images of the data set are labelled otherwise there.
        learned: how many do not count, for the model learned from them.
        contradicted: names of training images of the other label.
        test_files: names of test images that are labelled, or in one group with such.
    """

    path: str
    sha256: str
    good: int
    defective: int
    corrected: int
    learned: int
    contradicted: list[str]
    test_files: list[str]

    def __str__(self) -> str:
        name = self.path.replace("\\", "/").rpartition("/")[2]
        return f"{count(self.good + self.defective, 'label')} of {name}"


@dataclass(frozen=True, kw_only=True)
class FinetuningResult(JsonRecord):
    """finetuning_result.json: a decision, and what it was made from.

    Attributes:
        min_area, threshold, clear_border: see `Decision`.
        kind: of the maps that the decision is for.
        dtype: of these maps, "float64" or "uint8".
        split: share of the good images that validate.
        seed: of the model.
        good_level: what is typical of good images, in units of the maps.
        score: (TPR + TNR) / 2 on the finetuning images; None without them.
        source: the decision's, in words.
        TPR, TNR: shares of defective and of good finetuning images judged right.
        margin: see `SearchResult`.
        score_interval: 95 % confidence interval of `score`.
        calibration: where good images alone decided.
        goal: what the decision was to reach, in words; "" of an earlier version's.
        promise: what it keeps.
        binding: the good images with the highest critical thresholds, and these.
        excluded: names of images that the user left out.
        labels: that the user gave images, if any.
        validation_files, finetuning_files: names of the images.
        model: path of the model file.
        options: of finetune.py.
        versions: of Python and packages.
        id: of this decision alone.
        number: counts the decisions in a folder of results from 1; the highest is in
            force, if the user has put no other one there. 0 of an earlier version's.
        created: when it was made, ISO 8601, UTC.
        model_id: `TrainingRecord.id` of the model; "" of an earlier version's.
    """

    KEYS: ClassVar[Mapping[str, str]] = {
        "min_area": "best_min_area",
        "threshold": "best_threshold",
        "kind": "method",
        "score": "best_score",
        "score_interval": "score_interval_95",
    }

    min_area: int
    threshold: float
    kind: str
    dtype: str
    split: float
    seed: int
    clear_border: bool
    good_level: float | None = None
    score: float | None
    source: str
    TPR: float | None = None
    TNR: float | None = None
    margin: float | None = None
    score_interval: tuple[float, float] | None = None
    calibration: Calibration | None = None
    goal: str = ""
    promise: Promise | None = None
    binding: dict[str, float] = field(default_factory=dict)
    excluded: list[str] = field(default_factory=list)
    labels: Labels | None = None
    validation_files: list[str]
    finetuning_files: list[str]
    model: str
    options: dict[str, Any] | None = None
    versions: dict[str, str] = field(default_factory=dict)
    id: str = ""
    number: int = 0
    created: str = ""
    model_id: str = ""

    @property
    def decision(self) -> Decision:
        """What makes an image defective."""
        return Decision(self.threshold, self.min_area, self.clear_border)

    @property
    def test_files(self) -> list[str]:
        """Test images that it was made with, perhaps with others."""
        labelled = self.labels.test_files if self.labels else []
        return list(dict.fromkeys([*self.finetuning_files, *labelled]))

    @property
    def name(self) -> str:
        """What tables call it: its id, or a checksum of an earlier version's."""
        content = json.dumps(self.to_json(), sort_keys=True)
        return self.id or f"{EARLIER}{zlib.crc32(content.encode()):08x}"

    def describe(self) -> str:
        """Return in words which decision it is."""
        number = f"number {self.number} of {self.created}, " if self.number else ""
        return (
            f"{number}{self.name}: {self.kind} maps of {self.dtype}, threshold "
            f"{self.threshold:.6g}, min_area {self.min_area}, from {self.source}"
        )

    def check(self) -> None:
        """Raise a `ValueError` unless the values make a decision."""
        _check_result(self, "best_min_area")
        check_range("split", self.split, 0, 1)
        check_names(
            validation_files=self.validation_files,
            finetuning_files=self.finetuning_files,
        )
        if self.score_interval:
            _check_interval("score_interval_95", self.score_interval)
        if not re.fullmatch(r"[\w-]*", self.id):
            raise ValueError(
                f"id: expected letters and digits. Received: {shown(self.id)}"
            )


@dataclass(frozen=True, kw_only=True)
class TestResult(JsonRecord):
    """test_result.json: a decision, and how well it judged a set of images.

    Attributes:
        min_area, threshold, clear_border, kind, dtype, seed: see `FinetuningResult`.
        decided_by: its `source`.
        TPR, TNR, score: of the images; score is the mean of both. Metrics are None
            where they are undefined.
        image_auroc, image_ap, image_f1max: of the image scores.
        pixel_auroc, pixel_ap, pixel_f1max: of the maps.
        aupro, aupro_05: per-region overlap up to a false positive rate of 0.3, 0.05.
        iou, dice: of the masks.
        confusion: true_positives, false_positives, ... of the verdicts.
        intervals_95: metric -> [low, high] of the first six, where defined.
        undefined: metric -> "because ..."; for a class CLASS/metric.
        classes: class -> images, called_defective, and the metrics but for TPR, TNR
            and score; "good" has the first two alone.
        images: number of images.
        localisation: `Localisation.to_json` of the images whose ground truth is known;
            empty of an earlier version's.
        finetuning_files: images that the decision was made from.
        model, options, versions, model_id: as of `FinetuningResult`.
        decision_id: `name` of the `FinetuningResult`; "" of an earlier version's.
    """

    __test__ = False  # pytest takes it for a test

    KEYS: ClassVar[Mapping[str, str]] = {
        "kind": "method",
        "finetuning_files": "finetuning_files_left_out",
    }

    min_area: int
    threshold: float
    clear_border: bool
    decided_by: str
    kind: str
    dtype: str
    TPR: float | None
    TNR: float | None
    score: float | None
    image_auroc: float | None
    image_ap: float | None
    image_f1max: float | None
    pixel_auroc: float | None
    pixel_ap: float | None
    pixel_f1max: float | None
    aupro: float | None
    aupro_05: float | None
    iou: float | None
    dice: float | None
    confusion: dict[str, int]
    intervals_95: dict[str, list[float]]
    undefined: dict[str, str]
    classes: dict[str, dict[str, Any]]
    images: int
    finetuning_files: list[str]
    seed: int
    model: str
    options: dict[str, Any] | None = None
    versions: dict[str, str] = field(default_factory=dict)
    decision_id: str = ""
    model_id: str = ""
    localisation: dict[str, Any] = field(default_factory=dict)

    @property
    def decision(self) -> Decision:
        """What made an image defective."""
        return Decision(self.threshold, self.min_area, self.clear_border)

    def check(self) -> None:
        """Raise a `ValueError` unless the values can be those of a test."""
        _check_result(self, "min_area")
        check_range("images", self.images, 1)
        check_names(finetuning_files_left_out=self.finetuning_files)
        for key in CONFUSION:
            if key not in self.confusion:
                raise ValueError(f"it lacks 'confusion.{key}'")
            check_range(f"confusion.{key}", self.confusion[key], 0, self.images)
        for key, interval in self.intervals_95.items():
            _check_interval(f"intervals_95.{key}", interval)
        for name, counts in self.classes.items():
            for key, lowest in (("images", 1), ("called_defective", 0)):
                place = f"classes.{name}.{key}"
                number = checked(int, counts.get(key), place)
                check_range(place, number, lowest, self.images)


def _check_result(result: FinetuningResult | TestResult, key: str) -> None:
    """Raise a `ValueError` for values that no decision and no metrics have."""
    check_range(key, result.min_area, 1, LARGEST_SIDE**2)
    check_range("seed", result.seed, *RANGES["seed"])
    if result.dtype not in DTYPES:
        expected = " or ".join(DTYPES)
        raise ValueError(f"dtype: expected {expected}. Received: {shown(result.dtype)}")
    for name in METRICS:
        check_range(result.KEYS.get(name, name), getattr(result, name, None), 0, 1)


def _check_interval(key: str, interval: Sequence[float]) -> None:
    right = len(interval) == 2 and 0 <= interval[0] <= interval[1] <= 1
    if not right:
        raise ValueError(f"{key}: expected [low, high]. Received: {shown(interval)}")
