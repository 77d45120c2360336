"""Run a program in a process of its own, to know its peak memory and time."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter


@dataclass(frozen=True)
class Finished:
    """What a program took.

    Attributes:
        output: what it printed, unless it was shown.
        peak: its largest resident memory in bytes. It counts from this process's own
            size upward, which should be far smaller.
        seconds: from start to exit.
    """

    output: str
    peak: int
    seconds: float


def run(arguments: Sequence[str], show: bool = False) -> Finished:
    """Run Python with `arguments`.

    Args:
        arguments: a script or `-m` and a module, and its options.
        show: let it print to this program's own output.

    Raises:
        KeyboardInterrupt: it was interrupted (exit code 130).
        RuntimeError: it ended with another exit code than 0.
    """
    start = perf_counter()
    with tempfile.TemporaryFile() as file:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdout=None if show else file,
            stderr=None if show else subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = perf_counter() - start
        file.seek(0)
        output = file.read().decode()
    if process.returncode in (130, -2):
        raise KeyboardInterrupt
    if process.returncode:
        raise RuntimeError(
            f"{' '.join(arguments[:2])} ended with exit code {process.returncode}: "
            f"{output.strip()}".removesuffix(": ")
        )
    unit = 1 if sys.platform == "darwin" else 1024
    return Finished(output, usage.ru_maxrss * unit, seconds)
