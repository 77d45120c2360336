"""Run folders: where a training run keeps its logs, states and results."""

import json
import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from methods.detector.model_file import load_checkpoint, save_checkpoint
from methods.detector.records import STAMP, TrainingRecord
from methods.detector.settings import KERAS
from processing.errors import UsageError, UserError
from processing.files import (
    new_folder,
    remove_leftovers,
    working_in,
    write_json,
    write_table,
)
from processing.report.overlays import write_png

CHECKPOINT = "checkpoint.h5"
PREPARATION = "preparation.h5"
RUN = "run.json"
INFO = "info.json"
# Of options: which and by whom, not how.
PLACES = ("images", "folder", "results", "decision", "finetune", "aside")

log = logging.getLogger(__name__)


class TrainingRun:
    """The folder of a training run; the `Run` that methods report to.

    The folder holds run.json (all arguments and splits) and preparation.h5 (what was
    learned of the images), written before work starts; checkpoint.h5 and history.csv,
    renewed after every epoch; lr_plot.png, logs/, and samples/ of what a generating
    method makes.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.cluster: str | None = None
        self.told: Sequence[Any] = ()  # Keras callbacks, besides its own

    @classmethod
    def start(
        cls,
        root: Path,
        parts: tuple[str, ...],
        record: TrainingRecord,
        preparation: Mapping[str, np.ndarray],
    ) -> tuple["TrainingRun", TrainingRecord]:
        """Create root/parts.../TIME_ID with run.json; return run and record.

        The id tells runs apart that start in one second below different roots, and
        whose results share a root. `preparation` are the arrays of the record's
        preparation. Raises a `UsageError` for names, such as that of a data set, that
        no record can hold.
        """
        id_ = uuid.uuid4().hex
        name = f"{datetime.now().strftime(STAMP)}_{id_[:8]}"
        try:
            replace(record, id=id_, run="/".join((*parts, name))).check()
        except ValueError as error:
            raise UsageError(f"{record.folder or root}: {error}") from error
        remove_leftovers(root.joinpath(*parts))
        run = cls(new_folder(root.joinpath(*parts, name)))
        record = replace(record, id=id_, run="/".join((*parts, run.folder.name)))
        write_json(run.folder / RUN, record.to_json())
        arrays = {name: [array] for name, array in preparation.items()}
        save_checkpoint(run.folder / PREPARATION, arrays, {})
        return run, record

    @classmethod
    def resume(cls, folder: Path) -> tuple["TrainingRun", TrainingRecord]:
        """Return the interrupted run in `folder` and its record."""
        if not (folder / RUN).is_file():
            raise UsageError(f"{folder} is not a run folder of train.py: no {RUN}")
        record = TrainingRecord.read(folder / RUN)
        run = cls(folder)
        run.check_unfinished()
        if not (folder / PREPARATION).exists():
            raise UsageError(f"the run in {folder} had not begun: start another one")
        return run, record

    def check_unfinished(self) -> None:
        """Raise `UsageError` if the run is finished."""
        if (self.folder / INFO).exists():
            raise UsageError(f"the run in {self.folder} is finished: nothing to resume")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes out of the folder, and wait for one that is in it.

        Raises:
            UsageError: the run is finished.
        """
        with working_in(self.folder):
            self.check_unfinished()
            yield

    def preparation(self) -> dict[str, np.ndarray]:
        """Return the arrays of the preparation; a `UserError` for a damaged file."""
        path = self.folder / PREPARATION
        arrays, _ = load_checkpoint(path)
        for name, values in arrays.items():
            if len(values) != 1:
                raise UserError(f"{path} is damaged: {name}: expected one array")
        return {name: array for name, [array] in arrays.items()}

    def saved(self) -> tuple[dict, dict] | None:
        """Return the (arrays, state) of the last whole epoch, if any."""
        path = self.folder / CHECKPOINT
        return load_checkpoint(path) if path.exists() else None

    def save(self, arrays: Mapping, state: Mapping) -> None:
        """Renew the checkpoint and history.csv."""
        save_checkpoint(self.folder / CHECKPOINT, arrays, state)
        write_table(self.folder / "history.csv", state["history"])

    def report_learning_rate(self, curve: Any) -> None:
        """Log the learning rate and plot its curve."""
        from processing.report import plots  # slow to import

        log.info("learning rate: %.2g", curve.chosen)
        plots.learning_rate(self.folder / "lr_plot.png", curve)

    def picture(self, name: str, pixels: np.ndarray) -> None:
        """Write samples/NAME.png."""
        write_png(self.folder / "samples" / f"{name}.png", pixels)

    def callbacks(self, settings: Any) -> list:
        """Return display, `told`, and a TensorBoard log if TensorFlow is installed."""
        import keras
        from rich.console import Console

        from methods.engine.progress_bar import EpochDisplay

        display = EpochDisplay(settings.planned, Console())
        if find_spec("tensorflow") is None:
            log.info("no TensorBoard logs: TensorFlow is not installed")
            return [display, *self.told]
        board = keras.callbacks.TensorBoard(self.folder / "logs", write_graph=False)
        return [display, board, *self.told]

    def finish(self, record: TrainingRecord) -> None:
        """Write info.json and drop the states, and what a kill left of one."""
        write_json(self.folder / INFO, record.to_json())
        stem = Path(CHECKPOINT).stem
        for pattern in (PREPARATION, CHECKPOINT, f".{stem}-*"):
            for left in self.folder.glob(pattern):
                left.unlink()


def recorded(options: dict[str, Any] | None) -> dict[str, Any]:
    """Return the `comparable` options of a result, of an earlier version, too."""
    return {"runtime": KERAS, **(options or {})}


def comparable(options: Any) -> dict[str, Any]:
    """Return how to finetune or to test, as JSON gives it back, without `PLACES`."""
    how = {key: value for key, value in asdict(options).items() if key not in PLACES}
    return json.loads(json.dumps(how, default=str))
