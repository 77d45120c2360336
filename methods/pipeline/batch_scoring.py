"""`test.py -d IMAGES --ray`: judge very many images on a cluster, each once.

Plain tasks, not Ray Data: with a plan on disk a start after a failure of the whole
cluster leaves alone what is there, and no image is judged twice.
"""

import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from methods.detector.categories import load_category
from methods.detector.decisions import is_for, load_decided
from methods.detector.json_record import JsonRecord
from methods.detector.judge import Judge
from methods.detector.results import FinetuningResult
from methods.jobs import ray_tasks
from processing.data.dataset import unlabelled
from processing.data.listing import some
from processing.data.remote_sources import Part, Source, check_part, count, cut
from processing.errors import UsageError, UserError
from processing.files import locked, read_table, replacing, write_json, write_table

from .evaluation import Row
from .judging import (
    NOT_JUDGED,
    NOT_JUDGED_COLUMNS,
    isolate_errors,
    not_judged_row,
    score_rows,
)
from .testing import Options

PART, LARGEST = 256, 8192  # images of a file of scores
PARTS = 4096  # of these files, before there are more images in each
FETCHED = 64  # images that are copied from elsewhere at once
PLAN = "plan.json"
LEFT_OUT = "not_judged-"  # begins the names of tables of the parts
MEMORY = 2 * 2**30  # bytes a worker

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What a worker has to know: the model and its decision, images, where scores go.

    Attributes:
        name: of the decision, which is in force until the end.
    """

    model: Path
    name: str
    finetuned: FinetuningResult = field(compare=False)
    options: Options
    source: Source
    target: Path


@dataclass(frozen=True, kw_only=True)
class Plan(JsonRecord):
    """plan.json: whose scores these are, and which images are in which file.

    Attributes:
        decision_id: name of the decision; "" of an earlier version's plan.
    """

    source: str
    model: str
    decision: dict[str, Any]
    decision_id: str = ""
    parts: list[Any]

    def check(self) -> None:
        """Raise a `ValueError` for a part that is none."""
        for part in self.parts:
            check_part(part)


def score(model: Path, source: str, options: Options, address: str) -> tuple[Path, int]:
    """Judge very many images on a Ray cluster; return scores and their number.

    The scores are Parquet files with the columns of scores.csv, of `PART` images each,
    more of millions. Which image is in which is planned once: what is there is left
    alone by the next start, and a part that two nodes make is the same. New images get
    new parts.

    An image that cannot be judged, for whatever reason, has a line in not_judged.csv.
    Unless such images are to be skipped, the next start makes their parts anew.

    Args:
        model: a finetuned model.
        source: see `processing.data.remote_sources`.
        options: as for `testing.predict`.
        address: of the cluster, see `methods.jobs.ray_tasks`.

    Raises:
        UserError: parts that failed, or images that were not judged and not to be
            skipped, once all others are there.
    """
    images = Source(source)
    _, record, finetuned = load_decided(model, *options.decided)
    target = options.results / record.run / "scored" / images.name
    place = target.absolute()
    job = Job(model.absolute(), finetuned.name, finetuned, options, images, place)
    with locked(target / ".lock"):
        parts = _plan_parts(job)
        pending = [i for i in range(len(parts)) if not _is_completed(job, i)]
        log.info("%d parts, %d to do", len(parts), len(pending))
        failures = dict(_score_parts(job, parts, pending, address)) if pending else {}
        for left in target.glob(".*-*"):  # by a node that died
            left.unlink()
        tables = sorted(target.glob(f"{LEFT_OUT}*"))
        left_out = [x for path in tables for x in read_table(path.read_text("utf-8"))]
        write_table(target / NOT_JUDGED, left_out, NOT_JUDGED_COLUMNS)
    if failures:
        reasons = "; ".join(f"{_path(job, i).name}: {failures[i]}" for i in failures)
        raise UserError(f"parts that failed: {len(failures)}: {reasons}")
    if left_out:
        named = some((f"{x['file']}: {x['reason']}" for x in left_out), "; ")
        text = f"images that were not judged: {len(left_out)}: {named}"
        if not options.skip_unreadable:
            raise UserError(f"{text} (--skip-unreadable leaves them out)")
        log.warning("warning: %s", text)
    return target, sum(map(count, parts)) - len(left_out)


def _plan_parts(job: Job) -> list[Part]:
    """Return all parts, old ones first."""
    path = job.target / PLAN
    plan = Plan(
        source=job.source.place,
        model=str(job.model),
        decision=asdict(job.finetuned.decision),
        decision_id=job.name,
        parts=[],
    )
    if path.exists():
        earlier = Plan.read(path)
        named = earlier.decision_id
        if _whose(earlier, named) != _whose(plan, named):
            raise UsageError(
                f"{job.target} holds the scores of {earlier.source} by another model "
                "or decision, or of another folder: expected another --results"
            )
        plan = replace(plan, parts=earlier.parts)
    parts = plan.parts + job.source.parts(plan.parts, part_size)
    write_json(path, replace(plan, parts=parts).to_json())
    return parts


def _whose(plan: Plan, named: str) -> tuple[Any, ...]:
    """Return whose scores a plan is for; of an earlier version's, `named` is ""."""
    by = plan.decision_id if named else (plan.model, plan.decision)
    return plan.source, by


def part_size(images: int) -> int:
    """Return how many images a part has, of so many."""
    return min(max(PART, images // PARTS), LARGEST)


def _path(job: Job, part: int) -> Path:
    return job.target / f"part-{part:06d}.parquet"


def _left_out(job: Job, part: int) -> Path:
    return job.target / f"{LEFT_OUT}{part:06d}.csv"


def _is_completed(job: Job, part: int) -> bool:
    """Return whether a part is there, and lacks no image that is not to be skipped."""
    lacks = not job.options.skip_unreadable and _left_out(job, part).exists()
    return _path(job, part).exists() and not lacks


def _score_parts(
    job: Job, parts: list[Part], pending: list[int], address: str
) -> Iterator[tuple[int, str]]:
    """Make the parts that are to do; yield those that failed, and why."""
    items = ((i, parts[i]) for i in pending)
    work = partial(score_part, job)
    _, outcomes = ray_tasks.started(work, items, address, MEMORY)
    for completed, ((number, part), reason) in enumerate(outcomes, 1):
        outcome = f"failed: {reason}" if reason else f"{count(part)} images"
        outcome = f"{_path(job, number).name}: {outcome}"
        log.info("%s  (%d of %d)", outcome, completed, len(pending))
        if reason:
            yield number, reason


def score_part(job: Job, item: tuple[int, Part]) -> str:
    """Judge the images of a part and write its file; return why it failed, if so."""
    import pandas as pd

    number, part = item
    rows: list[Row] = []
    left_out: list[Row] = []
    try:
        work = partial(_rows, job, _load_judge(job))
        for piece in cut(part, FETCHED):
            for single, result in isolate_errors(work, piece, partial(cut, size=1)):
                if isinstance(result, Exception):
                    left_out.append(_not_judged(job, single, result))
                else:
                    rows += result
        if left_out:
            write_table(_left_out(job, number), left_out, NOT_JUDGED_COLUMNS)
        with replacing(_path(job, number)) as temporary:
            pd.DataFrame(rows).to_parquet(temporary, index=False)
        if not left_out:
            _left_out(job, number).unlink(missing_ok=True)
    except UserError as error:
        return str(error)
    return ""


def _rows(job: Job, judge: Judge, part: Part) -> list[Row]:
    with job.source.files(part) as files:
        images = unlabelled(files, judge.detector.image_shape, cache_bytes=0)
        return list(score_rows(judge, images.prepared(judge.detector.preparation)))


def _not_judged(job: Job, single: Part, error: Exception) -> Row:
    """Return the line of an image that could not be judged, if need be by its row."""
    try:
        with job.source.files(single) as files:
            [(name, path)] = files.items()
            is_copy = isinstance(single, dict) or "://" in job.source.text
            return not_judged_row(name, error, None if is_copy else path.stat())
    except (OSError, UserError):  # it cannot be fetched, or is gone
        if isinstance(single, dict):
            single = [f"{single['table']}:{single['rows'][0]}"]
        return not_judged_row(single[0], error, None)


@lru_cache(maxsize=1)  # a worker judges many parts
def _load_judge(job: Job) -> Judge:
    detector, record = load_category(job.model, job.options.folder)
    if not is_for(job.finetuned, record):
        raise UserError(f"{job.model} has been replaced by another model")
    return Judge.of(detector, job.finetuned)
