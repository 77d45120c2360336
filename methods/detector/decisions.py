"""The decisions that `finetune.py` wrote for a model."""

import logging
import re
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from processing.errors import UsageError, UserError, shortened
from processing.files import locked, write_json

from .categories import load_category, load_kept
from .json_record import JsonRecord
from .judge import Judge
from .records import EARLIER, TrainingRecord
from .results import FinetuningResult
from .settings import KERAS

RESULT = "finetuning_result.json"
IN_FORCE = "in_force.json"
REPAIR = "none judges until finetune.py --use puts one in force (--list shows them)"
ALL = "all"  # stands for all decisions
NAME = re.compile(r"[A-Za-z0-9_][\w.-]{0,99}(?<!\.)", re.ASCII)

Named = tuple[Path, FinetuningResult]  # a decision, with the folder it is named after

log = logging.getLogger(__name__)


class Decided(NamedTuple):
    """A model and one of its decisions, with the records of both."""

    judge: Judge
    record: TrainingRecord
    finetuned: FinetuningResult


@dataclass(frozen=True, kw_only=True)
class InForce(JsonRecord):
    """in_force.json: which of a model's decisions was put in force.

    Attributes:
        decision: its `FinetuningResult.name`.
    """

    decision: str


def load_decided(
    model: Path,
    folder: Path | None,
    results: Path,
    kind: str | None,
    dtype: str | None,
    decision: str | None = None,
    runtime: str = KERAS,
) -> Decided:
    """Return a model with one of its decisions, and log which that is.

    The arguments are those of `load_kept` and `choose_results`.
    """
    if decision == ALL:
        raise UsageError(f"expected the name of one decision. Received: {ALL}")
    if runtime == KERAS:
        detector, record = load_category(model, folder)
    else:
        detector, record, _ = load_kept(model, folder, results, runtime)
    [chosen] = choose_results(record, results, kind, dtype, decision)
    log.info("decision: %s", described(chosen))
    return Decided(Judge.of(detector, chosen[1]), record, chosen[1])


def described(decision: Named) -> str:
    """Return in words which decision it is."""
    folder, finetuned = decision
    return f"{folder.name}, {finetuned.describe()}"


def choose_results(
    record: TrainingRecord,
    results: Path,
    kind: str | None,
    dtype: str | None,
    decision: str | None,
) -> list[Named]:
    """Return the finetuning results of a model that are to judge.

    They are chosen from those of `read_results` by a name, or an id; `ALL` are all of
    them, and None is the one in force, or the newest if that is none of them.

    Raises:
        UserError: there is no such decision.
    """
    matching = read_results(record, results, kind, dtype)
    if decision == ALL:
        return matching
    if decision is None:
        return [in_force(record, results, matching)]
    return [_named(matching, decision)]


def decision_of(
    record: TrainingRecord, results: Path, name: str
) -> FinetuningResult | None:
    """Return the decision of a model in a folder of that name; None without one.

    One that is damaged is as good as none: it may be replaced.
    """
    path = _root(record, results) / name / RESULT
    with suppress(UserError):
        return FinetuningResult.read(path) if path.is_file() else None
    return None


def _named(decisions: Sequence[Named], name: str) -> Named:
    for found in (
        [pair for pair in decisions if pair[0].name == name],
        [pair for pair in decisions if pair[1].name == name],
    ):
        if found:
            return found[-1]
    names = ", ".join(folder.name for folder, _ in decisions)
    raise UserError(
        f"no such decision in {decisions[0][0].parent}: expected one of {names}. "
        f"Received: {shortened(name)}"
    )


def in_force(
    record: TrainingRecord, results: Path, decisions: Sequence[Named]
) -> Named:
    """Return which of some decisions of a model, the newest last, is in force.

    It is the one that was put in force; the newest, if none was, or none of these.

    Raises:
        UserError: the file that says which is damaged, or names one that is not there.
    """
    path = _root(record, results) / IN_FORCE
    if not path.is_file():
        return decisions[-1]
    try:
        name = InForce.read(path).decision
    except UserError as error:
        raise UserError(f"{error}: {REPAIR}") from error
    there = [FinetuningResult.read(x).name for x in path.parent.glob(f"*/{RESULT}")]
    if name not in there:
        raise UserError(f"{path}: the decision {shortened(name)} is gone: {REPAIR}")
    chosen = [pair for pair in decisions if pair[1].name == name]
    return chosen[-1] if chosen else decisions[-1]


def put_in_force(record: TrainingRecord, results: Path, name: str) -> Named:
    """Put a decision, by its name or id, in force until a new one is made; return it.

    Raises:
        UserError: there is no such decision.
    """
    root = _root(record, results)
    chosen = _named(_of_model(record, results), name)
    with locked(root / ".lock"):
        write_json(root / IN_FORCE, InForce(decision=chosen[1].name).to_json())
    return chosen


def staying(record: TrainingRecord, results: Path, name: str) -> FinetuningResult:
    """Return the decision that stays in force where one of a name is put aside.

    Raises:
        UserError: there is none.
        UsageError: it has that name.
    """
    folder, kept = in_force(record, results, _of_model(record, results))
    if folder.name == name:
        raise UsageError(f"{name} is in force: expected another name, to put it aside")
    return kept


def check_name(name: str) -> str:
    """Return the name of a decision; a `UsageError` if no folder is to have it."""
    if name == ALL or not NAME.fullmatch(name):
        raise UsageError(
            "expected up to 100 letters, digits, - _ and ., with a letter or a digit "
            f"first, and not {ALL}. Received: {shortened(name)}"
        )
    return name


def read_results(
    record: TrainingRecord, results: Path, kind: str | None, dtype: str | None
) -> list[Named]:
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
    record: TrainingRecord,
    results: Path,
    name: str,
    finetuned: FinetuningResult,
    aside: bool = False,
) -> Named:
    """Write a decision for a model; return its folder, and it with id and number.

    Args:
        record: of the model.
        results: root of the results.
        name: of the folder; a decision that it holds is replaced.
        finetuned: the decision.
        aside: leave that in force which is, instead of this one.

    Raises:
        UserError: it is put aside, see `staying`.
    """
    root = _root(record, results)
    with locked(root / ".lock"):
        if aside:
            kept = staying(record, results, name)
            write_json(root / IN_FORCE, InForce(decision=kept.name).to_json())
        numbers = [_number(path) for path in root.glob(f"*/{RESULT}")]
        finetuned = replace(
            finetuned,
            id=uuid.uuid4().hex[:12],
            number=max(numbers, default=0) + 1,
            created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            model_id=record.id,
        )
        write_json(root / name / RESULT, finetuned.to_json())
        if not aside:
            (root / IN_FORCE).unlink(missing_ok=True)
    return root / name, finetuned


def _of_model(record: TrainingRecord, results: Path) -> list[Named]:
    return read_results(record, results, None, None)


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
