"""`test.py -d IMAGES --ray`: judge very many images on a cluster, each once."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from processing import cluster
from processing.dataset import check_readable, images_below, unlabelled
from processing.decision import Decision
from processing.errors import UsageError, UserError
from processing.files import locked, read_json, replacing, write_json

from .detector import Detector
from .finetuning import load_decided
from .testing import Options, judged_rows

PART = 256  # images of a file of scores
PLAN = "plan.json"
MEMORY = 2 * 2**30  # bytes a worker

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What a worker has to know: the model, the images' folder, where scores go."""

    model: Path
    options: Options
    source: Path
    target: Path


def score(model: Path, options: Options, address: str) -> tuple[Path, int]:
    """Judge the images in a folder, on a Ray cluster; return scores and their number.

    The scores are Parquet files with the columns of scores.csv, of up to `PART` images
    each. Which image is in which is planned once: what is there is left alone by the
    next start, and a part that two nodes make is the same. New images get new parts.

    Raises:
        UserError: parts that failed, once all others are there.
    """
    assert options.images is not None
    if not options.images.is_dir():
        raise UsageError(f"--ray: expected a folder. Received: {options.images}")
    source = options.images.absolute()
    _, record, finetuned = load_decided(model, *options.decided)
    target = options.results / record["run"] / "scored" / (source.name or "images")
    job = Job(model.absolute(), options, source, target.absolute())
    with locked(target / ".lock"):
        parts = _planned(job, Decision.of_result(finetuned))
        todo = [i for i in range(len(parts)) if not _path(job, i).exists()]
        log.info("%d parts of %d images at most, %d to do", len(parts), PART, len(todo))
        failures = dict(_scored(job, parts, todo, address)) if todo else {}
        for left in target.glob(".part-*"):  # by a node that died
            left.unlink()
    if failures:
        named = "; ".join(f"{_path(job, i).name}: {failures[i]}" for i in failures)
        raise UserError(f"parts that failed: {len(failures)}: {named}")
    return target, sum(map(len, parts))


def _planned(job: Job, decision: Decision) -> list[list[str]]:
    """Return the names of the images in each part, old parts first."""
    what: dict[str, Any] = {"folder": str(job.source), "model": str(job.model)}
    what["decision"] = decision.to_dict()
    path, parts = job.target / PLAN, []
    if path.exists():
        plan = read_json(path)
        if {key: plan[key] for key in what} != what:
            raise UsageError(
                f"{job.target} holds the scores of {plan['folder']} by another model "
                "or decision, or of another folder: expected another --results"
            )
        parts = plan["parts"]
    known = {name for part in parts for name in part}
    found = [p.relative_to(job.source).as_posix() for p in images_below(job.source)]
    new = [name for name in found if name not in known]
    parts += [new[start : start + PART] for start in range(0, len(new), PART)]
    write_json(path, {**what, "parts": parts})
    return parts


def _path(job: Job, part: int) -> Path:
    return job.target / f"part-{part:06d}.parquet"


def _scored(
    job: Job, parts: list[list[str]], todo: list[int], address: str
) -> Iterator[tuple[int, str]]:
    """Make the parts that are to do; yield those that failed, and why."""
    items = ((i, parts[i]) for i in todo)
    work = partial(score_part, job)
    _, ended = cluster.started(work, items, address, MEMORY)
    for done, ((part, names), reason) in enumerate(ended, 1):
        said = f"failed: {reason}" if reason else f"{len(names)} images"
        log.info("%s: %s  (%d of %d)", _path(job, part).name, said, done, len(todo))
        if reason:
            yield part, reason


def score_part(job: Job, item: tuple[int, list[str]]) -> str:
    """Judge the images of a part and write its file; return why it failed, if so."""
    import pandas as pd

    part, names = item
    try:
        detector, _, finetuned = _loaded(job)
        files = [job.source / name for name in names]
        images = unlabelled(job.source, files, detector.image_shape, cache_bytes=0)
        images = check_readable(
            images.prepared(detector.preparation), job.options.skip_unreadable
        )
        decision = Decision.of_result(finetuned)
        rows = judged_rows(detector, images, decision, finetuned, "", None, None)
        table = pd.DataFrame(list(rows))
        with replacing(_path(job, part)) as temporary:
            table.to_parquet(temporary, index=False)
    except UserError as error:
        return str(error)
    return ""


@lru_cache(maxsize=1)  # a worker judges many parts
def _loaded(job: Job) -> tuple[Detector, dict[str, Any], dict[str, Any]]:
    return load_decided(job.model, *job.options.decided)
