"""`test.py -d IMAGES --ray`: judge very many images on a cluster, each once.

Plain tasks, not Ray Data: with a plan on disk a start after a failure of the whole
cluster leaves alone what is there, and no image is judged twice.
"""

import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from methods.detector.decisions import load_decided
from methods.detector.json_record import JsonRecord
from methods.detector.judge import Judge
from methods.jobs import ray_tasks
from processing.data.dataset import check_readable, unlabelled
from processing.data.remote_sources import Part, Source, check_part, count, cut
from processing.decision.decision import Decision
from processing.errors import UsageError, UserError
from processing.files import locked, replacing, write_json

from .judging import score_rows
from .testing import Options

PART, LARGEST = 256, 8192  # images of a file of scores
PARTS = 4096  # of these files, before there are more images in each
FETCHED = 64  # images that are copied from elsewhere at once
PLAN = "plan.json"
MEMORY = 2 * 2**30  # bytes a worker

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What a worker has to know: the model, the images, where scores go."""

    model: Path
    options: Options
    source: Source
    target: Path


@dataclass(frozen=True, kw_only=True)
class Plan(JsonRecord):
    """plan.json: whose scores these are, and which images are in which file."""

    source: str
    model: str
    decision: dict[str, Any]
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

    Args:
        model: a finetuned model.
        source: see `processing.data.remote_sources`.
        options: as for `testing.predict`.
        address: of the cluster, see `methods.jobs.ray_tasks`.

    Raises:
        UserError: parts that failed, once all others are there.
    """
    images = Source(source)
    _, record, finetuned = load_decided(model, *options.decided)
    target = options.results / record.run / "scored" / images.name
    job = Job(model.absolute(), options, images, target.absolute())
    with locked(target / ".lock"):
        parts = _plan_parts(job, finetuned.decision)
        pending = [i for i in range(len(parts)) if not _path(job, i).exists()]
        log.info("%d parts, %d to do", len(parts), len(pending))
        failures = dict(_score_parts(job, parts, pending, address)) if pending else {}
        for left in target.glob(".part-*"):  # by a node that died
            left.unlink()
    if failures:
        reasons = "; ".join(f"{_path(job, i).name}: {failures[i]}" for i in failures)
        raise UserError(f"parts that failed: {len(failures)}: {reasons}")
    return target, sum(map(count, parts))


def _plan_parts(job: Job, decision: Decision) -> list[Part]:
    """Return all parts, old ones first."""
    path, source, model = job.target / PLAN, job.source.place, str(job.model)
    plan = Plan(source=source, model=model, decision=asdict(decision), parts=[])
    if path.exists():
        earlier = Plan.read(path)
        if replace(earlier, parts=[], others={}) != plan:
            raise UsageError(
                f"{job.target} holds the scores of {earlier.source} by another model "
                "or decision, or of another folder: expected another --results"
            )
        plan = earlier
    parts = plan.parts + job.source.parts(plan.parts, part_size)
    write_json(path, replace(plan, parts=parts).to_json())
    return parts


def part_size(images: int) -> int:
    """Return how many images a part has, of so many."""
    return min(max(PART, images // PARTS), LARGEST)


def _path(job: Job, part: int) -> Path:
    return job.target / f"part-{part:06d}.parquet"


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
    try:
        rows = [row for piece in cut(part, FETCHED) for row in _rows(job, piece)]
        with replacing(_path(job, number)) as temporary:
            pd.DataFrame(rows).to_parquet(temporary, index=False)
    except UserError as error:
        return str(error)
    return ""


def _rows(job: Job, part: Part) -> Iterator[dict[str, Any]]:
    judge = _load_judge(job)
    with job.source.files(part) as files:
        images = unlabelled(files, judge.detector.image_shape, cache_bytes=0)
        images = check_readable(
            images.prepared(judge.detector.preparation),
            job.options.skip_unreadable,
            none_left=True,
        )
        yield from score_rows(judge, images)


@lru_cache(maxsize=1)  # a worker judges many parts
def _load_judge(job: Job) -> Judge:
    return load_decided(job.model, *job.options.decided).judge
