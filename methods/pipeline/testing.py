"""`test.py` behind its command line: judge images with a model and its decision."""

import logging
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from methods.detector.categories import categories_in, load_kept
from methods.detector.decisions import Decided, choose_results, described, load_decided
from methods.detector.judge import Judge
from methods.detector.kept import Kept
from methods.detector.model_file import read_record
from methods.detector.records import STAMP
from methods.detector.results import FinetuningResult, TestResult
from methods.detector.settings import KERAS
from methods.detector.versions import versions
from processing.data.dataset import Category, check_readable
from processing.data.image_set import ImageSet
from processing.data.listing import list_images
from processing.data.survey import report
from processing.data.table import TABLE
from processing.files import (
    new_folder,
    remove_leftovers,
    working_in,
    write_json,
    write_table,
    write_text,
)
from processing.metrics.localisation import Localisation
from processing.wording import count

from .by_hand import FINETUNE, command_by_hand, curves_by_hand, sliders
from .evaluation import (
    Row,
    all_metrics,
    count_pixels,
    known_mask,
    locate,
    metric_curves,
    pixel_metrics,
    warn_of_masks,
)
from .false_regions import FalseRegions
from .finetuning import CACHE_BYTES
from .judging import REGIONS, region_rows, score_row, write_left_out
from .reporting import (
    JudgedSet,
    Pictures,
    classification,
    colours,
    finish_report,
    open_gallery,
)
from .run_folder import comparable
from .splitting import unseen, unused

RESULT = "test_result.json"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """What to judge and what to write.

    Attributes:
        images: folder or file of unlabelled images, or a table of labelled ones; None
            for the category's test set.
        save: write decided masks, overlays and heat maps.
        kind: only decisions made on these maps.
        dtype: only decisions made on maps of this type.
        decision: which of these, see `decisions.choose_results`.
        include_finetuning: judge the images that finetuning used, too.
        folder: the category, or its table, if not where it was at training.
        results: root of the results.
        skip_unreadable: leave out files that cannot be decoded.
        exact: keep the scores of all pixels, for metrics without any rounding.
        report: write report.html.
        runtime: what judges; see `methods.load`.
        finetune: what the user types to finetune, for the report.
    """

    images: Path | None = None
    save: bool = False
    kind: str | None = None
    dtype: str | None = None
    decision: str | None = None
    include_finetuning: bool = False
    folder: Path | None = None
    results: Path = Path("results")
    skip_unreadable: bool = False
    exact: bool = False
    report: bool = True
    runtime: str = KERAS
    finetune: str = FINETUNE

    @property
    def decided(
        self,
    ) -> tuple[Path | None, Path, str | None, str | None, str | None, str]:
        """Which decision and runtime, as `load_decided` takes them."""
        which = self.kind, self.dtype, self.decision
        return self.folder, self.results, *which, self.runtime


def test(model: Path, options: Options) -> list[JudgedSet]:
    """Judge the test images once for every category and decision chosen."""
    categories = categories_in(read_record(model), options.folder)
    return [judged for part in categories for judged in _test(model, part, options)]


def _test(model: Path, part: Path | None, options: Options) -> Iterator[JudgedSet]:
    """Yield a judged set for every decision chosen of one category."""
    detector, record, kept = load_kept(model, part, options.results, options.runtime)
    results = choose_results(record, *options.decided[1:-1])
    source = Path(record.folder)
    splits = record.splits
    category = detector.category(source, CACHE_BYTES, splits.test, splits.labels)
    report(category.scan, options.skip_unreadable)
    for path, finetuned in results:
        images = unused(category.test, record, finetuned, options.include_finetuning)
        judge = Judge.of(detector, finetuned)
        known = kept.known(images, judge.maps)
        readable = check_readable(images, options.skip_unreadable, known=known)
        log.info("decision: %s", described((path, finetuned)))
        if finetuned.labels and not options.include_finetuning:
            log.info(
                "%s labelled or of one part with such: left out, so that metrics are "
                "not those of decisions before (--include-finetuning takes all)",
                count(len(finetuned.labels.test_files), "test image"),
            )
        folder = options.results / record.run / "test" / path.name
        write_left_out(folder, images, readable)
        decided = Decided(judge, record, finetuned)
        how = replace(options, folder=part)
        yield _judge(folder, decided, readable, model, how, kept, category)


def predict(model: Path, options: Options) -> JudgedSet:
    """Judge images from anywhere with the decision chosen; those of a table by labels.

    Of labelled images those are left out that the model or the decision was made with.
    """
    assert options.images is not None
    decided = load_decided(model, *options.decided)
    detector, skip = decided.judge.detector, options.skip_unreadable
    images = detector.images(options.images, CACHE_BYTES, skip)
    if (images.labels >= 0).any():
        using = decided.record, decided.finetuned, options.include_finetuning
        images = unseen(images, *using)
    readable = check_readable(images, skip)
    root = options.results / decided.record.run / "predict"
    remove_leftovers(root)
    folder = new_folder(root / datetime.now().strftime(STAMP))
    source = options.images
    not_taken = list_images(source).left_out if source.is_dir() else ()
    write_left_out(folder, images, readable, not_taken)
    return _judge(folder, decided, readable, model, options, Kept())


def _judge(
    folder: Path,
    decided: Decided,
    images: ImageSet,
    model: Path,
    options: Options,
    kept: Kept,
    category: Category | None = None,
) -> JudgedSet:
    """Judge `images` and write all files of a judged set, one process at a time."""
    with working_in(folder):
        return _judge_alone(folder, decided, images, model, options, kept, category)


def _judge_alone(
    folder: Path,
    decided: Decided,
    images: ImageSet,
    model: Path,
    options: Options,
    kept: Kept,
    category: Category | None,
) -> JudgedSet:
    judge, _, finetuned = decided
    pixels = pixel_metrics(images, options.exact)
    gallery = open_gallery(folder, finetuned) if options.report else None
    overlays = folder / "segmentation" if options.save else None
    preparation, curves = judge.detector.preparation, curves_by_hand(judge, kept)
    scale = colours(finetuned)
    pictures = Pictures(images, preparation, scale, gallery, overlays, curves)
    places, false = Localisation(), FalseRegions(images, preparation)
    rows: list[Row] = []
    regions: list[Row] = []
    unknown: list[int] = []
    with gallery or nullcontext(), pictures:
        for index, verdict in enumerate(judge.judge_kept(images, kept)):
            truth = known_mask(images, index)
            unknown += [index] if truth is None else []
            count_pixels(pixels, verdict, truth, images.classes[index])
            pictures.draw(index, verdict, truth)
            false.add(index, verdict, truth)
            row = score_row(images, index, verdict, judge.columns)
            if images.labels[index] >= 0:
                row |= locate(places, verdict, truth)
            rows.append(row)
            regions += region_rows(images.names[index], verdict)
    warn_of_masks(pixels, images, unknown)
    metrics = all_metrics(rows, pixels, finetuned.seed)
    metrics["localisation"] = places.to_json()
    result = _result(finetuned, metrics, len(rows), model, options)
    write_table(folder / "scores.csv", rows)
    write_table(folder / "regions.csv", regions, REGIONS)
    write_text(folder / "classification.txt", classification(result, rows))
    lines, hint = metric_curves(rows, pixels), false.write(folder)
    judged = JudgedSet(folder, result, rows, lines, hint)
    command, of_labels = (
        command_by_hand(
            decided, model, options.folder, options.results, table, options.finetune
        )
        for table in ("", TABLE)
    )
    moved = sliders(gallery, decided, command, category, kept) if gallery else None
    finish_report(judged, images, gallery, decided, moved, of_labels)
    write_json(folder / RESULT, result.to_json())  # the last: with it, it is tested
    return judged


def _result(
    finetuned: FinetuningResult,
    metrics: dict[str, Any],
    images: int,
    model: Path,
    options: Options,
) -> TestResult:
    return TestResult(
        min_area=finetuned.min_area,
        threshold=finetuned.threshold,
        clear_border=finetuned.clear_border,
        decided_by=finetuned.source,
        kind=finetuned.kind,
        dtype=finetuned.dtype,
        **metrics,
        images=images,
        finetuning_files=finetuned.test_files,
        seed=finetuned.seed,
        model=str(model),
        options=comparable(options),
        versions=versions(),
        decision_id=finetuned.name,
        model_id=finetuned.model_id,
    )
