"""Judge a set of images with a detector and its decision."""

from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from methods.detector.decisions import decision_maps
from methods.detector.detector import Detector, registration
from processing.data.image_set import ImageSet
from processing.data.listing import bare_name
from processing.decision.calibration import p_values
from processing.decision.decision import Decision
from processing.decision.regions import area_curve
from processing.metrics.pixel_metrics import PixelMetrics
from processing.report.gallery import Gallery
from processing.report.overlays import write_overlay

from .evaluation import VERDICTS, Pixels, known_mask


@dataclass(frozen=True)
class Report:
    """One judged set.

    Attributes:
        folder: where its files are.
        result: the content of test_result.json. Its figures, None where undefined:
            TPR, TNR, score (balanced), image_auroc, image_ap, image_f1max;
            pixel_auroc, pixel_ap, pixel_f1max, aupro (FPR limit 0.3), aupro_05
            (0.05), iou, dice (the last two at the decision). Further:
            confusion: true_positives, false_positives, ... of the verdicts;
            intervals_95: {figure: [low, high]} of the first six, where defined;
            undefined: {figure: "because ..."}, for a class {"CLASS/figure": ...};
            classes: {class: {images, called_defective, and the figures above but
            for TPR, TNR and score}}; "good" has the first two alone.
        rows: one for each image, the columns of scores.csv.
        curves: (k, 2) float, k <= 1000, without those that are undefined:
            image_roc and pixel_roc (FPR, TPR), image_pr and pixel_pr (recall,
            precision), pro (FPR, mean region overlap).
    """

    folder: Path
    result: dict[str, Any]
    rows: list[dict[str, Any]]
    curves: dict[str, np.ndarray]


def without(images: ImageSet, names: Container[str]) -> ImageSet:
    """Return the images that do not have one of `names`."""
    return images.subset(
        [i for i, name in enumerate(images.names) if name not in names]
    )


def judged_rows(
    detector: Detector,
    images: ImageSet,
    decision: Decision,
    finetuned: Mapping[str, Any],
    pixels: Pixels,
    pictures: Path | None,
    gallery: Gallery | None,
) -> Iterator[dict[str, Any]]:
    """Yield a row for each image; count its pixels and write its pictures."""
    good_scores = finetuned.get("calibration", {}).get("good_scores", ())
    names = picture_names(images.names)
    index = 0
    kind, dtype = finetuned["method"], finetuned["dtype"]
    for judged in detector.judge(images, kind):
        decided_on = decision_maps(detector.method, kind, judged.maps, dtype)
        for view, anomaly_map, score, decided in zip(
            judged.views, judged.maps, judged.scores, decided_on, strict=True
        ):
            mask, label = decision.mask(decided), images.labels[index]
            truth = known_mask(images, index)
            if isinstance(pixels, PixelMetrics) and truth is not None:
                pixels.update(anomaly_map, truth, mask, images.classes[index])
            if gallery or pictures:
                image = detector.preparation.picture(images.paths[index])
            if gallery:
                gallery.add(image, decided, mask, truth)
            if pictures:
                write_overlay(pictures, names[index], image, mask)
            yield {
                "file": images.names[index],
                "class": images.classes[index],
                "label": VERDICTS[label] if label >= 0 else "",
                "verdict": VERDICTS[int(mask.any())],
                "score": float(score),
                "defect_area": int(mask.sum()),
                **_p_value(decided, decision, good_scores),
                **registration(view),
            }
            index += 1


def _p_value(
    anomaly_map: np.ndarray, decision: Decision, good_scores: Sequence[float]
) -> dict[str, float]:
    """Return how unusual a map is among those of good images, where they are known."""
    if not good_scores:
        return {}
    curve = area_curve(anomaly_map, clear_border=decision.clear_border)
    score = curve.critical_thresholds(decision.min_area)[-1]
    return {"p_value": float(p_values(score, good_scores))}


def picture_names(names: Sequence[str]) -> list[str]:
    """Return a flat name for each image: its class, or folder, and its stem.

    Images whose names differ only in their suffix keep it.
    """
    stems = [bare_name(name.removeprefix("test/")) for name in names]
    repeated = {stem for stem, count in Counter(stems).items() if count > 1}
    return [
        (name.removeprefix("test/") if stem in repeated else stem).replace("/", "_")
        for name, stem in zip(names, stems, strict=True)
    ]
