"""Learns from labelled photos, in a process of its own: `python3 -m` with a job.

It prints a line for each thing that it does; what the station is to know is JSON behind
`TOLD`. The last line of one that fails is why.
"""

import json
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from methods.detector.decisions import Decided, load_decided
from methods.detector.kept import Kept
from methods.detector.model_file import read_record
from methods.detector.results import FinetuningResult
from methods.engine.backend import load_backend
from methods.pipeline import finetuning
from methods.pipeline.by_hand import options_by_hand
from methods.pipeline.training import train_run
from methods.pipeline.updating import start_update
from methods.registry import register
from processing.data.copies import identical_files
from processing.data.dataset import category_folder
from processing.data.image_set import ANOMALOUS, ImageSet
from processing.data.table import images_of_table
from processing.decision.calibration import Rule
from processing.decision.goals import Goal
from processing.decoding.medical import file_of
from processing.errors import UserError, one_line
from processing.files import write_json

TOLD = "@"
JOB, LABELS, GOOD, COMPARISON = "job.json", "labels.csv", "good.csv", "comparison.json"
MODELS = "models"  # folder of the models that jobs made
LEARNED, DECIDED, OTHERS = "learned from", "decided from", "others"  # groups of images

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What is to be learned.

    Attributes:
        folder: of the job, with its tables of labels.
        model: file of the model that judges.
        results: root of the results.
        decision: id of the decision that judges.
        name: of a new decision; "" to make a new model.
    """

    folder: Path
    model: Path
    results: Path
    decision: str
    name: str


def learn(job: Job) -> None:
    """Make a decision, or a model with one, and compare it with what judges."""
    old = load_decided(job.model, None, job.results, None, None, job.decision)
    options = options_like(old.finetuned)
    options = replace(options, results=job.results, labels=job.folder / LABELS)
    model = job.model
    if not job.name:
        say("updating the model")
        table = job.folder / GOOD
        run = start_update(model, None, labels=table, root=job.folder / MODELS)
        tell(run=run[1].run)
        model = train_run(*run)
    else:
        options = replace(options, name=job.name, aside=True)
    say("finding the decision")
    _, finetuned = finetuning.finetune(model, options)
    say("comparing")
    new = load_decided(model, None, job.results, None, None, finetuned.name)
    write_json(job.folder / COMPARISON, comparison(job, old, new))
    tell(decision=finetuned.name, model=new.record.id, file=str(model))


def options_like(finetuned: FinetuningResult) -> finetuning.Options:
    """Return how a decision was made; one by hand is made anew by the default goal."""
    made = finetuned.options or {}
    rule, goal = made.get("rule"), made.get("goal")
    return finetuning.Options(
        kind=finetuned.kind.removeprefix("legacy-"),
        dtype=finetuned.dtype,
        clear_border=bool(made.get("clear_border")),
        legacy=bool(made.get("legacy")),
        rule=Rule(**rule) if rule else None,
        goal=Goal(**goal) if goal else None,
        min_area=made.get("min_area") if rule else None,
        folds=int(made.get("folds", 0)),
        exclude=tuple(finetuned.excluded),
    )


def comparison(job: Job, old: Decided, new: Decided) -> dict[str, Any]:
    """Return what both say of all labelled images, and what the new one knows of them.

    Images of the same bytes are one. Those that the new model learned from, and those
    that the new decision was made from, are named so: they say little of others.
    """
    photos = images_of_table(job.folder / LABELS).images
    known = _known(old)
    images = known.with_others(
        [x.path for x in photos],
        [str(x.path) for x in photos],
        [x.kind for x in photos],
    )
    learned = _files(new, new.record.splits.fit)
    files = [new.finetuned.validation_files, new.finetuned.test_files]
    decided = _files(new, chain(*files))
    groups = identical_files([*images.paths, *learned, *decided])
    copies = {i: group for group in groups for i in group}
    first, second = len(images), len(images) + len(learned)
    rows: list[dict[str, Any]] = []
    both = zip(_verdicts(old, job, images), _verdicts(new, job, images), strict=True)
    for i, (before, after) in enumerate(both):
        group = copies.get(i, [i])
        if i != max(k for k in group if k < first):
            continue  # the last of several is the one that people labelled
        seen = OTHERS if max(group) < first else DECIDED
        seen = LEARNED if any(first <= k < second for k in group) else seen
        label = "defective" if images.labels[i] == ANOMALOUS else "good"
        where = {"name": images.names[i], "path": str(images.paths[i]), "label": label}
        rows.append({**where, "group": seen, "old": before, "new": after})
    return {"images": rows}


def _files(decided: Decided, names: Iterable[str]) -> list[Path]:
    """Return the files of images that a model, or its decision, was made from."""
    folder = category_folder(Path(decided.record.folder))
    return [
        path for path in {file_of(folder / name) for name in names} if path.is_file()
    ]


def _known(decided: Decided) -> ImageSet:
    """Return the images of the data set that a decision was made from."""
    judge, record, _ = decided
    splits, seed = record.splits, judge.detector.method.seed
    where = Path(record.folder), 0, splits.test, splits.labels
    category = judge.detector.category(*where)
    options = replace(options_by_hand(decided), labels=None, folds=0)
    good, found, _, _ = finetuning.image_sets(category, record, seed, options)
    return good.with_others(found.paths, found.names, found.classes)


def _verdicts(
    decided: Decided, job: Job, images: ImageSet
) -> Iterator[dict[str, float | str]]:
    kept = Kept.of(decided.record, job.results)
    for verdict in decided.judge.judge_kept(images, kept):
        called = "defective" if verdict.defective else "good"
        yield {"score": float(verdict.score), "verdict": called}


def say(step: str) -> None:
    """Tell the station what is being done."""
    tell(step=step)


def tell(**values: Any) -> None:
    """Tell the station values."""
    print(TOLD + json.dumps(values), flush=True)


def main(argv: Sequence[str]) -> int:
    """Do the job in a folder; return the exit code."""
    logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.INFO)
    folder = Path(argv[0])
    try:
        content = json.loads((folder / JOB).read_text("utf-8"))
        paths = {key: Path(content[key]) for key in ("model", "results")}
        job = Job(folder, **paths, decision=content["decision"], name=content["name"])
        method = read_record(job.model).method
        if ":" in method:
            register(method)  # the station was allowed to
        load_backend()
        learn(job)
    except (UserError, OSError, MemoryError) as error:
        print(f"error: {one_line(error)}", flush=True)
        return 1
    except KeyboardInterrupt:  # Ctrl-C of the station reaches its children, too
        print("error: the station ended: nothing was kept", flush=True)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
