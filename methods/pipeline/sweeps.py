"""Sweeps: train many models, and finetune or test all models below a folder."""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from methods.cli import method_options
from methods.detector.categories import views
from methods.detector.model_file import read_record
from methods.jobs.queue import Task, sweep
from processing.data.dataset import category_names, scan_dataset
from processing.errors import UsageError, UserError
from processing.files import locked, read_json

from .multi_category import ALL
from .run_folder import INFO, PREPARATION, RUN
from .training import configure

LOCK = ".sweep.lock"
ALONE = "--ray="  # of a run in a sweep: the last one counts


def train_all(
    script: Path,
    runs: Sequence[Sequence[str]],
    parse: Callable[[Sequence[str]], argparse.Namespace],
) -> None:
    """Run `train.py` with each of `runs`, which are arguments, in its own process.

    What is finished is left alone, and what was interrupted goes on.

    Raises:
        UsageError: options that a method does not have.
        UserError: runs that failed, once all others are over.
    """
    for options in map(parse, runs):  # a mistake is told before any work
        (method,) = options.architecture
        configure(method, method_options.given(options))
    models = parse(runs[0]).models
    with locked(models / LOCK) as lock:
        tasks = [_training([*run, ALONE], parse) for run in runs]
        failures = sweep(script, tasks, lock, parse(runs[0]).ray)
    raise_failures(failures)


def _training(
    arguments: Sequence[str], parse: Callable[[Sequence[str]], argparse.Namespace]
) -> Task:
    options, again = parse(arguments), partial(_training, arguments, parse)
    (method,), folder = options.architecture, options.input_dir
    wanted = values_of(method_options.given(options))
    folders = scan_dataset(folder) or [folder]
    names = category_names(folder)
    if folders != [folder]:
        names = names[1], ALL
    shown = [f"{key}={value}" for key, value in wanted.items()]
    name = " ".join(["/".join(names), method, *shown])
    task = Task(name, arguments, method, again=again)
    earlier = None
    for run, record in _runs(options.models.joinpath(*names, method)):
        learned = [Path(view["folder"]) for view in views(record)]
        if (learned, record.get("options")) != ([*map(Path.absolute, folders)], wanted):
            continue
        if (run / INFO).exists():
            return replace(task, finished=True)
        if (run / PREPARATION).exists():  # killed before that, there is nothing yet
            earlier = run
    if not earlier:
        return task
    rest = ["-i"] if options.inspect else []
    return replace(task, arguments=["--resume", str(earlier), *rest], note="goes on")


def _runs(folder: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Yield the run folders of trainings from the start, and their records."""
    for path in sorted(folder.rglob(RUN)):
        record = read_json(path)
        if not record.keys() & {"updated_from", "adapted_from"}:
            yield path.parent, record


def values_of(options: Mapping[str, tuple[str, Any]]) -> dict[str, Any]:
    """Return the values of the options of `configure` as JSON gives them back."""
    return json.loads(json.dumps({key: value for key, (_, value) in options.items()}))


def model_files(folder: Path) -> list[Path]:
    """Return the model files below a folder."""
    models = [p for p in sorted(folder.rglob("*.hdf5")) if not p.name.startswith(".")]
    if not models:
        raise UserError(f"no model files (*.hdf5) in {folder} and the folders below it")
    return models


def over_models(
    script: Path,
    models: Sequence[Path],
    arguments: Sequence[str],
    options: argparse.Namespace,
    is_finished: Callable[[Mapping[str, Any]], bool],
) -> list[tuple[str, str]]:
    """Run a script on each model in its own process; return what failed, and why.

    Args:
        script: finetune.py or test.py.
        models: the model files.
        arguments: of the script, before `-p MODEL`.
        options: the same, parsed.
        is_finished: tells by a model's record whether nothing is left to do.
    """
    arguments = [*arguments, ALONE]
    with locked(options.results / LOCK) as lock:
        tasks = [_judging(model, arguments, is_finished) for model in models]
        return sweep(script, tasks, lock, options.ray)


def _judging(
    model: Path,
    arguments: Sequence[str],
    is_finished: Callable[[Mapping[str, Any]], bool],
) -> Task:
    try:
        record = read_record(model)
    except UserError:  # the script says what is wrong
        record = {}
    run = [*arguments, "-p", str(model)]
    finished = bool(record) and is_finished(record)
    again = partial(_judging, model, arguments, is_finished)
    return Task(str(model), run, record.get("method", ""), finished, again=again)


def raise_failures(failures: Sequence[tuple[str, str]]) -> None:
    """Raise an error if there are failures, naming them."""
    if failures:
        named = "; ".join(f"{name}: {reason}" for name, reason in failures)
        raise UserError(f"runs that failed: {len(failures)}: {named}")


def refuse_folder(models: Path, flag: str) -> NoReturn:
    """Raise the error that an option goes with a single model."""
    raise UsageError(
        f"{models} is a folder of models, each with its own category: expected a model "
        f"file with {flag}"
    )
