"""What a child process can be asked for on POSIX systems alone, and what else is done.

On Windows a child inherits no lock, does not end with its parent, and its memory is not
known; it runs all the same.
"""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

PR_SET_PDEATHSIG = 1  # of linux/prctl.h
INTERRUPTED = (130, -2, 0xC000013A)  # exit codes of a script, a signal, and Windows


def is_posix() -> bool:
    """Return whether there is what the functions of this file can do with."""
    return sys.platform != "win32" and hasattr(os, "wait4")


def can_fork() -> bool:
    """Return whether a process may fork after its imports, as macOS lets none."""
    return is_posix() and sys.platform == "linux"


def options(keep: Sequence[int], mortal: bool) -> dict[str, Any]:
    """Return arguments of `subprocess.Popen`; for `keep` and `mortal` see `run`."""
    if not is_posix():
        return {}
    return {"pass_fds": keep, "preexec_fn": die_with_parent if mortal else None}


def wait(process: subprocess.Popen) -> int:
    """Wait for a process to end; return its largest resident memory in bytes.

    It is 0 where it is not known. The exit code is in `process.returncode`.
    """
    if not is_posix():
        process.wait()
        return 0
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return peak(usage)


def peak(usage: Any) -> int:
    """Return the largest resident memory in bytes, of what `os.wait4` returns."""
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def die_with_parent() -> None:
    """Ask Linux for a SIGKILL once the thread that started this process ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
