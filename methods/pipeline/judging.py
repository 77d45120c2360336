"""The rows of scores.csv and regions.csv that verdicts are written as."""

from collections.abc import Container, Iterator
from typing import Any

from methods.detector.judge import Judge, Verdict
from processing.data.image_set import ImageSet
from processing.decision.regions import REGION_COLUMNS

from .evaluation import VERDICTS, Row

REGIONS = ["file", "region", *REGION_COLUMNS]  # columns of regions.csv


def without(images: ImageSet, names: Container[str]) -> ImageSet:
    """Return the images that do not have one of `names`."""
    return images.subset(
        [i for i, name in enumerate(images.names) if name not in names]
    )


def score_rows(judge: Judge, images: ImageSet) -> Iterator[Row]:
    """Judge images and yield the row of each."""
    for index, verdict in enumerate(judge.judge(images)):
        yield score_row(images, index, verdict)


def score_row(images: ImageSet, index: int, verdict: Verdict) -> Row:
    """Return a row of scores.csv, which knows p-values and registration if they are.

    A label that is not known is "".
    """
    label = images.labels[index]
    known = {"p_value": verdict.p_value, "registered": verdict.registered}
    return {
        "file": images.names[index],
        "class": images.classes[index],
        "label": VERDICTS[label] if label >= 0 else "",
        "verdict": VERDICTS[verdict.defective],
        "score": verdict.score,
        "defect_area": int(verdict.mask.sum()),
        **{key: value for key, value in known.items() if value is not None},
    }


def region_rows(name: str, verdict: Verdict) -> list[dict[str, Any]]:
    """Return the rows of regions.csv of one image: each defect, from 1 upward."""
    regions = zip(*verdict.regions.values(), strict=True)
    return [
        dict(zip(REGIONS, (name, number, *region), strict=True))
        for number, region in enumerate(regions, 1)
    ]
