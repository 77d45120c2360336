"""A method with its parameters: fit, calibrate, predict, save."""

import os
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.metrics import roc_auc_score
from sklearn.utils.validation import check_is_fitted

from methods.detector.decisions import write_decision
from methods.detector.detector import Detector as Fitted
from methods.detector.judge import Judge, Verdict
from methods.detector.records import TrainingRecord
from methods.detector.results import FinetuningResult
from processing.data.tree import TEST, TRAIN
from processing.decision.calibration import Rule
from processing.decision.goals import Goal
from processing.errors import UsageError
from processing.files import check_writable

from .callbacks import Callback, as_keras
from .options import options_of
from .photos import (
    Photos,
    Row,
    Sized,
    check_photos,
    is_defective,
    rows_of,
    verdicts,
    written_table,
)

Self = TypeVar("Self", bound="Detector")


@dataclass(kw_only=True, eq=False, repr=False)
class Detector(BaseEstimator):
    """A method that learns from good photos and judges others.

    It is an estimator of scikit-learn: parameters are kept as they are given and
    checked by `fit`, as the command line checks its options. What they mean is what
    `keras-anomaly train --help METHOD` says.

    Args:
        size: side, or (height, width), that photos are resized to; None for the
            method's own, which follows the aspect of the photos.
        seed: of all draws.
        validation: share of the good photos that validate, in [0.01, 0.9].
        color: "rgb" or "grayscale"; None for the method's own.
        span: stored values that become black and white, such as (0, 4095).
        pad: keep the aspect ratio, and draw out the edges of the shorter side.
        register: move each photo onto a reference: "orb", "ecc" or None.
        reference: path of the photo to register to; None for a typical one.
        mask: what to judge: "foreground", a file, or "x,y,w,h" to leave out, joined by
            ";"; None for all.
        blank: paint black what the mask leaves out.
        crop: side, or (height, width), of the middle that is left; None for all.
        tile: side of the tiles that photos are judged in; None for whole photos.
        stride: pixels from tile to tile; None for three quarters of a tile.

    Attributes:
        method: what the registry calls the method.
        decision_: what makes a photo defective, and what that promises.
        record_: how and from what the model was trained.
    """

    method: ClassVar[str]
    decision_: FinetuningResult = field(init=False)
    record_: TrainingRecord = field(init=False)

    size: int | tuple[int, int] | None = None
    seed: int = 42
    validation: float = 0.1
    color: str | None = "rgb"
    span: tuple[float, float] | None = None
    pad: bool = False
    register: str | None = None
    reference: str | None = None
    mask: str | None = None
    blank: bool = False
    crop: int | tuple[int, int] | None = None
    tile: int | None = None
    stride: int | None = None

    @property
    def supervised(self) -> bool:
        """Whether it learns from defective photos, too."""
        return bool(getattr(self, "known_defects", 0))

    def fit(
        self: Self,
        photos: Photos,
        y: Any = None,
        *,
        masks: Any = None,
        callbacks: Sequence[Any] = (),
    ) -> Self:
        """Learn from good photos, and calibrate; see `calibrate`.

        Good photos are learned from, but for a share that validates. Defective ones
        are kept to calibrate with; supervised methods learn from all of them instead.

        Args:
            photos: a category folder or table, as `train.py` takes; or paths, or
                uint8 (uint16) photos, grey (h, w) or RGB (h, w, 3): an array, a list,
                or whatever has `__len__` and `__getitem__`, which is asked for one
                photo at a time.
            y: for each 0 or "good", 1 or a kind of defect; None if all are good, and
                of a folder, which has its own.
            masks: of defects: for each a path, an array (h, w) or None.
            callbacks: that are told of the training: `Callback` objects, or Keras' own,
                such as `keras.callbacks.TensorBoard("logs")`.

        Raises:
            UserError: parameters or photos that cannot be used, floats among them.
        """
        options = options_of(self.method, self.get_params())
        work = _Folder()
        source, kept = self._source(photos, y, masks, work.path / "arrays/photos")
        from methods.cli.method_checks import check_images
        from methods.detector.categories import load_category
        from methods.engine.backend import check_backend, load_backend
        from methods.pipeline.training import start_run, train_run

        check_images(self.method, source, options, skip_unreadable=False)
        check_backend(devices=1)
        load_backend()
        told = [as_keras(callback) for callback in callbacks]
        ours = [callback for callback in callbacks if isinstance(callback, Callback)]
        models = work.path / "saved_models"
        run, record = start_run(source, self.method, options, root=models)
        run.told = told
        for callback in ours:
            callback.on_fit_begin(self)
        model = train_run(run, record)
        self._take(model, *load_category(model), work, kept)
        self.calibrate()
        for callback in ours:
            callback.on_fit_end(self)
        return self

    def calibrate(
        self: Self,
        goal: str | Goal | Rule | None = None,
        photos: Sized | None = None,
        y: Any = None,
        *,
        max_false_alarms: float | None = None,
        min_recall: float | None = None,
        conformal: float | None = None,
        min_area: int | None = None,
        kind: str | None = None,
        folds: int = 0,
    ) -> Self:
        """Decide anew what is defective, by the rules of `finetune.py`.

        It is decided from the good photos that validate, and the defective ones of
        `fit`; without defects from the good ones alone. Of a folder, a part of its test
        images is drawn, as `finetune.py` does.

        Args:
            goal: "balanced" (the default with defects), "validation-max", a `Goal`;
                or "max" (the default without), or a `Rule` on good photos alone.
            photos: paths or arrays to decide from, too.
            y: their labels, see `fit`.
            max_false_alarms: in the place of `goal`: most defects at that rate.
            min_recall: in the place of `goal`: fewest false alarms at that recall.
            conformal: in the place of `goal`: rate of false alarms, by good photos
                alone.
            min_area: of a rule: the smallest defect, in pixels of the resized photo.
            kind: of the maps, such as "l2" of an autoencoder.
            folds: judge all good photos that were learned from, too, in so many parts.
        """
        check_is_fitted(self, "record_")
        from methods.cli.method_checks import check_folds
        from methods.detector.kept import Kept
        from methods.pipeline.finetuning import Options, decide

        chosen, rule = _goal_and_rule(goal, max_false_alarms, min_recall, conformal)
        if min_area is not None and not (rule and min_area >= 1):
            raise UsageError(
                "min_area: expected a number of pixels, with a rule. "
                f"Received: {min_area}"
            )
        check_folds(self.record_, folds)
        rows, folder = self._defects, self._work.path
        if photos is not None:
            place = Path(tempfile.mkdtemp(prefix="labelled-", dir=folder))
            rows = [*rows, *rows_of(photos, y, None, place, learned=False)]
        options = Options(
            kind=kind,
            rule=rule,
            goal=chosen,
            min_area=min_area,
            folds=folds,
            labels=written_table(rows, folder) if rows else None,
            results=folder / "results",
        )
        kept = Kept.of(self.record_, options.results)
        decided = decide(self._model, self._fitted, self.record_, kept, options)
        self._decide(decided[0].name, decided[1])
        return self

    def predict(self, photos: Photos) -> list[Verdict]:
        """Return the verdict on each photo, with its map and mask.

        Unlike scikit-learn's outlier detectors, which return 1 and -1. Networks are
        compiled for as many photos at once as there are in the first call, up to 16.

        Args:
            photos: as of `fit`, or a folder of images, or an image file.
        """
        check_is_fitted(self, "decision_")
        return list(verdicts(self._judge, photos))

    def score_samples(self, photos: Photos) -> NDArray[np.float64]:
        """Return how anomalous each photo is, (n,): higher is more anomalous.

        As everywhere here, but not as in scikit-learn's outlier detectors, whose score
        is higher for normal samples.
        """
        check_is_fitted(self, "decision_")
        return np.array([x.score for x in verdicts(self._judge, photos)], np.float64)

    def score(self, photos: Sized, y: Any) -> float:
        """Return the area under the ROC curve of the scores; see `fit` for y."""
        check_photos(photos)
        return float(
            roc_auc_score(is_defective(y, len(photos)), self.score_samples(photos))
        )

    def save(self, path: str | Path, results: str | Path = "results") -> Path:
        """Write the model file, and the decision to the results; return the file.

        `load`, `methods.load`, `test.py` and the export take them.

        Args:
            path: of the file, NAME.hdf5.
            results: root of the results, as of `finetune.py --results`.

        Raises:
            UserError: another kind of file, or one of both cannot be written.
        """
        check_is_fitted(self, "decision_")
        from methods.detector.model_file import save_model

        path = Path(path)
        if path.suffix != ".hdf5":
            raise UsageError(f"expected a model file, NAME.hdf5. Received: {path}")
        for folder in (path.parent, Path(results)):
            check_writable(folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_model(path, self._fitted, self.record_)
        decision = replace(self.decision_, model=str(path))
        _, self.decision_ = write_decision(
            self.record_, Path(results), self._name, decision
        )
        return path

    def __getstate__(self) -> Any:
        if hasattr(self, "record_"):
            raise UsageError("a fitted detector is not pickled: expected save and load")
        return super().__getstate__()

    def _source(
        self, photos: Photos, y: Any, masks: Any, place: Path
    ) -> tuple[Path, list[Row]]:
        """Return what the pipeline learns from, and rows of photos to calibrate with.

        Arrays, and a table of the photos that are no folder, are written to `place`.
        """
        if not isinstance(photos, str | os.PathLike):
            rows = rows_of(photos, y, masks, place, self.supervised)
            learned = [row for row in rows if row["split"] == TRAIN]
            kept = [row for row in rows if row["split"] == TEST]
            return written_table(learned, place), kept
        if y is not None or masks is not None:
            raise UsageError("y and masks: expected none with a folder or a table")
        return Path(photos), []

    def _take(
        self,
        model: Path,
        fitted: Fitted,
        record: TrainingRecord,
        work: "_Folder | None" = None,
        defects: Sequence[Row] = (),
    ) -> None:
        """Be the model in a file, undecided; `defects` are those to calibrate with."""
        self.__dict__.pop("decision_", None)
        self._model, self._fitted, self.record_ = model, fitted, record
        self._work, self._defects = work or _Folder(), list(defects)

    def _decide(self, name: str, decision: FinetuningResult) -> None:
        """Judge by a decision, whose folder has a name."""
        self._name, self.decision_ = name, decision
        # Anew: all batches have the size of the first one, here of what validates.
        again = Fitted(self._fitted.method, self._fitted.preparation)
        self._judge = Judge.of(again, decision)


class _Folder:
    """A temporary folder that is there as long as it is referred to."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="keras_anomaly-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


def _goal_and_rule(
    goal: str | Goal | Rule | None,
    max_false_alarms: float | None,
    min_recall: float | None,
    conformal: float | None,
) -> tuple[Goal | None, Rule | None]:
    """Return the one that is asked for; a `UsageError` for several."""
    given = {
        "goal": goal,
        "max_false_alarms": max_false_alarms,
        "min_recall": min_recall,
        "conformal": conformal,
    }
    names = [name for name, value in given.items() if value is not None]
    if len(names) > 1:
        raise UsageError(f"expected one of {', '.join(names)}")
    if max_false_alarms is not None:
        return Goal("max-false-alarms", max_false_alarms), None
    if min_recall is not None:
        return Goal("min-recall", min_recall), None
    if conformal is not None:
        return None, Rule("conformal", conformal)
    if goal == "max" or isinstance(goal, Rule):
        return None, goal if isinstance(goal, Rule) else Rule()
    return Goal(goal) if isinstance(goal, str) else goal, None
