"""Pictures and report.html of a judged set."""

from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from methods.detector.decisions import Decided
from methods.detector.judge import Verdict
from methods.detector.results import FinetuningResult, TestResult
from processing.data.image_set import ANOMALOUS, WORKERS, ImageSet
from processing.data.table import path_in_table
from processing.decision.regions import BoolArray
from processing.preprocessing.preparation import Preparation
from processing.report.gallery import ColourScale, Drawn, Gallery
from processing.report.overlays import picture_names, write_overlay
from processing.report.report import remove_report, write_report
from processing.wording import printable

from .curves import Curves
from .evaluation import Row

AHEAD = 32  # images that wait to be drawn: two batches of maps


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

    Threads draw while others are judged, at most `AHEAD` images behind. A context
    manager; all is drawn when its block ends without an error.

    Args:
        images: that are judged.
        preparation: of these images.
        scale: of the maps.
        gallery: of the report, or None.
        overlays: folder, or None.
        curves: of the maps, see `by_hand.curves_by_hand`.
    """

    def __init__(
        self,
        images: ImageSet,
        preparation: Preparation,
        scale: ColourScale,
        gallery: Gallery | None,
        overlays: Path | None,
        curves: Curves,
    ):
        self.images = images
        self.preparation = preparation
        self.scale = scale
        self.gallery = gallery
        self.overlays = overlays
        self.curves = curves
        self.names = picture_names(images.names)
        self._pool = ThreadPoolExecutor(WORKERS)
        self._pending: deque[Future[Drawn | None]] = deque()

    def __enter__(self) -> "Pictures":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            while self._pending and kind is None:
                self._take()
        finally:
            self._pool.shutdown(cancel_futures=True)

    def draw(self, index: int, verdict: Verdict, truth: BoolArray | None) -> None:
        """Have an image drawn with the verdict on it; `truth` is its mask, if known.

        Overlays have no copies of what is good and was called good. What an earlier
        image could not be drawn for is raised here, or at the end.
        """
        if not (self.gallery or self.overlays):
            return
        self._pending.append(self._pool.submit(self._drawn, index, verdict, truth))
        if len(self._pending) > AHEAD:
            self._take()

    def _drawn(
        self, index: int, verdict: Verdict, truth: BoolArray | None
    ) -> Drawn | None:
        path, decided_map = self.images.paths[index], verdict.decided_map
        image = self.preparation.picture(path)
        if self.overlays:
            looked_at = verdict.defective or self.images.labels[index] == ANOMALOUS
            painted = self.scale.paint(decided_map) if looked_at else None
            write_overlay(
                self.overlays, self.names[index], image, verdict.mask, painted
            )
        if not self.gallery:
            return None
        moves = self.gallery.operating
        curve = self.curves.of_map(path, decided_map) if moves else None
        return self.gallery.drawn(image, decided_map, verdict.mask, truth, curve)

    def _take(self) -> None:
        drawn = self._pending.popleft().result()
        if self.gallery and drawn:
            self.gallery.take(drawn)


def colours(finetuned: FinetuningResult) -> ColourScale:
    """Return the colours of maps, chosen by a finetuning result."""
    # Results of earlier versions have no level of good images.
    return ColourScale.around(finetuned.threshold, finetuned.good_level)


def open_gallery(folder: Path, finetuned: FinetuningResult) -> Gallery:
    """Return the gallery of a report."""
    min_area = None if finetuned.clear_border else finetuned.min_area
    return Gallery(folder, colours(finetuned), min_area=min_area)


def finish_report(
    judged: JudgedSet,
    images: ImageSet,
    gallery: Gallery | None,
    decided: Decided,
    operating: Mapping[str, Any] | None,
    of_labels: str,
) -> None:
    """Write report.html of judged images.

    Without a gallery, what an earlier test left of a report is removed. `operating` is
    what the sliders need, see `by_hand.sliders`, `of_labels` the command that decides
    with a table of labels.
    """
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
        {**describe(decided), "of_labels": of_labels},
        operating,
        [*map(path_in_table, images.paths)],
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
