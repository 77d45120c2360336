"""Completed results of a model, which a job queue leaves alone."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from methods.detector.decisions import Named, choose_results, read_results
from methods.detector.records import TrainingRecord
from methods.detector.results import FinetuningResult, TestResult
from processing.errors import UserError

from . import finetuning, testing
from .run_folder import comparable, recorded

CompletedTest = tuple[Path, TestResult, FinetuningResult]


def is_finetuned(record: TrainingRecord, options: finetuning.Options) -> bool:
    """Return whether a model has the decisions that `options` ask for."""
    expected = comparable(options)
    return all(
        any(recorded(x.options) == expected for _, x in _finetuned(view, options))
        for view in record.views
    )


def is_tested(record: TrainingRecord, options: testing.Options) -> bool:
    """Return whether a model was tested with the decisions that `options` ask for."""
    return all(
        0 < len(_chosen(view, options)) == len(list(tests(view, options)))
        for view in record.views
    )


def tests(record: TrainingRecord, options: testing.Options) -> Iterator[CompletedTest]:
    """Yield folder, result, and finetuning result of each test as `options` ask.

    `record` is of one category.
    """
    for path, finetuned in _chosen(record, options):
        folder = options.results / record.run / "test" / path.name
        if not (folder / testing.RESULT).exists():
            continue
        result = TestResult.read(folder / testing.RESULT)
        same = result.decision == finetuned.decision
        same &= result.decision_id in ("", finetuned.name)
        if same and recorded(result.options) == comparable(options):
            yield folder, result, finetuned


def _finetuned(record: TrainingRecord, options: finetuning.Options) -> list[Named]:
    """Return the finetuning results of one category; none if there are none."""
    with suppress(UserError):
        return read_results(record, options.results, options.kind, options.dtype)
    return []


def _chosen(record: TrainingRecord, options: testing.Options) -> list[Named]:
    """Return those that are to judge; none if there are none."""
    with suppress(UserError):
        return choose_results(record, *options.decided[1:-1])
    return []
