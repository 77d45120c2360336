"""Job queues: train many models, and finetune or test all models below a folder."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from methods import folder_name
from methods.detector.model_file import read_record
from methods.detector.records import TrainingRecord
from methods.detector.settings import KERAS
from methods.engine.backend import chosen_backend
from methods.jobs.queue import Task, run_queue
from processing.data.dataset import category_names, scan_dataset
from processing.errors import UserError
from processing.files import locked

from .multi_category import MULTI_CATEGORY
from .run_folder import INFO, PREPARATION, RUN
from .training import configure

LOCK = ".sweep.lock"
IMPORTS_KERAS = "methods.engine.preloaded"
TRAINING = ("methods.pipeline.training", "methods.pipeline.multi_category")
JUDGING = ("methods.pipeline.finetuning", "methods.pipeline.testing", "numba")
ALONE = "--ray="  # of a run in a queue: the last one counts


@dataclass(frozen=True)
class TrainingCommand:
    """A command line of `train.py`, and what it asks for.

    Attributes:
        arguments: the command line.
        folder: the category, or the folder of categories, to learn.
        method: name of the method.
        options: see `configure`.
        models: root of the run folders.
        inspect: whether inspection pictures are written.
    """

    arguments: Sequence[str]
    folder: Path
    method: str
    options: Mapping[str, tuple[str, Any]]
    models: Path
    inspect: bool


def train_all(
    program: Sequence[str], commands: Sequence[TrainingCommand], address: str | None
) -> None:
    """Run `train.py` with each of `commands` in its own process.

    Completed runs are left alone, and interrupted ones go on.

    Args:
        program: that runs one, see `run_queue`.
        commands: of one root of run folders.
        address: of the Ray cluster that runs them, if any.

    Raises:
        UsageError: options that a method does not have.
        UserError: runs that failed, once all others are over.
    """
    for command in commands:  # a mistake is reported before any work
        configure(command.method, command.options)
    with locked(commands[0].models / LOCK) as lock:
        tasks = [*map(_training, commands)]
        failures = run_queue(program, tasks, lock, address, preloaded(TRAINING))
    raise_failures(failures)


def _training(command: TrainingCommand) -> Task:
    method, values = command.method, values_of(command.options)
    folders = scan_dataset(command.folder) or [command.folder]
    names = category_names(command.folder)
    if folders != [command.folder]:
        names = names[1], MULTI_CATEGORY
    settings = [f"{key}={value}" for key, value in values.items()]
    name = " ".join(["/".join(names), method, *settings])
    again = partial(_training, command)
    task = Task(name, [*command.arguments, ALONE], method, again=again)
    earlier = None
    for run, record in _runs(command.models.joinpath(*names, folder_name(method))):
        learned = [Path(view.folder) for view in record.views]
        identity = record.method, learned, record.options
        if identity != (method, [*map(Path.absolute, folders)], values):
            continue
        if (run / INFO).exists():
            return replace(task, completed=True)
        if (run / PREPARATION).exists():  # killed before that, there is nothing yet
            earlier = run
    if not earlier:
        return task
    rest = ["-a", method, *(["-i"] if command.inspect else [])]
    return replace(task, arguments=["--resume", str(earlier), *rest], note="goes on")


def _runs(folder: Path) -> Iterator[tuple[Path, TrainingRecord]]:
    """Yield the folders of training runs from the start, and their records."""
    for path in sorted(folder.rglob(RUN)):
        record = TrainingRecord.read(path)
        if not (record.updated_from or record.adapted_from):
            yield path.parent, record


def values_of(options: Mapping[str, tuple[str, Any]]) -> dict[str, Any]:
    """Return the values of the options of `configure` as JSON gives them back."""
    return json.loads(json.dumps({key: value for key, (_, value) in options.items()}))


def over_models(
    program: Sequence[str],
    models: Sequence[Path],
    arguments: Sequence[str],
    results: Path,
    address: str | None,
    is_completed: Callable[[TrainingRecord], bool],
    runtime: str = KERAS,
) -> list[tuple[str, str]]:
    """Run a script on each model in its own process; return what failed, and why.

    Args:
        program: that runs one, see `run_queue`.
        models: the model files.
        arguments: of the program, before `-p MODEL`.
        results: root of the results.
        address: of the Ray cluster that runs them, if any.
        is_completed: says by a model's record whether nothing is left to do.
        runtime: what judges.
    """
    arguments = [*arguments, ALONE]
    with locked(results / LOCK) as lock:
        tasks = [_judging(model, arguments, is_completed) for model in models]
        modules = preloaded(JUDGING, runtime)
        return run_queue(program, tasks, lock, address, modules)


def preloaded(modules: Sequence[str], runtime: str = KERAS) -> Sequence[str]:
    """Return what the runs of a queue import once: with TensorFlow `modules`.

    TensorFlow starts its threads when it first calculates, others when imported.
    """
    if chosen_backend() != "tensorflow":
        return ()
    return [*([IMPORTS_KERAS] if runtime == KERAS else []), *modules]


def _judging(
    model: Path,
    arguments: Sequence[str],
    is_completed: Callable[[TrainingRecord], bool],
) -> Task:
    try:
        record = read_record(model)
    except UserError:  # the script says what is wrong
        kind, completed = "", False
    else:
        kind, completed = record.method, is_completed(record)
    run = [*arguments, "-p", str(model)]
    again = partial(_judging, model, arguments, is_completed)
    return Task(str(model), run, kind, completed, again=again)


def raise_failures(failures: Sequence[tuple[str, str]]) -> None:
    """Raise an error if there are failures, naming them."""
    if failures:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in failures)
        raise UserError(f"runs that failed: {len(failures)}: {reasons}")
