"""The decisions that `finetune.py` wrote for a model."""

from pathlib import Path
from typing import NamedTuple

from processing.errors import UserError

from .categories import load_category
from .judge import Judge
from .records import TrainingRecord
from .results import FinetuningResult

RESULT = "finetuning_result.json"


class Decided(NamedTuple):
    """A model and one of its decisions, with the records of both."""

    judge: Judge
    record: TrainingRecord
    finetuned: FinetuningResult


def load_decided(
    model: Path, folder: Path | None, results: Path, kind: str | None, dtype: str | None
) -> Decided:
    """Return a model with its newest matching decision.

    The arguments are those of `load_category` and `read_results`.
    """
    detector, record = load_category(model, folder)
    _, finetuned = read_results(record, results, kind, dtype)[-1]
    return Decided(Judge.of(detector, finetuned), record, finetuned)


def read_results(
    record: TrainingRecord, results: Path, kind: str | None, dtype: str | None
) -> list[tuple[Path, FinetuningResult]]:
    """Return the finetuning results of a model that match, oldest first."""
    root = results / record.run / "finetuning"
    paths = sorted(root.glob(f"*/{RESULT}"), key=lambda path: path.stat().st_mtime)
    pairs = [(path.parent, FinetuningResult.read(path)) for path in paths]
    matching = [
        (path, result)
        for path, result in pairs
        if kind in (None, result.kind) and dtype in (None, result.dtype)
    ]
    if not matching:
        raise UserError(f"no finetuning result in {root}: run finetune.py first")
    return matching
