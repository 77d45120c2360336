"""What finetuning and testing have left of a model already, for sweeps to go on."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from methods.detector.categories import views
from methods.detector.decisions import read_results
from processing.decision.decision import Decision
from processing.errors import UserError
from processing.files import read_json

from . import finetuning, testing
from .run_folder import asked

Decided = list[tuple[Path, dict[str, Any]]]
Found = tuple[Path, dict[str, Any], dict[str, Any]]


def is_finetuned(record: Mapping[str, Any], options: finetuning.Options) -> bool:
    """Return whether a model has the decisions that `options` ask for."""
    wanted = asked(options)
    return all(
        any(result.get("options") == wanted for _, result in _decided(view, options))
        for view in views(record)
    )


def is_tested(record: Mapping[str, Any], options: testing.Options) -> bool:
    """Return whether a model was tested with all its decisions, as `options` ask."""
    return all(
        0 < len(_decided(view, options)) == len(list(tests(view, options)))
        for view in views(record)
    )


def tests(record: Mapping[str, Any], options: testing.Options) -> Iterator[Found]:
    """Yield folder, result, and finetuning result of each test as `options` ask.

    `record` is of one category.
    """
    for path, finetuned in _decided(record, options):
        folder = options.results / record["run"] / "test" / path.name
        if not (folder / testing.RESULT).exists():
            continue
        result = read_json(folder / testing.RESULT)
        keys = ("threshold", "min_area", "clear_border")
        decision = Decision.from_dict({key: result[key] for key in keys})
        same = decision == Decision.of_result(finetuned)
        if same and result.get("options") == asked(options):
            yield folder, result, finetuned


def _decided(
    record: Mapping[str, Any], options: finetuning.Options | testing.Options
) -> Decided:
    """Return the finetuning results of one category; none if there are none."""
    try:
        return read_results(record, options.results, options.kind, options.dtype)
    except UserError:
        return []
