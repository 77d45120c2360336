"""Many runs of a script, each in a process of its own, here or on a cluster."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from processing.errors import UserError
from processing.wording import duration

from . import child_process, posix, ray_tasks
from .fork_server import ForkServer

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """One run of a script.

    Attributes:
        name: for people.
        arguments: of the script.
        kind: runs of one kind take about as long.
        completed: by an earlier start.
        note: printed in the plan.
        again: makes the task as it stands by then, of what an earlier try has left.
    """

    name: str
    arguments: Sequence[str]
    kind: str = ""
    completed: bool = False
    note: str = ""
    again: Callable[[], "Task"] | None = field(default=None, compare=False)


Outcome = tuple[Task, float, str]  # seconds, and why it failed, if it did


def run_queue(
    program: Sequence[str],
    tasks: Sequence[Task],
    lock: int,
    address: str | None = None,
    preload: Sequence[str] = (),
) -> list[tuple[str, str]]:
    """Print the plan, then run what is not completed.

    A run that fails does not stop the others.

    Args:
        program: a script, or `-m`, a module and what it is given first.
        tasks: its runs, in order.
        lock: descriptor of `files.locked`, which a run still holds if this process is
            killed.
        address: of a Ray cluster that runs them, see `methods.jobs.ray_tasks`; without
            one they run here, one after the other.
        preload: modules that several runs here import once, see `ForkServer`; without
            any, each run imports its own.

    Returns:
        The names of the runs that failed, and why, in the order of `tasks`.
    """
    queue = [task for task in tasks if not task.completed]
    log.info("%d runs of %s, %d to do", len(tasks), Path(program[-1]).name, len(queue))
    for number, task in enumerate(tasks, 1):
        note = "finished" if task.completed else task.note
        log.info("%s", f"{number:4}  {task.name}  {note}".rstrip())
    failures: dict[str, str] = {}
    timings: list[tuple[str, float]] = []
    unfinished = list(queue)
    at_once, outcomes = 1, _in_turn(program, queue, lock, preload)
    if address and queue:
        at_once, results = ray_tasks.started(partial(_on_node, program), queue, address)
        outcomes = ((task, *_outcome(result)) for task, result in results)
    for task, seconds, reason in outcomes:
        unfinished.remove(task)
        where = f"{task.name}: " if address else ""
        if reason:
            failures[task.name] = reason
            log.info("%sfailed: %s", where, reason)
            continue
        timings.append((task.kind, seconds))
        seconds_left = remaining([one.kind for one in unfinished], timings) / at_once
        left = f", about {duration(seconds_left)} left" if unfinished else ""
        log.info("%sdone in %s%s", where, duration(seconds), left)
    return [(x.name, failures[x.name]) for x in tasks if x.name in failures]


def _in_turn(
    program: Sequence[str], queue: Sequence[Task], lock: int, preload: Sequence[str]
) -> Iterator[Outcome]:
    """Run each task in a process of its own."""
    with _runner(program, lock, preload if len(queue) > 1 else ()) as run:
        for number, task in enumerate(queue, 1):
            log.info("")
            log.info("run %d of %d: %s", number, len(queue), task.name)
            try:
                process = run(task.arguments)
            except child_process.ChildError as error:
                yield task, 0.0, error.reason
            else:
                yield task, process.seconds, ""


@contextmanager
def _runner(
    program: Sequence[str], lock: int, preload: Sequence[str]
) -> Iterator[Callable[[Sequence[str]], child_process.Completed]]:
    """Yield what runs the program with arguments."""
    if preload and posix.can_fork():
        with ForkServer(program, preload, [lock]) as server:
            yield server.run
    else:
        yield lambda words: child_process.run([*program, *words], True, [lock])


def _on_node(program: Sequence[str], task: Task) -> tuple[float, str]:
    """Run a task on a node; return the seconds, and why it failed, if it did."""
    try:
        task = task.again() if task.again else task
        if task.completed:  # by a node that died before it could say so
            return 0.0, ""
        return child_process.run([*program, *task.arguments], mortal=True).seconds, ""
    except child_process.ChildError as error:
        return 0.0, error.reason
    except UserError as error:
        return 0.0, str(error)


def _outcome(result: tuple[float, str] | ray_tasks.Lost) -> tuple[float, str]:
    return (0.0, str(result)) if isinstance(result, ray_tasks.Lost) else result


def remaining(kinds: Sequence[str], timings: Sequence[tuple[str, float]]) -> float:
    """Return the seconds that runs of `kinds` will take, judging by kind and seconds.

    A kind of which none is over takes as long as all others do on average.
    """
    known: dict[str, list[float]] = {}
    for kind, seconds in timings:
        known.setdefault(kind, []).append(seconds)
    everything = [seconds for _, seconds in timings]
    samples = [known.get(kind, everything) for kind in kinds]
    return sum(sum(sample) / len(sample) for sample in samples)
