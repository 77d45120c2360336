"""Runs of a program as forks of one process that has imported what they need.

Each is a process of its own, as one of `child_process.run` is, without the seconds that
Python takes to import TensorFlow. A fork has none of its parent's threads, so that the
server imports modules, and does nothing else. OpenBLAS alone starts threads by being
imported; it ends them before each fork, and starts them again when it is called.
"""

import contextlib
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from time import perf_counter

from . import posix
from .child_process import Completed, completed

START = "import sys; sys.path[:] = {path}; from {module} import serve; serve({words})"


class ForkServer:
    """Runs a program as often as it is asked to, in forks of one process.

    A context manager; its process starts with the first run, and again if it is gone.

    Args:
        program: a script, or `-m`, a module and what it is given first.
        preload: modules that are imported once. They may start no threads.
        keep: file descriptors that runs inherit, such as those of locks.
    """

    def __init__(self, program: Sequence[str], preload: Sequence[str], keep: list[int]):
        self._words = [*program], [*preload]
        self._keep = keep
        self._process: subprocess.Popen | None = None

    def __enter__(self) -> "ForkServer":
        self._errors = tempfile.TemporaryFile()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._errors.close()

    def run(self, arguments: Sequence[str]) -> Completed:
        """Run the program with `arguments`; it prints to this program's own output.

        Its stderr follows at its end.

        Raises:
            KeyboardInterrupt: it was interrupted (exit code 130).
            ChildError: it ended with another exit code than 0.
        """
        start = perf_counter()
        if self._process is None:
            self._start()
        assert self._process is not None
        try:
            code, peak = self._answer(arguments)
        except KeyboardInterrupt:
            self._process.terminate()  # which reaches the fork
            self._end()
            raise
        self._errors.seek(0)
        output = self._errors.read().decode(errors="replace")
        self._errors.seek(0)
        self._errors.truncate()
        sys.stderr.write(output)
        whole = [*self._words[0], *arguments]
        return completed(whole, code, output, peak, perf_counter() - start)

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        words = [*self._words, theirs.fileno()]
        code = START.format(
            path=sys.path, module=__name__, words=", ".join(map(repr, words))
        )
        keep = [*self._keep, theirs.fileno()]
        command = [sys.executable, "-c", code]
        with theirs:
            self._process = subprocess.Popen(
                command, stderr=self._errors, pass_fds=keep
            )
        self._lines = ours.makefile("rw")
        ours.close()

    def _answer(self, arguments: Sequence[str]) -> tuple[int, int]:
        """Return exit code and peak memory of a run, or the code of a lost server."""
        assert self._process is not None
        line = ""
        with contextlib.suppress(OSError):
            print(json.dumps(arguments), file=self._lines, flush=True)
            line = self._lines.readline()
        if line:
            code, peak = json.loads(line)
            return code, peak
        return self._end(), 0

    def _end(self) -> int:
        """Let the server end once its run is over; return its exit code."""
        if self._process is None:
            return 0
        with contextlib.suppress(OSError):
            self._lines.close()
        code = self._process.wait()
        self._process = None
        return code or 1


def serve(program: Sequence[str], preload: Sequence[str], channel: int) -> None:
    """Import modules, then fork for each line of arguments; a fork runs the program.

    A run that has begun goes on if nobody listens any more.

    Args:
        program: see `ForkServer`.
        preload: see `ForkServer`.
        channel: descriptor of a socket, for JSON lines: arguments come in, exit code
            and peak memory in bytes go out.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the run by itself
    for module in preload:
        importlib.import_module(module)
    with socket.socket(fileno=channel) as own, own.makefile("rw") as lines:
        for line in lines:
            arguments = json.loads(line)
            child = os.fork()
            if not child:
                break
            with contextlib.suppress(OSError):  # nobody listens: no line follows
                print(json.dumps(_wait(child)), file=lines, flush=True)
        else:
            return
    posix.die_with_parent()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _run(program, arguments)


def _wait(child: int) -> tuple[int, int]:
    """Wait for a run; SIGTERM is passed on to it. Return exit code and peak memory."""
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # its number stays its own
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _, status, usage = os.wait4(child, 0)
    return os.waitstatus_to_exitcode(status), posix.peak(usage)


def _run(program: Sequence[str], arguments: Sequence[str]) -> None:
    """Run a program as Python runs what its command line names."""
    if program[0] == "-m":
        _, module, *first = program
        sys.argv = [module, *first, *arguments]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    else:
        sys.argv = [*program, *arguments]
        runpy.run_path(program[0], run_name="__main__")
