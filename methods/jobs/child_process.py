"""Run a program in a process of its own, to know its peak memory and time."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

from . import posix


@dataclass(frozen=True)
class Completed:
    """Output, memory and time of a program that ended.

    Attributes:
        output: what it printed, unless it was shown.
        peak: its largest resident memory in bytes, 0 on Windows. It counts from this
            process's own size upward, which should be far smaller.
        seconds: from start to exit.
    """

    output: str
    peak: int
    seconds: float


class ChildError(RuntimeError):
    """A program ended with another exit code than 0; `reason` is its last line."""

    def __init__(self, message: str, reason: str):
        super().__init__(message)
        self.reason = reason


def run(
    arguments: Sequence[str],
    show: bool = False,
    keep: Sequence[int] = (),
    mortal: bool = False,
) -> Completed:
    """Run Python with `arguments`.

    Args:
        arguments: a script or `-m` and a module, and its options.
        show: let it print to this program's own output; its stderr follows at
            its end.
        keep: file descriptors that it inherits, such as those of locks, on POSIX.
        mortal: it is killed with this thread, on Linux, and does not work on unseen.

    Raises:
        KeyboardInterrupt: it was interrupted (exit code 130).
        ChildError: it ended with another exit code than 0.
    """
    start = perf_counter()
    with tempfile.TemporaryFile() as file:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdout=None if show else file,
            stderr=file if show else subprocess.STDOUT,
            **posix.options(keep, mortal),
        )
        try:
            peak = posix.wait(process)
        except KeyboardInterrupt:
            process.terminate()  # a signal to this process alone has not reached it
            process.wait()
            raise
        seconds = perf_counter() - start
        file.seek(0)
        output = file.read().decode(errors="replace")
    if show:
        sys.stderr.write(output)
    return completed(arguments, process.returncode, output, peak, seconds)


def completed(
    arguments: Sequence[str], code: int, output: str, peak: int, seconds: float
) -> Completed:
    """Return what a process with an exit code was, or raise what `run` raises."""
    if code in posix.INTERRUPTED:
        raise KeyboardInterrupt
    if code:
        ended = f"{' '.join(arguments[:2])} ended with exit code {code}"
        lines = output.strip().splitlines() or [ended]
        message = f"{ended}: {output.strip()}".removesuffix(": ")
        raise ChildError(message, lines[-1].removeprefix("error: "))
    return Completed(output, peak, seconds)


def follow(
    arguments: Sequence[str],
    hear: Callable[[str], None],
    started: Callable[[subprocess.Popen], None],
) -> None:
    """Run Python with `arguments` and hear each line that it prints, as it comes.

    It is killed with this thread, on Linux.

    Args:
        arguments: a script or `-m` and a module, and its options.
        hear: is called with each line of its output and stderr.
        started: is called with the process, which may be ended.

    Raises:
        ChildError: it ended with another exit code than 0.
    """
    with subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
        **posix.options((), True),
    ) as process:
        started(process)
        assert process.stdout is not None
        last = ""
        for line in process.stdout:
            last = line.strip() or last
            hear(line.rstrip())
    if process.returncode:
        code = f"{' '.join(arguments[:2])} ended with exit code {process.returncode}"
        raise ChildError(f"{code}: {last}", (last or code).removeprefix("error: "))
