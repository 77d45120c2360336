"""Other decisions on the maps of one, by hand, as a report's sliders choose them."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from methods.detector.decisions import Decided
from methods.detector.judge import Judge
from methods.detector.kept import Kept
from methods.detector.results import FinetuningResult
from processing.data.dataset import Category
from processing.data.image_set import ANOMALOUS, GOOD, ImageSet
from processing.decision.promise import LEVEL
from processing.decision.regions import AreaCurve
from processing.errors import UserError
from processing.report.gallery import Gallery
from processing.report.operating import critical_thresholds

from .curves import Curves
from .finetuning import LARGEST_AREA, Options, image_sets
from .folds import Folds

FINETUNE = "python3 finetune.py"

Known = dict[str, list[str]]


def command_by_hand(
    decided: Decided,
    model: Path,
    category: Path | None,
    results: Path,
    table: str = "",
    start: str = FINETUNE,
) -> str:
    """Return the command that decides on the same maps, but for threshold and area.

    Args:
        decided: a decision on the same maps and from the same images.
        model: its file.
        category: as the user named it, if at all.
        results: root of the results.
        table: of labels, in the place of that of the decision.
        start: what the user types to finetune.
    """
    judge, record, finetuned = decided
    table = table or (finetuned.labels.path if finetuned.labels else "")
    words: list[Any] = ["-p", model]
    words += ["-a", record.method] if ":" in record.method else []
    words += ["-d", category] if category else []
    default = judge.detector.method.default_kind
    words += ["-m", judge.kind] if judge.kind != default else []
    words += ["-t", judge.dtype] if judge.dtype == "uint8" else []
    words += ["--folds", _folds(finetuned)] if _folds(finetuned) else []
    words += ["--labels", table] if table else []
    words += ["--exclude", *finetuned.excluded] if finetuned.excluded else []
    words += ["--results", results] if results != Path("results") else []
    return f"{start} {shlex.join(map(str, words))}"


def sliders(
    gallery: Gallery,
    decided: Decided,
    command: str,
    category: Category | None,
    kept: Kept,
) -> dict[str, Any] | None:
    """Return what the sliders of a report need, JSON-able; None where there are none.

    Args:
        gallery: of the report, all images drawn.
        decided: what judged them.
        command: see `command_by_hand`.
        category: of the images that `finetune.py` decides from; None if not at hand.
        kept: where the curves of those images are.

    Returns:
        "areas", and at these "critical" thresholds of each image, and its "small" map;
        "threshold", "min_area" and "promise" of the decision; "known", what another one
        is promised from, or None, and the "level" of confidence; the "command"; the
        "colours" of the maps, [low, high]; and "step", the units of the scores in a
        level of uint8 maps, None of maps as they are.
    """
    operating, (judge, _, finetuned) = gallery.operating, decided
    if operating is None:
        return None
    rounded = judge.dtype == "uint8"
    return {
        "areas": operating.areas,
        "critical": operating.critical,
        "small": operating.small,
        "threshold": finetuned.threshold,
        "min_area": finetuned.min_area,
        "promise": asdict(finetuned.promise) if finetuned.promise else None,
        "known": known_images(decided, category, kept, operating.areas)
        if category
        else None,
        "level": LEVEL,
        "command": command,
        "colours": [gallery.scale.low, gallery.scale.high],
        "step": judge.detector.method.highest(judge.kind) / 255 if rounded else None,
    }


def curves_by_hand(judge: Judge, kept: Kept, folds: Folds | None = None) -> Curves:
    """Return what makes and keeps the curves that tell the areas of sliders apart."""
    height, width, _ = judge.detector.image_shape
    largest = max(judge.decision.min_area, height * width // LARGEST_AREA)
    return Curves(judge.detector, judge.kind, judge.dtype, False, largest, kept, folds)


def known_images(
    decided: Decided, category: Category, kept: Kept, areas: Sequence[int]
) -> Known | None:
    """Return what `finetune.py` promises a decision by hand from.

    Args:
        decided: a decision on the same maps and from the same images.
        category: of the images.
        kept: where their curves are; none is judged.
        areas: ascending; the last is that of `curves_by_hand`.

    Returns:
        Of "good" and of "defective" images the `critical_thresholds`; None where not
        all of them are known, such as where nothing is kept.
    """
    found = known_curves(decided, category, kept)
    if found is None:
        return None
    images, curves = found
    return {
        name: [
            critical_thresholds(curve, areas)
            for is_, curve in zip(images.labels, curves, strict=True)
            if is_ == label
        ]
        for name, label in (("good", GOOD), ("defective", ANOMALOUS))
    }


def known_curves(
    decided: Decided, category: Category, kept: Kept
) -> tuple[ImageSet, list[AreaCurve]] | None:
    """Return the images that `finetune.py` decides from, and their curves.

    None where not all of them are known; none is judged. Arguments are those of
    `known_images`.
    """
    judge, record, finetuned = decided
    options = options_by_hand(decided)
    seed = judge.detector.method.seed
    try:
        good, finetuning, folds, labels = image_sets(category, record, seed, options)
    except UserError:  # some are gone
        return None
    if labels != finetuned.labels:  # the table is another one by now
        return None
    of_good = curves_by_hand(judge, kept, folds).kept_of(good)
    of_finetuning = curves_by_hand(judge, kept).kept_of(finetuning)
    if of_good is None or of_finetuning is None:
        return None
    where = finetuning.paths, finetuning.names, finetuning.classes
    return good.with_others(*where), of_good + of_finetuning


def options_by_hand(decided: Decided) -> Options:
    """Return how to decide on the same maps, from the same images."""
    judge, _, finetuned = decided
    return Options(
        kind=judge.kind,
        dtype=judge.dtype,
        folds=_folds(finetuned),
        labels=Path(finetuned.labels.path) if finetuned.labels else None,
        exclude=tuple(finetuned.excluded),
    )


def _folds(finetuned: FinetuningResult) -> int:
    """Return in how many folds good images were judged; 0 in none."""
    return int((finetuned.options or {}).get("folds", 0))
