"""Pictures and report.html of a judged set."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from methods.base import Method
from processing.report.gallery import ColourScale, Gallery
from processing.report.report import remove_report, write_report

if TYPE_CHECKING:
    from .judging import Report


def open_gallery(folder: Path, finetuned: Mapping[str, Any]) -> Gallery:
    """Return the gallery of a report, its colours chosen by a finetuning result."""
    # Results of earlier versions have no level of good images.
    level = finetuned.get("good_level")
    return Gallery(folder, ColourScale.around(finetuned["best_threshold"], level))


def finish_report(
    report: "Report",
    gallery: Gallery | None,
    record: Mapping[str, Any],
    method: Method,
) -> None:
    """Write report.html; without a gallery remove what an earlier test left of one."""
    if gallery is None:
        remove_report(report.folder)
        return
    write_report(
        report.folder,
        report.result,
        report.rows,
        report.curves,
        gallery.urls,
        gallery.scale,
        describe(record, method, report.result),
    )


def describe(
    record: Mapping[str, Any], method: Method, result: Mapping[str, Any]
) -> dict[str, Any]:
    """Return `about` of `processing.report.report.write_report`."""
    return {
        "title": f"{record['dataset']} / {record['category']}",
        "method": f"{record['method']}, {method.variant}",
        "run": record["run"],
        "score_threshold": score_threshold(
            result["threshold"], result["dtype"], method.highest(result["method"])
        ),
    }


def score_threshold(threshold: float, dtype: str, highest: float) -> float:
    """Return the threshold of a decision in the units of the scores.

    Scores are those of maps as they are; of a map rounded to uint8, where `highest`
    became 255, a pixel is above the threshold from half a step more upward.
    """
    return (threshold + 0.5) * highest / 255 if dtype == "uint8" else threshold


def classification(result: Mapping[str, Any], rows: list[dict[str, Any]]) -> str:
    """Return the original's table: file, prediction, truth, whether they agree."""
    keys = ("min_area", "threshold", "method", "dtype")
    head = ", ".join(f"{key} = {result[key]}" for key in keys)
    width = max(len(row["file"]) for row in rows)
    lines = [head, ""]
    names = ("filename", "prediction", "truth", "accurate")
    table = [names] + [
        (
            row["file"],
            row["verdict"],
            row["label"] or "unknown",
            str(row["verdict"] == row["label"]) if row["label"] else "",
        )
        for row in rows
    ]
    lines += [f"{a:<{width}}  {b:<10}  {c:<10}  {d}".rstrip() for a, b, c, d in table]
    return "\n".join(lines) + "\n"
