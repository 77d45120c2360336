"""The report page of a judged set: report.html and its plots as PNG files."""

import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from processing.data.tree import GOOD_NAMES
from processing.files import write_text
from processing.metrics.localisation import in_words
from processing.metrics.names import METRICS
from processing.wording import count, metric, number

from .chart_png import write_chart
from .charts import CurvePlot, ScorePlot, curve_chart, histogram_chart
from .gallery import FOLDER, ColourScale
from .pages import render

REPORT = "report.html"
PLOTS = ("roc", "pr", "pro", "histogram")
PRO_LIMIT = 0.3  # false positive rate up to which AUPRO is measured
OUTCOMES = {  # of (label, verdict)
    ("defective", "defective"): "found",
    ("defective", "good"): "miss",
    ("good", "defective"): "alarm",
    ("good", "good"): "passed",
}

Result = Mapping[str, Any]
Rows = Sequence[Mapping[str, Any]]
Curves = Mapping[str, np.ndarray]


def write_report(
    folder: Path,
    result: Result,
    rows: Rows,
    curves: Curves,
    pictures: Sequence[Mapping[str, str]],
    scale: ColourScale,
    about: Mapping[str, Any],
    operating: Mapping[str, Any] | None = None,
    paths: Sequence[str] = (),
) -> Path:
    """Write report.html and its plots as PNG; return the path of the report.

    Args:
        folder: of the report page.
        result: the content of test_result.json.
        rows: file, class, label, verdict, score and defect_area of each image.
        curves: name -> (k, 2) points; see `methods.pipeline.reporting.JudgedSet`.
        pictures: of each row, `Gallery.urls`.
        scale: the colours of the maps.
        about: "title" such as "mvtec / bottle", "method" such as "mvtecCAE, ssim",
            "run", "score_threshold", the threshold in units of the scores, "promise",
            what the decision keeps in words, perhaps "", and "of_labels", the command
            that decides with labels.csv.
        operating: what the sliders need, see `methods.pipeline.by_hand.sliders`;
            None: no sliders.
        paths: of each image, as a table names it; "" or none: no labels can be given.
    """
    charts = [*map(curve_chart, curve_plots(result, curves))]
    scores = score_plot(result, rows, about["score_threshold"])
    charts.append(histogram_chart(scores))
    content = {
        "result": result,
        "about": about,
        "written": datetime.now().strftime("%d %b %Y, %H:%M"),
        "verdict": verdict(result, rows),
        "where": in_words(result.get("localisation", {})),
        "groups": metric_groups(result),
        "charts": charts,
        "classes": class_table(result, rows),
        "certain": any(low == high for low, high in result["intervals_95"].values()),
        "scale": scale,
        "coarse": sum(
            small is not None for small in (operating or {}).get("small", [])
        ),
        "beside": any(url.startswith(FOLDER) for url in _urls(pictures)),
        "data": {
            **gallery_data(result, rows, pictures, about["score_threshold"], paths),
            "operating": operating,
        },
    }
    write_text(folder / REPORT, render("report.html", content))
    for chart in charts:
        write_chart(_plot_path(folder, chart.name), chart)
    for name in {*PLOTS} - {chart.name for chart in charts}:
        _plot_path(folder, name).unlink(missing_ok=True)  # of an earlier report
    return folder / REPORT


def remove_report(folder: Path) -> None:
    """Remove what `write_report` and the `Gallery` write, so far as it is there."""
    for path in (folder / REPORT, *(_plot_path(folder, name) for name in PLOTS)):
        path.unlink(missing_ok=True)
    shutil.rmtree(folder / FOLDER, ignore_errors=True)


def _plot_path(folder: Path, name: str) -> Path:
    return folder / f"{name}_plot.png"


def _urls(pictures: Sequence[Mapping[str, str]]) -> list[str]:
    return [url for kinds in pictures[:1] for url in kinds.values()]


def verdict(result: Result, rows: Rows) -> str:
    """Return a summary of the verdicts in one sentence."""
    counts = result["confusion"]
    bad = counts["true_positives"] + counts["false_negatives"]
    good = counts["true_negatives"] + counts["false_positives"]
    parts = []
    if bad:
        parts.append(f"Found {counts['true_positives']:,} of {count(bad, 'defect')}")
    if good:
        alarms = count(counts["false_positives"], "false alarm")
        parts.append(f"{alarms} on {count(good, 'good image')}")
    if not parts:
        called = sum(row["verdict"] == "defective" for row in rows)
        parts.append(f"{called:,} of {count(len(rows), 'image')} called defective")
    return ", ".join(parts)


def metric_groups(result: Result) -> dict[str, list[dict[str, Any]]]:
    """Return the metrics of a result by group, with interval or reason."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for key, kind in METRICS.items():
        groups.setdefault(kind.group, []).append(
            {
                "key": key,
                "kind": kind,
                "value": result[key],
                "interval": result["intervals_95"].get(key),
                "reason": result["undefined"].get(key, ""),
            }
        )
    return groups


def curve_plots(result: Result, curves: Curves) -> list[CurvePlot]:
    """Return the plots of the curves that are defined."""
    counts = result["confusion"]
    called = counts["true_positives"] + counts["false_positives"]
    decided: dict[str, list[tuple[float, float, str]]] = {"roc": [], "pr": []}
    if result["TPR"] is not None and result["TNR"] is not None:
        decided["roc"] = [(1 - result["TNR"], result["TPR"], "the decision")]
        if called:
            precision = counts["true_positives"] / called
            decided["pr"] = [(result["TPR"], precision, "the decision")]
    panels = [
        CurvePlot(
            name,
            title,
            *labels,
            {
                style: (curves[f"{style}_{name}"], _legend(result, f"{style}_{key}"))
                for style in ("image", "pixel")
                if f"{style}_{name}" in curves
            },
            marks=decided[name],
            note=note,
        )
        for name, title, labels, key, note in (
            (
                "roc",
                "ROC",
                ("false positive rate", "true positive rate"),
                "auroc",
                "The decision need not lie on the curve: it asks for an area, too.",
            ),
            ("pr", "Precision and recall", ("recall", "precision"), "ap", ""),
        )
    ]
    if "pro" in curves:
        pro = {"pixel": (curves["pro"], _legend(result, "aupro"))}
        labels = ("false positive rate of pixels", "mean overlap of defects")
        note = "Up to a false positive rate of 0.3, as in the literature."
        title = "Per-region overlap (PRO)"
        panels.append(CurvePlot("pro", title, *labels, pro, limit=PRO_LIMIT, note=note))
    return [plot for plot in panels if plot.curves]


def _legend(result: Result, key: str) -> str:
    return f"{METRICS[key].name} {metric(result[key])}"


def score_plot(result: Result, rows: Rows, threshold: float) -> ScorePlot:
    """Return the histogram of the image scores, by label where there are labels."""
    groups = {
        name: [row["score"] for row in rows if (row["label"] or "images") == name]
        for name in ("good", "defective", "images")
    }
    return ScorePlot(
        "Image scores",
        {name: scores for name, scores in groups.items() if scores},
        threshold,
        "The threshold applies to each pixel of a map. An image is defective where a "
        "region above it has at least the minimum area, so one beyond the line can "
        "still be good.",
    )


def class_table(result: Result, rows: Rows) -> dict[str, Any]:
    """Return the columns and the rows of the table of classes."""
    classes = result["classes"]
    keys = [key for key in METRICS if any(key in row for row in classes.values())]
    table = []
    for name, values in classes.items():
        members = [row for row in rows if row["class"] == name]
        right = sum(row["verdict"] == row["label"] for row in members)
        table.append({**values, "class": name, "right": right})
    return {
        "keys": keys,
        "rows": table,
        "undefined": result["undefined"],
        "kinds": METRICS,
    }


def gallery_data(
    result: Result,
    rows: Rows,
    pictures: Sequence[Mapping[str, str]],
    threshold: float,
    paths: Sequence[str] = (),
) -> dict[str, Any]:
    """Return what the page's script shows of every image, JSON-able."""
    return {
        "threshold": threshold,
        "dropped": "too small or at border" if result["clear_border"] else "too small",
        "labelled": any(row["label"] for row in rows),
        "good_names": sorted(GOOD_NAMES),
        "images": [
            {
                "file": row["file"],
                "path": path,
                "class": row["class"],
                "verdict": row["verdict"],
                "label": row["label"],
                "outcome": OUTCOMES.get((row["label"], row["verdict"]), row["verdict"]),
                "score": row["score"],
                "shown": number(row["score"]),
                "area": row["defect_area"],
                "p": row.get("p_value"),
                "lost": row.get("registered") is False,
                "pictures": kinds,
            }
            for row, kinds, path in zip(
                rows, pictures, paths or [""] * len(rows), strict=True
            )
        ],
    }
