"""Show how training goes: a bar on a terminal or in a notebook, else lines."""

import logging
import time
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from typing import Any, TypeVar

import keras
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from processing.wording import duration

EVERY = 10.0  # seconds between the lines of `tracked` away from a terminal
T = TypeVar("T")

log = logging.getLogger(__name__)


def has_bar(console: Console) -> bool:
    """Return whether it shows bars: a terminal, or a notebook with ipywidgets."""
    in_notebook = console.is_jupyter and find_spec("ipywidgets") is not None
    return console.is_terminal or in_notebook


class EpochDisplay(keras.callbacks.Callback):
    """Print losses, and how long the training can still take.

    Args:
        epochs: how many are planned; the training may stop earlier.
        console: where to.
    """

    def __init__(self, epochs: int, console: Console):
        super().__init__()
        self.epochs = epochs
        self.console = console
        self.best = float("inf")
        self.bar: Progress | None = None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start the epoch's bar."""
        self.started = time.perf_counter()
        if not has_bar(self.console):
            return
        columns = [
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        ]
        self.bar = Progress(*columns, console=self.console, transient=True)
        self.task = self.bar.add_task(f"epoch {epoch + 1}", total=self.params["steps"])
        self.bar.start()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Advance the bar."""
        if self.bar:
            self.bar.advance(self.task)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Print the epoch's line."""
        self._stop()
        seconds = time.perf_counter() - self.started
        improved = logs["val_loss"] < self.best
        self.best = min(self.best, logs["val_loss"])
        left = duration((self.epochs - epoch - 1) * seconds)
        self.console.print(
            f"epoch {epoch + 1}/{self.epochs}  loss {logs['loss']:.4f}  "
            f"val_loss {logs['val_loss']:.4f}{' *' if improved else '  '}  "
            f"{duration(seconds)}  at most {left} left",
            highlight=False,
            soft_wrap=True,
        )

    def on_train_end(self, logs: Any = None) -> None:
        """Remove the bar."""
        self._stop()

    def _stop(self) -> None:
        if self.bar:
            self.bar.stop()
            self.bar = None


def tracked(
    steps: Iterable[T], total: int, what: str, console: Console | None = None
) -> Iterator[T]:
    """Yield `steps` and show how far they are and how long they still take.

    Args:
        steps: of similar length, but for the first, in which networks are traced.
        total: how many there are.
        what: is being done.
        console: without a bar on it, a line is logged now and then.
    """
    console = console or Console()
    drawn = has_bar(console)
    bar = [TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
    started = reported = time.perf_counter()
    with Progress(*bar, console=console, transient=True, disable=not drawn) as progress:
        for count, step in enumerate(progress.track(steps, total), 1):
            yield step
            now = time.perf_counter()
            started = now if count == 1 else started
            if not drawn and now - reported >= EVERY:
                reported, left = now, ""
                if count > 1:
                    seconds = (now - started) / (count - 1) * (total - count)
                    left = f", {duration(seconds)} left"
                log.info("%s: %d of %d%s", what, count, total, left)
