"""`test.py` behind its command line: judge images with a model and its decision."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from processing.calibration import p_values
from processing.dataset import check_readable
from processing.decision import Decision
from processing.errors import UserError
from processing.files import new_folder, write_json, write_text
from processing.images import ImageSet
from processing.metrics import Confusion, PixelAuroc, auroc
from processing.overlays import write_overlay
from processing.regions import area_curve

from .detector import Detector
from .finetuning import CACHE_BYTES, decision_maps, read_results
from .runs import write_table
from .storage import load_model
from .training import versions

VERDICTS = ("good", "defective")


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
    """

    images: Path | None = None
    save: bool = False
    kind: str | None = None
    dtype: str | None = None
    include_finetuning: bool = False
    folder: Path | None = None
    results: Path = Path("results")
    skip_unreadable: bool = False


@dataclass(frozen=True)
class Report:
    """One judged set: where its files are, the figures, and a row for each image."""

    folder: Path
    result: dict[str, Any]
    rows: list[dict[str, Any]]


def test(model: Path, options: Options) -> list[Report]:
    """Judge the test images once for every finetuning result of the model."""
    detector, record = load_model(model)
    decided = read_results(record, options.results, options.kind, options.dtype)
    category = detector.category(options.folder or Path(record["folder"]), CACHE_BYTES)
    if not len(category.test):
        raise UserError(
            f"no test images in {options.folder or record['folder']}/test; -d FOLDER "
            "judges unlabelled images"
        )
    reports = []
    for path, finetuned in decided:
        seen = () if options.include_finetuning else finetuned["finetuning_files"]
        images = without(category.test, seen)
        if not len(images):
            raise UserError(
                f"all {len(category.test)} test images were used for finetuning: "
                "expected more, or --include-finetuning"
            )
        images = check_readable(images, options.skip_unreadable)
        folder = options.results / record["run"] / "test" / path.name
        reports.append(_judge(folder, detector, images, finetuned, model, options.save))
    return reports


def predict(model: Path, options: Options) -> Report:
    """Judge unlabelled images with the newest matching decision."""
    assert options.images is not None
    detector, record = load_model(model)
    decided = read_results(record, options.results, options.kind, options.dtype)
    _, finetuned = decided[-1]
    images = check_readable(
        detector.images(options.images, CACHE_BYTES), options.skip_unreadable
    )
    stamp = datetime.now().strftime("%d-%m-%Y_%H-%M-%S")
    folder = new_folder(options.results / record["run"] / "predict" / stamp)
    return _judge(folder, detector, images, finetuned, model, options.save)


def without(images: ImageSet, names: Sequence[str]) -> ImageSet:
    """Return the images that do not have one of `names`."""
    left_out = set(names)
    return images.subset(
        [i for i, name in enumerate(images.names) if name not in left_out]
    )


def _judge(
    folder: Path,
    detector: Detector,
    images: ImageSet,
    finetuned: Mapping[str, Any],
    model: Path,
    save: bool,
) -> Report:
    """Judge `images` and write all files of a report."""
    detector.method.map_kind = finetuned["method"]
    decision = Decision(
        finetuned["best_threshold"],
        finetuned["best_min_area"],
        finetuned["clear_border"],
    )
    pixels = PixelAuroc() if images.has_masks else None
    rows = list(
        _rows(
            detector,
            images,
            decision,
            finetuned["dtype"],
            pixels,
            finetuned.get("calibration", {}).get("good_scores", ()),
            folder,
            save,
        )
    )
    result = {
        "min_area": decision.min_area,
        "threshold": decision.threshold,
        "clear_border": decision.clear_border,
        "decided_by": finetuned["source"],
        "method": finetuned["method"],
        "dtype": finetuned["dtype"],
        **figures(rows, pixels),
        "images": len(rows),
        "finetuning_files_left_out": finetuned["finetuning_files"],
        "seed": finetuned["seed"],
        "model": str(model),
        "versions": versions(),
    }
    write_json(folder / "test_result.json", result)
    write_table(folder / "scores.csv", rows)
    write_text(folder / "classification.txt", classification(result, rows))
    return Report(folder, result, rows)


def _rows(
    detector: Detector,
    images: ImageSet,
    decision: Decision,
    dtype: str,
    pixels: PixelAuroc | None,
    good_scores: Sequence[float],
    folder: Path,
    save: bool,
) -> Iterator[dict[str, Any]]:
    """Yield a row for each image; count its pixels and write its pictures."""
    pictures, names = folder / "segmentation", picture_names(images.names)
    index = 0
    for judged in detector.judge(images):
        maps, scores = judged.maps, judged.scores
        if pixels:
            masks = [images.mask(index + i) for i in range(len(maps))]
            pixels.update(np.stack(masks), maps)
        for score, decided_on in zip(
            scores, decision_maps(detector.method, maps, dtype), strict=True
        ):
            mask = decision.mask(decided_on)
            if save:
                path = images.paths[index]
                write_overlay(pictures, names[index], path, mask)
            yield {
                "file": images.names[index],
                "class": images.classes[index],
                "label": _label(int(images.labels[index])),
                "verdict": VERDICTS[int(mask.any())],
                "score": float(score),
                "defect_area": int(mask.sum()),
                **_p_value(decided_on, decision, good_scores),
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
    stems = [
        str(PurePosixPath(name.removeprefix("test/")).with_suffix("")) for name in names
    ]
    repeated = {stem for stem, count in Counter(stems).items() if count > 1}
    return [
        (name.removeprefix("test/") if stem in repeated else stem).replace("/", "_")
        for name, stem in zip(names, stems, strict=True)
    ]


def _label(label: int) -> str:
    return VERDICTS[label] if label >= 0 else ""


def figures(rows: list[dict[str, Any]], pixels: PixelAuroc | None) -> dict[str, Any]:
    """Return the figures of merit; None where they are not defined."""
    labelled = [row for row in rows if row["label"]]
    labels = [row["label"] == "defective" for row in labelled]
    counts = Confusion.count(
        labels, [row["verdict"] == "defective" for row in labelled]
    )
    return {
        "TPR": counts.tpr,
        "TNR": counts.tnr,
        "score": counts.balanced,
        "image_auroc": auroc(labels, [row["score"] for row in labelled]),
        "pixel_auroc": pixels.result() if pixels else None,
        "confusion": vars(counts),
    }


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
