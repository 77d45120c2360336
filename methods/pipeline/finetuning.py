"""`finetune.py` behind its command line: the decision for a trained model."""

import logging
import math
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from methods.base import Method
from methods.detector.categories import load_kept
from methods.detector.decisions import (
    decision_of,
    described,
    staying,
    write_decision,
)
from methods.detector.detector import Detector
from methods.detector.kept import Kept
from methods.detector.records import TrainingRecord
from methods.detector.results import Calibration, FinetuningResult, Labels
from methods.detector.settings import KERAS
from methods.detector.versions import versions
from processing.data.dataset import Category
from processing.data.image_set import ANOMALOUS, GOOD, ImageSet
from processing.data.splits import split_finetuning
from processing.data.survey import report
from processing.decision.calibration import GoodImages, Rule, smallest_defect
from processing.decision.decision import Decision, bootstrap_interval
from processing.decision.goals import BALANCED, VALIDATION_MAX, Goal, find_pair
from processing.decision.regions import AreaCurve
from processing.decision.search import (
    LEGACY_AREAS,
    SearchResult,
    find_decision,
    find_decision_legacy,
    legacy_thresholds,
)
from processing.errors import UsageError, UserError
from processing.files import working_in
from processing.report.chart_png import write_search

from .binding import PICTURE, draw_binding
from .curves import Curves
from .evidence import Evidence
from .false_regions import report_false_regions
from .folds import Folds
from .judging import without
from .labels import report_labels, with_labels
from .run_folder import comparable, recorded
from .splitting import named

FEWEST = 2  # good and anomalous finetuning images to search with
# The part of an image that a minimum area can be at most. Beyond it a region is no
# defect but the whole part, and a few images can be told apart by accident.
LARGEST_AREA = 4
GOAL_AREA = 100  # the same of goals, for which the middle of what does well is taken
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
        goal: of the search; None for `goals.BALANCED`, or `goals.VALIDATION_MAX` with
            cleared borders, where areas do not fall with the threshold.
        threshold: set by hand, in the place of a search or a rule.
        min_area: smallest defect of a rule, or by hand, in pixels; None for a share of
            the image.
        folds: in which all good training images are judged, to decide from; 0 for the
            validation images alone.
        exclude: names of good images to decide without.
        labels: table of labels that the user gave images.
        aside: leave the decision in force that is, instead of the new one.
        name: of the decision; None for one that follows from maps and goal.
        folder: the category, or its table, if not where it was at training.
        results: root of the results.
        runtime: what calculates the maps, see `GraphMethod`; those of `folds` are
            always Keras'.
    """

    kind: str | None = None
    dtype: str = "float64"
    clear_border: bool = False
    legacy: bool = False
    rule: Rule | None = None
    goal: Goal | None = None
    threshold: float | None = None
    min_area: int | None = None
    folds: int = 0
    exclude: tuple[str, ...] = ()
    labels: Path | None = None
    aside: bool = False
    name: str | None = None
    folder: Path | None = None
    results: Path = Path("results")
    skip_unreadable: bool = False
    runtime: str = KERAS


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


def replaced(
    record: TrainingRecord, options: Options, kind: str
) -> FinetuningResult | None:
    """Return the decision that a new one takes the place of, if it is another one.

    One that was asked for with the same options is none. `kind` is that of the maps.
    """
    found = decision_of(record, options.results, _name(options, kind))
    return found if found and recorded(found.options) != comparable(options) else None


def finetune(model: Path, options: Options) -> tuple[Path, FinetuningResult]:
    """Find the decision of a model; return the result's folder and content."""
    loaded = load_kept(model, options.folder, options.results, options.runtime)
    return decide(model, *loaded, options)


def decide(
    model: Path,
    detector: Detector,
    record: TrainingRecord,
    kept: Kept,
    options: Options,
) -> tuple[Path, FinetuningResult]:
    """As `finetune`, of a model that is loaded, see `load_kept`."""
    kind = choose_maps(detector.method, options.kind, options.legacy)
    name = _new_name(record, options, kind)
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
    settings = detector, kind, options.dtype, clear_border, told_apart, kept
    folder, splits = Path(record.folder), record.splits
    category = detector.category(folder, CACHE_BYTES, splits.test, splits.labels)
    report(category.scan, options.skip_unreadable)
    good_images, finetuning, folds, labels = image_sets(category, record, seed, options)
    report_labels(labels)
    of_good, curves = Curves(*settings, folds), Curves(*settings)
    good_images = of_good.readable(good_images, options.skip_unreadable)
    finetuning = curves.readable(finetuning, options.skip_unreadable)

    start = time.perf_counter()
    goal = _goal(options, clear_border)
    tried = max_area if _by_validation(options, goal) else height * width // GOAL_AREA
    evidence = Evidence(good_images, finetuning, max(tried, min_area))
    good = GoodImages.of(
        of_good.of(good_images), max_area, min_area, evidence.validation
    )
    found = _search(good, curves.of(finetuning), evidence, kind, goal, options)
    search = found[0] if found else None
    log.info(
        "%d validation and %d finetuning images in %.1f s",
        len(good_images),
        len(finetuning) if search else 0,
        time.perf_counter() - start,
    )
    rule = options.rule
    if options.threshold is not None:
        decision = Decision(options.threshold, min_area, clear_border)
        origin: dict[str, Any] = {"score": None, "source": "the user"}
    elif found:
        decision, origin = _from_search(*found, seed)
    else:
        rule = rule or _rule(goal)
        decision, origin = _from_good(good, rule, clear_border)
    if labels:
        origin["source"] += f", with {labels}"
    if options.dtype == "uint8":  # it has no values in between
        decision = replace(decision, threshold=math.floor(decision.threshold))
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
        goal=str(goal) if search else "",
        promise=evidence.promise(decision, goal if search else None, rule),
        binding=evidence.binding(decision),
        excluded=list(options.exclude),
        labels=labels,
        validation_files=list(good_images.names),
        finetuning_files=list(finetuning.names) if search else [],
        model=str(model),
        options=comparable(options),
        versions=versions(),
    )
    folder = options.results / record.run / "finetuning" / name
    if earlier := replaced(record, options, kind):
        log.info("replaced: %s", described((folder, earlier)))
    with working_in(folder):
        if search:
            write_search(folder, search)
        judged = [(good_images, of_good), (finetuning, curves)]
        draw_binding(folder / PICTURE, result, judged)
        report_false_regions(folder, decision, judged, evidence.alarms(decision))
        # The last: it is in force, unless it is put aside.
        where = record, options.results, name
        folder, result = write_decision(*where, result, options.aside)
    return folder, result


def image_sets(
    category: Category, record: TrainingRecord, seed: int, options: Options
) -> tuple[ImageSet, ImageSet, Folds | None, Labels | None]:
    """Return good and finetuning images to decide from, and any folds and labels."""
    test, splits, folds, labels = category.test, record.splits, None, None
    chosen, _ = split_finetuning(
        test.labels, test.classes, seed=seed, groups=test.groups
    )
    finetuning = test.subset(chosen[:0] if options.rule else chosen)
    if options.folds:
        folds = Folds.of(category.train, splits, options.folds, seed)
    good = folds.images if folds else named(category.train, splits.validation)
    if options.labels:
        skip, several = options.skip_unreadable, record.of_several
        labelled = with_labels(
            options.labels, category, splits, good, finetuning, skip, several
        )
        good, finetuning, labels = labelled.good, labelled.finetuning, labelled.record
    left = _excluded(good, finetuning, options.exclude, Path(record.folder))
    return (*left, folds, labels)


def _excluded(
    good: ImageSet, finetuning: ImageSet, names: Sequence[str], folder: Path
) -> tuple[ImageSet, ImageSet]:
    """Return the images without those of some names, which must be good ones."""
    known = {*good.names, *finetuning.subset(finetuning.labels == GOOD).names}
    given = {str(folder / name): name for name in known}
    out = {given.get(str(Path(name).absolute()), name) for name in names}
    for name in out - known:
        raise UsageError(
            "--exclude: expected good images to decide from, such as "
            f"{next(iter(good.names))}. Received: {name}"
        )
    if not {*good.names} - out:
        raise UsageError("expected some good images to be left to decide from")
    return without(good, out), without(finetuning, out)


def _goal(options: Options, clear_border: bool) -> Goal:
    if options.goal and clear_border and options.goal.name != VALIDATION_MAX:
        raise UsageError(
            f"--clear-border: expected --goal {VALIDATION_MAX}, for with cleared "
            f"borders areas do not fall with the threshold. Received: {options.goal}"
        )
    return options.goal or Goal(VALIDATION_MAX if clear_border else BALANCED)


def _by_validation(options: Options, goal: Goal) -> bool:
    """Return whether the pairs allowed are those that call no validation image bad."""
    return options.legacy or goal.name == VALIDATION_MAX


def _search(
    good: GoodImages,
    curves: Iterator[AreaCurve],
    evidence: Evidence,
    kind: str,
    goal: Goal,
    options: Options,
) -> tuple[SearchResult, np.ndarray] | None:
    """Return the best pair, and the labels of its verdicts.

    None where nothing is to be searched, for good images alone, or the user, decide.
    `curves` are of the finetuning images, which `evidence` takes in.
    """
    by_validation = _by_validation(options, goal)
    curves, labels = evidence.fill(curves), evidence.finetuning.labels
    if options.rule or options.threshold is not None:
        deque(curves, maxlen=0)
        return None
    counts = [int((labels == label).sum()) for label in (GOOD, ANOMALOUS)]
    if min(counts if by_validation else counts[1:]) < FEWEST:
        if goal.name in ("min-recall", "cost"):
            raise UserError(
                f"{goal} takes at least {FEWEST} defective images to finetune on. "
                f"Received: {counts[ANOMALOUS]}"
            )
        log.info(
            "%d good and %d defective images to finetune on, at least %s are needed: "
            "choosing from the good validation images alone",
            *counts,
            f"{FEWEST} of each" if by_validation else f"{FEWEST} defective ones",
        )
        deque(curves, maxlen=0)
        return None
    if options.legacy:
        grid = legacy_thresholds(
            kind.removeprefix("legacy-"),
            options.dtype,
            float(good.envelope.levels.max()),
        )
        return find_decision_legacy(good, curves, labels, grid), labels
    if by_validation:
        border = options.clear_border
        return find_decision(good, curves, labels, clear_border=border), labels
    deque(curves, maxlen=0)
    return find_pair(evidence.good, evidence.defective, goal), evidence.labels


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


def _name(options: Options, kind: str) -> str:
    """Return what the folder of a decision is called."""
    return options.name or f"{kind}_{options.dtype}{_suffix(options)}"


def _new_name(record: TrainingRecord, options: Options, kind: str) -> str:
    """As `_name`; a `UserError` if it cannot be put aside under that name."""
    name = _name(options, kind)
    if options.aside:
        staying(record, options.results, name)
    return name


def _suffix(options: Options) -> str:
    """Return what tells the folders of decisions of one kind of maps apart."""
    if options.threshold is not None:
        return "_by-hand"
    if options.rule:
        return f"_{options.rule.name}"
    if options.goal and options.goal.name != BALANCED:
        rate = f"-{options.goal.rate:g}" if options.goal.rate else ""
        return f"_{options.goal.name}{rate}"
    return ""


def _rule(goal: Goal) -> Rule:
    """Return the rule on good images alone that a goal becomes without defects."""
    if goal.name == "max-false-alarms" and goal.rate:
        return Rule("bound", goal.rate)
    return Rule()


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
