"""`finetune.py` behind its command line: the decision for a trained model."""

import logging
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from methods.base import Method
from methods.detector.categories import load_kept
from methods.detector.decisions import write_decision
from methods.detector.records import TrainingRecord
from methods.detector.results import Calibration, FinetuningResult
from methods.detector.versions import versions
from processing.data.image_set import ANOMALOUS, GOOD, ImageSet
from processing.data.splits import split_finetuning
from processing.data.survey import report
from processing.decision.calibration import GoodImages, Rule, smallest_defect
from processing.decision.decision import Decision, bootstrap_interval
from processing.decision.regions import AreaCurve
from processing.decision.search import (
    LEGACY_AREAS,
    SearchResult,
    find_decision,
    find_decision_legacy,
    legacy_thresholds,
)
from processing.errors import UsageError
from processing.files import working_in

from .curves import Curves
from .run_folder import comparable
from .splitting import named

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
        rule: to decide from good validation images alone; None to search.
        min_area: smallest defect of a rule, in pixels; None for a share of the image.
        folder: the category, or its table, if not where it was at training.
        results: root of the results.
    """

    kind: str | None = None
    dtype: str = "float64"
    clear_border: bool = False
    legacy: bool = False
    rule: Rule | None = None
    min_area: int | None = None
    folder: Path | None = None
    results: Path = Path("results")
    skip_unreadable: bool = False


def choose_maps(method: Method, kind: str | None, legacy: bool) -> str:
    """Return the kind of maps to decide on."""
    if legacy and not any(name.startswith("legacy-") for name in method.map_kinds):
        raise UsageError(
            f"--legacy is for autoencoders. Received: a {method.name} model"
        )
    if legacy:
        kind = f"legacy-{kind or method.default_kind}"
    kind = kind or method.default_kind
    if kind not in method.map_kinds:
        raise UsageError(
            f"{method.name} has no {kind} maps, expected one of "
            f"{', '.join(method.map_kinds)}"
        )
    return kind


def finetune(model: Path, options: Options) -> tuple[Path, FinetuningResult]:
    """Find the decision of a model; return the result's folder and content."""
    detector, record, kept = load_kept(model, options.folder, options.results)
    kind = choose_maps(detector.method, options.kind, options.legacy)
    clear_border = options.clear_border or options.legacy
    seed = detector.method.seed
    height, width, _ = detector.image_shape
    min_area = options.min_area or smallest_defect(detector.image_shape)
    if min_area > height * width:
        raise UsageError(
            f"--min-area must be at most the {height * width} pixels of the maps. "
            f"Received: {min_area}"
        )
    max_area = max(min_area, height * width // LARGEST_AREA)
    told_apart = max(max_area, LEGACY_AREAS[-1]) if options.legacy else max_area
    curves = Curves(detector, kind, options.dtype, clear_border, told_apart, kept)
    validation, finetuning = _image_sets(curves, record, options)

    start = time.perf_counter()
    good = GoodImages.of(curves.of(validation), max_area, min_area)
    search = _search(good, curves.of(finetuning), finetuning, kind, options)
    log.info(
        "%d validation and %d finetuning images in %.1f s",
        len(validation),
        len(finetuning) if search else 0,
        time.perf_counter() - start,
    )
    if search:
        decision, origin = _from_search(search, finetuning.labels, seed)
    else:
        decision, origin = _from_good(good, options.rule or Rule(), clear_border)
    result = FinetuningResult(
        min_area=decision.min_area,
        threshold=decision.threshold,
        kind=kind,
        dtype=options.dtype,
        split=0.1,
        seed=seed,
        clear_border=decision.clear_border,
        good_level=float(good.typical[-1]),
        **origin,
        validation_files=list(validation.names),
        finetuning_files=list(finetuning.names) if search else [],
        model=str(model),
        options=comparable(options),
        versions=versions(),
    )
    name = f"{kind}_{options.dtype}" + (f"_{options.rule.name}" if options.rule else "")
    folder = options.results / record.run / "finetuning" / name
    with working_in(folder):
        if search:
            from processing.report import plots  # slow to import

            plots.thresholds(folder / "min_area_threshold_plot.png", search)
            plots.scores(folder / "scores_plot.png", search)
        # The last: it is in force.
        folder, result = write_decision(record, options.results, name, result)
    return folder, result


def _image_sets(
    curves: Curves, record: TrainingRecord, options: Options
) -> tuple[ImageSet, ImageSet]:
    """Return the validation images of the training run, and the finetuning images."""
    folder, splits = Path(record.folder), record.splits
    detector = curves.detector
    category = detector.category(folder, CACHE_BYTES, splits.test)
    report(category.scan, options.skip_unreadable)
    validation = named(category.train, splits.validation)
    test, seed = category.test, detector.method.seed
    chosen, _ = split_finetuning(
        test.labels, test.classes, seed=seed, groups=test.groups
    )
    chosen = chosen[:0] if options.rule else chosen
    sets = validation, category.test.subset(chosen)
    first, second = (
        curves.readable(images, options.skip_unreadable) for images in sets
    )
    return first, second


def _search(
    good: GoodImages,
    curves: Iterator[AreaCurve],
    finetuning: ImageSet,
    kind: str,
    options: Options,
) -> SearchResult | None:
    """Return the best pair, or None where good images alone are to decide."""
    if options.rule:
        return None
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
            kind.removeprefix("legacy-"),
            options.dtype,
            float(good.envelope.levels.max()),
        )
        return find_decision_legacy(good, curves, labels, grid)
    return find_decision(good, curves, labels, clear_border=options.clear_border)


def _from_good(
    good: GoodImages, rule: Rule, clear_border: bool
) -> tuple[Decision, dict[str, Any]]:
    """Return the decision of a rule on good images, and what to record of it."""
    if shortfall := rule.shortfall(len(good.scores)):
        log.warning("warning: %s", shortfall)
    threshold = rule.threshold(good.scores)
    return Decision(threshold, good.min_area, clear_border), {
        "score": None,
        "source": f"good validation images alone: {rule}",
        "calibration": Calibration(
            **asdict(rule), good_scores=sorted(good.scores.tolist())
        ),
    }


def _from_search(
    search: SearchResult, labels: np.ndarray, seed: int
) -> tuple[Decision, dict[str, Any]]:
    """Return the best pair of a search, and what to record of it."""
    interval = bootstrap_interval(search.verdicts, labels, seed=seed)
    return search.decision, {
        "score": search.score,
        "source": "finetuning images",
        "TPR": search.tpr,
        "TNR": search.tnr,
        "margin": search.margin,
        "score_interval": interval,
    }
