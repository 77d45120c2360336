"""All metrics of a judged set, as test_result.json holds them."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from methods.detector.judge import Verdict
from processing.data.ground_truth import GOOD_CLASS
from processing.data.image_set import ANOMALOUS, GOOD, ImageSet
from processing.data.listing import some
from processing.decision.regions import BoolArray
from processing.decoding.decode import read_size
from processing.metrics.image_metrics import (
    Confusion,
    MetricValue,
    bootstrap_intervals,
    image_curves,
    image_metrics,
    missing_label,
)
from processing.metrics.localisation import Localisation
from processing.metrics.pixel_metrics import PIXEL_METRICS, PixelMetrics
from processing.metrics.ranking import FloatArray

VERDICTS = ("good", "defective")

Row = dict[str, Any]  # of scores.csv
Pixels = PixelMetrics | str  # or why there are no metrics of pixels: "because ..."


def pixel_metrics(images: ImageSet, exact: bool) -> Pixels:
    """Return what counts the pixels, or why they cannot be counted."""
    defective = np.flatnonzero(images.labels == ANOMALOUS)
    missing = missing_label(images.labels[images.labels >= 0])
    if missing and not len(defective):
        return missing
    if any(images.mask_paths[i] for i in defective):
        return PixelMetrics(exact=exact)
    without = {images.classes[i] for i in defective}
    return f"because {', '.join(sorted(without))} has no ground truth masks"


def count_pixels(
    pixels: Pixels, verdict: Verdict, truth: BoolArray | None, name: str
) -> None:
    """Count the pixels of an image of class `name`, if they can be counted."""
    if isinstance(pixels, PixelMetrics) and truth is not None:
        pixels.update(verdict.anomaly_map, truth, verdict.mask, name)


def locate(counts: Localisation, verdict: Verdict, truth: BoolArray | None) -> Row:
    """Count the regions of an image whose truth is known; return its columns."""
    if truth is None:
        return {"in_place": None, "false_regions": None}
    found = counts.update(verdict.mask, truth)
    in_place = int(found.found > 0) if found.true else None
    return {"in_place": in_place, "false_regions": found.false}


def native_mask(images: ImageSet, index: int) -> BoolArray:
    """Return the ground truth of an image at the size of its file, (h, w)."""
    path, *_ = images.mask_paths[index] or [images.paths[index]]
    return images.mask(index, read_size(path))


def all_metrics(rows: Sequence[Row], pixels: Pixels, seed: int) -> dict[str, Any]:
    """Return the metrics as `TestResult` describes them.

    Args:
        rows: one for each image, with class, label, verdict and score.
        pixels: has counted these images.
        seed: of the bootstrap.
    """
    labelled = [row for row in rows if row["label"]]
    labels, scores = _labels(labelled), [row["score"] for row in labelled]
    verdicts = [row["verdict"] == "defective" for row in labelled]
    counts = Confusion.count(labels, verdicts)
    metrics: dict[str, MetricValue] = {
        **_rates(counts, labels),
        **image_metrics(labels, scores),
        **_pixel_metrics(pixels),
    }
    undefined = _undefined(metrics)
    classes = {}
    for name in dict.fromkeys(row["class"] for row in rows):
        of_class = class_metrics(rows, name, pixels)
        classes[name] = _numbers(of_class)
        if name != GOOD_CLASS:
            undefined |= {
                f"{name}/{key}": reason
                for key, reason in _undefined(of_class).items()
                if key not in undefined
            }
    return {
        **_numbers(metrics),
        "confusion": vars(counts),
        "intervals_95": bootstrap_intervals(labels, scores, verdicts, seed=seed),
        "undefined": undefined,
        "classes": classes,
    }


def class_metrics(
    rows: Sequence[Row], name: str, pixels: Pixels
) -> dict[str, MetricValue]:
    """Return the metrics of one class.

    They are those of a test set of good images and this class alone. The class of good
    images, and images without labels, are only counted.
    """
    of_class = [row for row in rows if row["class"] == name]
    called = sum(row["verdict"] == "defective" for row in of_class)
    metrics: dict[str, MetricValue] = {
        "images": len(of_class),
        "called_defective": called,
    }
    if any(row["label"] != "defective" for row in of_class):
        return metrics
    judged = [row for row in rows if row["label"] == "good"] + of_class
    metrics |= image_metrics(_labels(judged), [row["score"] for row in judged])
    return metrics | _pixel_metrics(pixels, (GOOD_CLASS, name))


def metric_curves(rows: Sequence[Row], pixels: Pixels) -> dict[str, FloatArray]:
    """Return ROC, precision-recall and PRO curves, as `JudgedSet` describes them."""
    labelled = [row for row in rows if row["label"]]
    curves = image_curves(_labels(labelled), [row["score"] for row in labelled])
    return curves | ({} if isinstance(pixels, str) else pixels.curves())


def _labels(rows: Sequence[Row]) -> list[bool]:
    return [row["label"] == "defective" for row in rows]


def _rates(counts: Confusion, labels: list[bool]) -> dict[str, MetricValue]:
    missing = missing_label(labels) or ""
    rates = {"TPR": counts.tpr, "TNR": counts.tnr, "score": counts.balanced}
    return {key: missing if rate is None else rate for key, rate in rates.items()}


def _pixel_metrics(
    pixels: Pixels, groups: Sequence[str] | None = None
) -> dict[str, MetricValue]:
    if isinstance(pixels, str):
        return dict.fromkeys(PIXEL_METRICS, pixels)
    for name in groups or ():
        if name not in {GOOD_CLASS, *pixels.groups}:
            reason = f"because {name} has no masks that mark anything"
            return dict.fromkeys(PIXEL_METRICS, reason)
    return pixels.metrics(groups)


def _undefined(metrics: dict[str, MetricValue]) -> dict[str, str]:
    return {key: value for key, value in metrics.items() if isinstance(value, str)}


def _numbers(metrics: dict[str, MetricValue]) -> dict[str, float | None]:
    return {
        key: None if isinstance(value, str) else value for key, value in metrics.items()
    }


def known_mask(images: ImageSet, index: int) -> BoolArray | None:
    """Return the ground truth of an image, (h, w) at its own size, if it is known.

    It is not if a defective image has no mask, or one that marks nothing.
    """
    if images.labels[index] == GOOD:
        return native_mask(images, index)
    truth = native_mask(images, index) if images.mask_paths[index] else None
    return truth if truth is not None and truth.any() else None


def warn_of_masks(pixels: Pixels, images: ImageSet, unknown: Sequence[int]) -> None:
    """Name the defective images that pixel metrics leave out, if there are metrics.

    `unknown` has the indices of images whose ground truth is not known.
    """
    left_out = [
        f"{images.names[i]} "
        f"({'its mask marks nothing' if images.mask_paths[i] else 'no mask'})"
        for i in unknown
        if images.labels[i] == ANOMALOUS
    ]
    if left_out and not isinstance(pixels, str):
        warnings.warn(
            f"pixel metrics leave out {len(left_out)} of "
            f"{np.count_nonzero(images.labels == ANOMALOUS)} defective images: "
            f"{some(left_out)}",
            stacklevel=2,
        )
