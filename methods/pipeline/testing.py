"""`test.py` behind its command line: judge images with a model and its decision."""

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from methods.detector.categories import categories_in, load_category
from methods.detector.decisions import load_decided, read_results
from methods.detector.detector import Detector
from methods.detector.versions import versions
from processing.data.dataset import check_readable
from processing.data.image_set import ImageSet
from processing.decision.decision import Decision
from processing.errors import UserError
from processing.files import new_folder, write_json, write_table, write_text

from .evaluation import curves, figures, pixel_metrics
from .finetuning import CACHE_BYTES
from .judging import Report, judged_rows, without
from .reporting import classification, finish_report, open_gallery
from .run_folder import asked

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
