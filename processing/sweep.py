"""Many runs of a script, one after the other, each in a process of its own."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from processing import child
from processing.pages import duration

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
    """

    name: str
    arguments: Sequence[str]
    kind: str = ""
    finished: bool = False
    note: str = ""


def sweep(script: Path, tasks: Sequence[Task], lock: int) -> list[tuple[str, str]]:
    """Print the plan, then run what is not finished.

    A run that fails does not stop the others.

    Args:
        script: the Python program.
        tasks: its runs, in order.
        lock: descriptor of `files.locked`, which a run still holds if this process is
            killed.

    Returns:
        The names of the runs that failed, and why.
    """
    todo = [task for task in tasks if not task.finished]
    log.info("%d runs of %s, %d to do", len(tasks), script.name, len(todo))
    for number, task in enumerate(tasks, 1):
        note = "finished" if task.finished else task.note
        log.info("%s", f"{number:4}  {task.name}  {note}".rstrip())
    failures: list[tuple[str, str]] = []
    took: list[tuple[str, float]] = []
    for done, task in enumerate(todo):
        log.info("\nrun %d of %d: %s", done + 1, len(todo), task.name)
        try:
            seconds = child.run([str(script), *task.arguments], True, [lock]).seconds
        except child.ChildError as error:
            failures.append((task.name, error.reason))
            log.info("failed: %s", error.reason)
            continue
        took.append((task.kind, seconds))
        rest = [task.kind for task in todo[done + 1 :]]
        left = f", about {duration(remaining(rest, took))} left" if rest else ""
        log.info("done in %s%s", duration(seconds), left)
    return failures


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
