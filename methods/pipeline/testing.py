"""`test.py` behind its command line: judge images with a model and its decision."""

from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from methods.cli.tables import classification
from methods.detector.detector import Detector, registration
from processing.data.dataset import check_readable
from processing.data.image_set import ImageSet
from processing.data.listing import bare_name
from processing.decision.calibration import p_values
from processing.decision.decision import Decision
from processing.decision.regions import area_curve
from processing.errors import UserError
from processing.files import new_folder, write_json, write_text
from processing.metrics.pixel_metrics import PixelMetrics
from processing.report.gallery import Gallery
from processing.report.overlays import write_overlay

from .evaluation import VERDICTS, Pixels, curves, figures, pixel_metrics
from .finetuning import CACHE_BYTES, decision_maps, load_decided, read_results
from .multi_category import categories_in, load_category
from .reporting import finish_report, known_mask, open_gallery
from .run_folder import asked, write_table
from .training import versions

RESULT = "test_result.json"


@dataclass(frozen=True)
class Options:
    """What to judge and what to write.

    Attributes:
        images: folder or file of unlabelled images; None for the category's test set.
        save: write decided masks and overlays.
        kind: only decisions made on these maps.
        dtype: only decisions made on maps of this type.
        include_finetuning: judge the images that finetuning used, too.
        folder: the category, where it is not where it was at training.
        results: root of the results.
        skip_unreadable: leave out files that cannot be decoded.
        exact: keep the scores of all pixels, for figures without any rounding.
        report: write report.html.
    """

    images: Path | None = None
    save: bool = False
    kind: str | None = None
    dtype: str | None = None
    include_finetuning: bool = False
    folder: Path | None = None
    results: Path = Path("results")
    skip_unreadable: bool = False
    exact: bool = False
    report: bool = True

    @property
    def decided(self) -> tuple[Path | None, Path, str | None, str | None]:
        """Which decision, as `load_decided` takes it."""
        return self.folder, self.results, self.kind, self.dtype


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


def test(model: Path, options: Options) -> list[Report]:
    """Judge the test images once for every category and finetuning result."""
    categories = categories_in(model, options.folder)
    return [report for part in categories for report in _test(model, part, options)]


def _test(model: Path, part: Path | None, options: Options) -> Iterator[Report]:
    """Yield a report for every finetuning result of one category."""
    detector, record = load_category(model, part)
    decided = read_results(record, options.results, options.kind, options.dtype)
    category = detector.category(Path(record["folder"]), CACHE_BYTES)
    if not len(category.test):
        raise UserError(
            f"no test images in {record['folder']}/test; -d FOLDER judges unlabelled "
            "images"
        )
    for path, finetuned in decided:
        seen = set(record["splits"].get("defective", ()))  # by a supervised method
        if not options.include_finetuning:
            seen |= set(finetuned["finetuning_files"])
        images = without(category.test, seen)
        if not len(images):
            raise UserError(
                f"all {len(category.test)} test images were used for finetuning: "
                "expected more, or --include-finetuning"
            )
        images = check_readable(images, options.skip_unreadable)
        folder = options.results / record["run"] / "test" / path.name
        yield _judge(folder, detector, record, images, finetuned, model, options)


def predict(model: Path, options: Options) -> Report:
    """Judge unlabelled images with the newest matching decision."""
    assert options.images is not None
    detector, record, finetuned = load_decided(model, *options.decided)
    images = check_readable(
        detector.images(options.images, CACHE_BYTES), options.skip_unreadable
    )
    stamp = datetime.now().strftime("%d-%m-%Y_%H-%M-%S")
    folder = new_folder(options.results / record["run"] / "predict" / stamp)
    return _judge(folder, detector, record, images, finetuned, model, options)


def without(images: ImageSet, names: Container[str]) -> ImageSet:
    """Return the images that do not have one of `names`."""
    return images.subset(
        [i for i, name in enumerate(images.names) if name not in names]
    )


def _judge(
    folder: Path,
    detector: Detector,
    record: Mapping[str, Any],
    images: ImageSet,
    finetuned: Mapping[str, Any],
    model: Path,
    options: Options,
) -> Report:
    """Judge `images` and write all files of a report."""
    detector.method.map_kind = finetuned["method"]
    decision = Decision.of_result(finetuned)
    pixels = pixel_metrics(images, options.exact)
    pictures = folder / "segmentation" if options.save else None
    drawn = open_gallery(folder, finetuned) if options.report else nullcontext()
    with drawn as gallery:
        rows = list(
            judged_rows(
                detector, images, decision, finetuned, pixels, pictures, gallery
            )
        )
    result = {
        "min_area": decision.min_area,
        "threshold": decision.threshold,
        "clear_border": decision.clear_border,
        "decided_by": finetuned["source"],
        "method": finetuned["method"],
        "dtype": finetuned["dtype"],
        **figures(rows, pixels, finetuned["seed"]),
        "images": len(rows),
        "finetuning_files_left_out": finetuned["finetuning_files"],
        "seed": finetuned["seed"],
        "model": str(model),
        "options": asked(options),
        "versions": versions(),
    }
    write_table(folder / "scores.csv", rows)
    write_text(folder / "classification.txt", classification(result, rows))
    report = Report(folder, result, rows, curves(rows, pixels))
    finish_report(report, gallery, record, detector.method)
    write_json(folder / RESULT, result)  # the last: with it the test is finished
    return report


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
    for judged in detector.judge(images):
        decided_on = decision_maps(detector.method, judged.maps, finetuned["dtype"])
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
