"""The decisions that `finetune.py` wrote for a model."""

import logging
import uuid
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from processing.errors import UserError
from processing.files import locked, write_json

from .categories import load_category
from .judge import Judge
from .records import EARLIER, TrainingRecord
from .results import FinetuningResult

RESULT = "finetuning_result.json"

log = logging.getLogger(__name__)


class Decided(NamedTuple):
    """A model and one of its decisions, with the records of both."""

    judge: Judge
    record: TrainingRecord
    finetuned: FinetuningResult


def load_decided(
    model: Path, folder: Path | None, results: Path, kind: str | None, dtype: str | None
) -> Decided:
    """Return a model with its newest matching decision, and log which that is.

    The arguments are those of `load_category` and `read_results`.
    """
    detector, record = load_category(model, folder)
    _, finetuned = read_results(record, results, kind, dtype)[-1]
    log.info("decision: %s", finetuned.describe())
    return Decided(Judge.of(detector, finetuned), record, finetuned)


def read_results(
    record: TrainingRecord, results: Path, kind: str | None, dtype: str | None
) -> list[tuple[Path, FinetuningResult]]:
    """Return the finetuning results of a model that match, the newest last.

    The order is that of their numbers. Those of earlier versions have none: they come
    before all others, by the times of their files.

    Raises:
        UserError: there are none, or none for this very model.
    """
    root = _root(record, results)
    paths = sorted(root.glob(f"*/{RESULT}"), key=lambda path: path.stat().st_mtime)
    pairs = [(path.parent, FinetuningResult.read(path)) for path in paths]
    own = [(path, result) for path, result in pairs if is_for(result, record)]
    if pairs and not own:
        raise UserError(
            f"the decisions in {root} are for another model than this one, which has "
            f"the id {record.id}: run finetune.py first"
        )
    matching = [
        (path, result)
        for path, result in own
        if kind in (None, result.kind) and dtype in (None, result.dtype)
    ]
    if not matching:
        raise UserError(f"no finetuning result in {root}: run finetune.py first")
    return sorted(matching, key=lambda pair: (pair[1].number, pair[1].created))


def write_decision(
    record: TrainingRecord, results: Path, name: str, finetuned: FinetuningResult
) -> tuple[Path, FinetuningResult]:
    """Write a decision for a model; return its folder, and it with id and number.

    Args:
        record: of the model.
        results: root of the results.
        name: of the folder; a decision that it holds is replaced.
        finetuned: the decision.
    """
    root = _root(record, results)
    with locked(root / ".lock"):
        numbers = [_number(path) for path in root.glob(f"*/{RESULT}")]
        finetuned = replace(
            finetuned,
            id=uuid.uuid4().hex[:12],
            number=max(numbers, default=0) + 1,
            created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            model_id=record.id,
        )
        write_json(root / name / RESULT, finetuned.to_json())
    return root / name, finetuned


def _root(record: TrainingRecord, results: Path) -> Path:
    return results / record.run / "finetuning"


def is_for(finetuned: FinetuningResult, record: TrainingRecord) -> bool:
    """Return whether a decision is for a model, by its id.

    Decisions of earlier versions name no model, and are for one of earlier versions.
    """
    if finetuned.model_id:
        return finetuned.model_id == record.id
    return not record.id or record.id.startswith(EARLIER)


def _number(path: Path) -> int:
    """Return the number of a decision; 0 of one that is damaged, to be replaced."""
    try:
        return FinetuningResult.read(path).number
    except UserError:
        return 0
