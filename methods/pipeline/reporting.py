"""Pictures and report.html of a judged set."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from methods.detector.decisions import Decided
from methods.detector.judge import Verdict
from methods.detector.results import FinetuningResult, TestResult
from processing.data.image_set import ImageSet
from processing.decision.regions import BoolArray
from processing.preprocessing.preparation import Preparation
from processing.report.gallery import ColourScale, Gallery
from processing.report.overlays import picture_names, write_overlay
from processing.report.report import remove_report, write_report
from processing.wording import printable

from .evaluation import Row


@dataclass(frozen=True)
class JudgedSet:
    """A judged set of images.

    Attributes:
        folder: where its files are.
        result: metrics of the set.
        rows: one for each image, the columns of scores.csv.
        curves: (k, 2) float, k <= 1000, without those that are undefined:
            image_roc and pixel_roc (FPR, TPR), image_pr and pixel_pr (recall,
            precision), pro (FPR, mean region overlap).
        hint: at what would leave out false regions, if they gather; else "".
    """

    folder: Path
    result: TestResult
    rows: list[Row]
    curves: dict[str, np.ndarray]
    hint: str = ""


class Pictures:
    """Draws judged images, for a report and as overlays, so far as they are wanted.

    Args:
        images: that are judged.
        preparation: of these images.
        gallery: of the report, or None.
        overlays: folder, or None.
    """

    def __init__(
        self,
        images: ImageSet,
        preparation: Preparation,
        gallery: Gallery | None,
        overlays: Path | None,
    ):
        self.images = images
        self.preparation = preparation
        self.gallery = gallery
        self.overlays = overlays
        self.names = picture_names(images.names)

    def draw(self, index: int, verdict: Verdict, truth: BoolArray | None) -> None:
        """Draw an image with the verdict on it; `truth` is its mask, if known."""
        if not (self.gallery or self.overlays):
            return
        image = self.preparation.picture(self.images.paths[index])
        if self.gallery:
            self.gallery.add(image, verdict.decided_map, verdict.mask, truth)
        if self.overlays:
            write_overlay(self.overlays, self.names[index], image, verdict.mask)


def open_gallery(folder: Path, finetuned: FinetuningResult) -> Gallery:
    """Return the gallery of a report, its colours chosen by a finetuning result."""
    # Results of earlier versions have no level of good images.
    scale = ColourScale.around(finetuned.threshold, finetuned.good_level)
    min_area = None if finetuned.clear_border else finetuned.min_area
    return Gallery(folder, scale, min_area=min_area)


def finish_report(judged: JudgedSet, gallery: Gallery | None, decided: Decided) -> None:
    """Write report.html; without a gallery remove what an earlier test left of one."""
    if gallery is None:
        remove_report(judged.folder)
        return
    write_report(
        judged.folder,
        judged.result.to_json(),
        judged.rows,
        judged.curves,
        gallery.urls,
        gallery.scale,
        describe(decided),
        (gallery.areas, gallery.critical),
    )


def describe(decided: Decided) -> dict[str, Any]:
    """Return `about` of `processing.report.report.write_report`."""
    judge, record, finetuned = decided
    return {
        "title": f"{record.dataset} / {record.category}",
        "method": f"{record.method}, {judge.detector.method.variant}",
        "run": record.run,
        "score_threshold": judge.score_threshold,
        "promise": finetuned.promise.in_words() if finetuned.promise else "",
    }


def classification(result: TestResult, rows: Sequence[Row]) -> str:
    """Return the original's table: file, prediction, truth, whether they agree."""
    head = (
        f"min_area = {result.min_area}, threshold = {result.threshold}, "
        f"method = {result.kind}, dtype = {result.dtype}"
    )
    files = [printable(row["file"]) for row in rows]
    width = max(map(len, files))
    lines = [head, ""]
    names = ("filename", "prediction", "truth", "accurate")
    table = [names] + [
        (
            file,
            row["verdict"],
            row["label"] or "unknown",
            str(row["verdict"] == row["label"]) if row["label"] else "",
        )
        for file, row in zip(files, rows, strict=True)
    ]
    lines += [f"{a:<{width}}  {b:<10}  {c:<10}  {d}".rstrip() for a, b, c, d in table]
    return "\n".join(lines) + "\n"
