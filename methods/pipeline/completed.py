"""Completed results of a model, which a job queue leaves alone."""

from collections.abc import Iterator
from pathlib import Path

from methods.detector.decisions import read_results
from methods.detector.records import TrainingRecord
from methods.detector.results import FinetuningResult, TestResult
from processing.errors import UserError

from . import finetuning, testing
from .run_folder import comparable

FinetuningResults = list[tuple[Path, FinetuningResult]]
CompletedTest = tuple[Path, TestResult, FinetuningResult]


def is_finetuned(record: TrainingRecord, options: finetuning.Options) -> bool:
    """Return whether a model has the decisions that `options` ask for."""
    expected = comparable(options)
    return all(
        any(result.options == expected for _, result in _finetuned(view, options))
        for view in record.views
    )


def is_tested(record: TrainingRecord, options: testing.Options) -> bool:
    """Return whether a model was tested with all its decisions, as `options` ask."""
    return all(
        0 < len(_finetuned(view, options)) == len(list(tests(view, options)))
        for view in record.views
    )


def tests(record: TrainingRecord, options: testing.Options) -> Iterator[CompletedTest]:
    """Yield folder, result, and finetuning result of each test as `options` ask.

    `record` is of one category.
    """
    for path, finetuned in _finetuned(record, options):
        folder = options.results / record.run / "test" / path.name
        if not (folder / testing.RESULT).exists():
            continue
        result = TestResult.read(folder / testing.RESULT)
        same = result.decision == finetuned.decision
        same &= result.decision_id in ("", finetuned.name)
        if same and result.options == comparable(options):
            yield folder, result, finetuned


def _finetuned(
    record: TrainingRecord, options: finetuning.Options | testing.Options
) -> FinetuningResults:
    """Return the finetuning results of one category; none if there are none."""
    try:
        return read_results(record, options.results, options.kind, options.dtype)
    except UserError:
        return []
