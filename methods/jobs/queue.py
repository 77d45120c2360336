"""Many runs of a script, each in a process of its own, here or on a cluster."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from processing.errors import UserError
from processing.wording import duration

from . import child_process, ray_tasks

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """One run of a script.

    Attributes:
        name: for people.
        arguments: of the script.
        kind: runs of one kind take about as long.
        finished: by an earlier start.
        note: what is to be said of it in the plan.
        again: makes the task as it stands by then, of what an earlier try has left.
    """

    name: str
    arguments: Sequence[str]
    kind: str = ""
    finished: bool = False
    note: str = ""
    again: Callable[[], "Task"] | None = field(default=None, compare=False)


Ended = tuple[Task, float, str]  # seconds, and why it failed, if it did


def sweep(
    script: Path, tasks: Sequence[Task], lock: int, address: str | None = None
) -> list[tuple[str, str]]:
    """Print the plan, then run what is not finished.

    A run that fails does not stop the others.

    Args:
        script: the Python program.
        tasks: its runs, in order.
        lock: descriptor of `files.locked`, which a run still holds if this process is
            killed.
        address: of a Ray cluster that runs them, see `methods.jobs.ray_tasks`; without
            one they run here, one after the other.

    Returns:
        The names of the runs that failed, and why, in the order of `tasks`.
    """
    todo = [task for task in tasks if not task.finished]
    log.info("%d runs of %s, %d to do", len(tasks), script.name, len(todo))
    for number, task in enumerate(tasks, 1):
        note = "finished" if task.finished else task.note
        log.info("%s", f"{number:4}  {task.name}  {note}".rstrip())
    failures: dict[str, str] = {}
    took: list[tuple[str, float]] = []
    rest = list(todo)
    at_once, ended = 1, _one_by_one(script, todo, lock)
    if address and todo:
        at_once, found = ray_tasks.started(partial(_elsewhere, script), todo, address)
        ended = ((task, *_outcome(result)) for task, result in found)
    for task, seconds, reason in ended:
        rest.remove(task)
        where = f"{task.name}: " if address else ""
        if reason:
            failures[task.name] = reason
            log.info("%sfailed: %s", where, reason)
            continue
        took.append((task.kind, seconds))
        seconds_left = remaining([one.kind for one in rest], took) / at_once
        left = f", about {duration(seconds_left)} left" if rest else ""
        log.info("%sdone in %s%s", where, duration(seconds), left)
    return [(x.name, failures[x.name]) for x in tasks if x.name in failures]


def _one_by_one(script: Path, todo: Sequence[Task], lock: int) -> Iterator[Ended]:
    """Run each task in a process of its own."""
    for number, task in enumerate(todo, 1):
        log.info("\nrun %d of %d: %s", number, len(todo), task.name)
        try:
            ran = child_process.run([str(script), *task.arguments], True, [lock])
        except child_process.ChildError as error:
            yield task, 0.0, error.reason
        else:
            yield task, ran.seconds, ""


def _elsewhere(script: Path, task: Task) -> tuple[float, str]:
    """Run a task on a node; return the seconds, and why it failed, if it did."""
    try:
        task = task.again() if task.again else task
        if task.finished:  # by a node that died before it could say so
            return 0.0, ""
        return child_process.run(
            [str(script), *task.arguments], mortal=True
        ).seconds, ""
    except child_process.ChildError as error:
        return 0.0, error.reason
    except UserError as error:
        return 0.0, str(error)


def _outcome(result: tuple[float, str] | ray_tasks.Lost) -> tuple[float, str]:
    return (0.0, str(result)) if isinstance(result, ray_tasks.Lost) else result


def remaining(kinds: Sequence[str], took: Sequence[tuple[str, float]]) -> float:
    """Return the seconds that runs of `kinds` will take, judging by kind and seconds.

    A kind of which none is over takes as long as all others do on average.
    """
    known: dict[str, list[float]] = {}
    for kind, seconds in took:
        known.setdefault(kind, []).append(seconds)
    everything = [seconds for _, seconds in took]
    samples = [known.get(kind, everything) for kind in kinds]
    return sum(sum(sample) / len(sample) for sample in samples)
