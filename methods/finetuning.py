"""`finetune.py` behind its command line: the decision for a trained model."""

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from processing import plots
from processing.dataset import check_readable
from processing.decision import Decision, bootstrap_interval, decision_from_good
from processing.errors import UsageError, UserError
from processing.files import write_json
from processing.images import ANOMALOUS, GOOD, ImageSet
from processing.regions import AreaCurve, area_curve, envelope
from processing.residuals import quantise
from processing.search import (
    SearchResult,
    find_decision,
    find_decision_legacy,
    legacy_thresholds,
)
from processing.splits import split_finetuning

from .base import Method
from .detector import Detector
from .storage import load_model
from .training import named, versions

RESULT = "finetuning_result.json"
DTYPES = ("float64", "uint8")
FEWEST = 2  # good and anomalous finetuning images to search with
# The part of an image that a minimum area can be at most. Beyond it a region is no
# defect but the whole part, and a few images can be told apart by accident.
LARGEST_AREA = 4
CACHE_BYTES = 2**26  # images are read once: only few are worth keeping

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """How to finetune.

    Attributes:
        kind: of the maps, a `map_kinds` of the method; None for its own default.
        dtype: "float64" leaves maps alone, "uint8" rounds them to 256 steps.
        clear_border: leave out regions that touch the border.
        legacy: the original's maps, grid and border rule.
        folder: the category, where it is not where it was at training.
        results: root of the results.
    """

    kind: str | None = None
    dtype: str = "float64"
    clear_border: bool = False
    legacy: bool = False
    folder: Path | None = None
    results: Path = Path("results")
    skip_unreadable: bool = False


def choose_maps(method: Method, kind: str | None, legacy: bool) -> str:
    """Set the kind of maps that `method` gives and return its name."""
    if legacy:
        kind = f"legacy-{kind or method.map_kind}"
    kind = kind or method.map_kind
    if kind not in method.map_kinds:
        raise UsageError(
            f"{type(method).__name__} has no {kind} maps, expected one of "
            f"{', '.join(method.map_kinds)}"
        )
    method.map_kind = kind
    return kind


def decision_maps(method: Method, maps: np.ndarray, dtype: str) -> np.ndarray:
    """Return maps as the decision sees them."""
    return quantise(maps, method.highest) if dtype == "uint8" else maps


def curves(
    detector: Detector, images: ImageSet, dtype: str, clear_border: bool
) -> Iterator[AreaCurve]:
    """Yield the area curve of each image, one batch of maps in memory at a time."""
    for judged in detector.judge(images):
        for anomaly_map in decision_maps(detector.method, judged.maps, dtype):
            yield area_curve(anomaly_map, clear_border=clear_border)


def finetune(model: Path, options: Options) -> tuple[Path, dict[str, Any]]:
    """Find the decision of a model; return the result's folder and content."""
    detector, record = load_model(model)
    kind = choose_maps(detector.method, options.kind, options.legacy)
    clear_border = options.clear_border or options.legacy
    seed = record["config"]["seed"]
    validation, finetuning = _image_sets(detector, record, options)

    start = time.perf_counter()
    good = envelope(curves(detector, validation, options.dtype, clear_border))
    tried = curves(detector, finetuning, options.dtype, clear_border)
    found = _search(good, tried, finetuning, kind, options)
    log.info(
        "%d validation and %d finetuning images in %.1f s",
        len(validation),
        len(finetuning),
        time.perf_counter() - start,
    )
    decision = found.decision if found else _from_good(good, detector, clear_border)
    result = {
        "best_min_area": decision.min_area,
        "best_threshold": decision.threshold,
        "best_score": found.score if found else None,
        "method": kind,
        "dtype": options.dtype,
        "split": 0.1,
        "seed": seed,
        "clear_border": decision.clear_border,
        "source": "finetuning images" if found else "good validation images alone",
        **(_figures(found, finetuning.labels, seed) if found else {}),
        "validation_files": list(validation.names),
        "finetuning_files": list(finetuning.names) if found else [],
        "model": str(model),
        "versions": versions(),
    }
    folder = options.results / record["run"] / "finetuning" / f"{kind}_{options.dtype}"
    write_json(folder / RESULT, result)
    if found:
        plots.thresholds(folder / "min_area_threshold_plot.png", found)
        plots.scores(folder / "scores_plot.png", found)
    return folder, result


def _image_sets(
    detector: Detector, record: Mapping[str, Any], options: Options
) -> tuple[ImageSet, ImageSet]:
    """Return the validation images of the training and the finetuning images."""
    category = detector.category(options.folder or Path(record["folder"]), CACHE_BYTES)
    validation = named(category.train, record["splits"]["validation"])
    labels, classes = category.test.labels, category.test.classes
    chosen, _ = split_finetuning(labels, classes, seed=record["config"]["seed"])
    return (
        check_readable(validation, options.skip_unreadable),
        check_readable(category.test.subset(chosen), options.skip_unreadable),
    )


def _search(
    good: AreaCurve,
    tried: Iterator[AreaCurve],
    finetuning: ImageSet,
    kind: str,
    options: Options,
) -> SearchResult | None:
    """Return the best pair, or None where there is too little to search with."""
    labels = finetuning.labels
    counts = [int((labels == label).sum()) for label in (GOOD, ANOMALOUS)]
    if min(counts) < FEWEST:
        log.info(
            "%d good and %d defective images to finetune on, at least %d of each are "
            "needed: choosing from the good validation images alone",
            *counts,
            FEWEST,
        )
        return None
    if options.legacy:
        grid = legacy_thresholds(
            kind.removeprefix("legacy-"), options.dtype, float(good.levels.max())
        )
        return find_decision_legacy([good], tried, labels, grid)
    height, width, _ = finetuning.image_shape
    return find_decision(
        good,
        tried,
        labels,
        max_area=max(1, height * width // LARGEST_AREA),
        clear_border=options.clear_border,
    )


def _from_good(good: AreaCurve, detector: Detector, clear_border: bool) -> Decision:
    return decision_from_good(good, detector.image_shape, clear_border=clear_border)


def _figures(found: SearchResult, labels: np.ndarray, seed: int) -> dict[str, Any]:
    interval = bootstrap_interval(found.verdicts, labels, seed=seed)
    return {
        "TPR": found.tpr,
        "TNR": found.tnr,
        "margin": found.margin,
        "score_interval_95": list(interval),
    }


def read_results(
    record: Mapping[str, Any], results: Path, kind: str | None, dtype: str | None
) -> list[tuple[Path, dict[str, Any]]]:
    """Return the finetuning results of a model that match, oldest first."""
    from .runs import read_json

    root = results / record["run"] / "finetuning"
    paths = sorted(root.glob(f"*/{RESULT}"), key=lambda path: path.stat().st_mtime)
    found = [(path.parent, read_json(path, "damaged result")) for path in paths]
    found = [
        (path, result)
        for path, result in found
        if kind in (None, result["method"]) and dtype in (None, result["dtype"])
    ]
    if not found:
        raise UserError(f"no finetuning result in {root}: run finetune.py first")
    return found
