"""The rows of scores.csv and regions.csv that verdicts are written as."""

import math
import os
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from methods.detector.judge import Judge, Verdict
from processing.data.image_set import ImageSet
from processing.data.listing import LeftOut
from processing.decision.regions import REGION_COLUMNS
from processing.errors import UserError, reason
from processing.files import write_table

from .evaluation import VERDICTS, Row

REGIONS = ["file", "region", *REGION_COLUMNS]  # columns of regions.csv
NOT_JUDGED = "not_judged.csv"
NOT_JUDGED_COLUMNS = ["file", "reason", "size", "time"]

Batch = TypeVar("Batch")
Result = TypeVar("Result")


def without(images: ImageSet, names: Container[str]) -> ImageSet:
    """Return the images that do not have one of `names`."""
    return images.subset(
        [i for i, name in enumerate(images.names) if name not in names]
    )


def score_rows(judge: Judge, images: ImageSet) -> Iterator[Row]:
    """Judge images and yield the row of each."""
    for index, verdict in enumerate(judge.judge(images)):
        yield score_row(images, index, verdict, judge.columns)


def score_row(images: ImageSet, index: int, verdict: Verdict, decided: Row) -> Row:
    """Return a row of scores.csv, which knows p-values and registration if they are.

    A label that is not known is "". `decided` is what `Judge.columns` says.
    """
    if not math.isfinite(verdict.score):
        raise UserError(f"{images.paths[index]}: its score is {verdict.score}")
    label = images.labels[index]
    known = {"p_value": verdict.p_value, "registered": verdict.registered}
    return {
        "file": written_name(images.names[index]),
        "class": images.classes[index],
        "label": VERDICTS[label] if label >= 0 else "",
        "verdict": VERDICTS[verdict.defective],
        "score": verdict.score,
        "defect_area": int(verdict.mask.sum()),
        **{key: value for key, value in known.items() if value is not None},
        **decided,
    }


def isolate_errors(
    work: Callable[[Batch], Result],
    batch: Batch,
    split: Callable[[Batch], Iterable[Batch]],
) -> Iterator[tuple[Batch, Result | Exception]]:
    """Yield a batch with the result of work on it, or its parts with theirs.

    Where work on a batch fails for whatever reason, `split` gives its images one by
    one; one that fails has the error as its result.
    """
    try:
        result: Result | Exception = work(batch)
    except Exception as error:
        parts = list(split(batch))
        if len(parts) > 1:
            for part in parts:
                yield from isolate_errors(work, part, split)
            return
        result = error
    yield batch, result


def write_left_out(
    folder: Path,
    images: ImageSet,
    readable: ImageSet,
    not_taken: Sequence[LeftOut] = (),
) -> None:
    """Write not_judged.csv of those images that are not among the readable ones.

    What an earlier test has left of one is removed if there are none. `not_taken` is
    what the scan for the images left out already.
    """
    left_out = without(images, set(readable.names))
    rows = [not_judged_row(item.name, UserError(item.reason)) for item in not_taken]
    for index, error in left_out.unreadable().items():
        file = left_out.files[index]
        status = file.stat() if file.exists() else None
        rows.append(not_judged_row(left_out.names[index], error, status))
    if rows:
        write_table(folder / NOT_JUDGED, rows, NOT_JUDGED_COLUMNS)
    else:
        (folder / NOT_JUDGED).unlink(missing_ok=True)


def written_name(name: str) -> str:
    """Return the name of an image as tables have it: what is no UTF-8 is escaped."""
    return name.encode("utf-8", "backslashreplace").decode()


def not_judged_row(
    name: str, error: Exception, status: os.stat_result | None = None
) -> Row:
    """Return a row of not_judged.csv; `status` is that of the file, if known."""
    return {
        "file": written_name(name),
        "reason": reason(error),
        "size": status.st_size if status else None,
        "time": file_time(status.st_mtime_ns) if status else None,
    }


def file_time(nanoseconds: int) -> str:
    """Return the time of a file, since 1970, as tables have it: ISO 8601, UTC."""
    limit = 2**63 - 1  # files can have times beyond, by mistake or on purpose
    microseconds = max(-limit, min(nanoseconds // 1000, limit))
    return f"{np.datetime64(microseconds, 'us')}Z"


def region_rows(name: str, verdict: Verdict) -> list[dict[str, Any]]:
    """Return the rows of regions.csv of one image: each defect, from 1 upward."""
    regions = zip(*verdict.regions.values(), strict=True)
    return [
        dict(zip(REGIONS, (name, number, *region), strict=True))
        for number, region in enumerate(regions, 1)
    ]
