"""What the scripts write to: a terminal, a pipe, a file, or nothing at all."""

import contextlib
import io
import logging
import os
import sys
from collections.abc import Iterator
from typing import TextIO

from processing.wording import printable


class _Output(io.TextIOWrapper):
    """A standard stream that drops what cannot be written: `| head -1` ends no work.

    Results are files. What the encoding lacks is escaped.
    """

    def write(self, text: str) -> int:
        """Write `text`."""
        with self._dropped():
            super().write(text)
        return len(text)

    def flush(self) -> None:
        """Write what is buffered."""
        with self._dropped():
            super().flush()

    @contextlib.contextmanager
    def _dropped(self) -> Iterator[None]:
        try:
            yield
        except OSError:  # nobody reads it any more, or its disk is full
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, self.fileno())
            os.close(nothing)


class LineFormatter(logging.Formatter):
    """Messages as text: what names in them would do to a terminal is escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the message in one line."""
        return printable(super().format(record))


def say(line: str) -> None:
    """Print a line in which names may do nothing to the terminal."""
    print(printable(line))


def prepare_output() -> None:
    """Make standard output and error safe to write to, before there is any work.

    A descriptor that is closed (`2>&-`) leads nowhere from now on: the next file that
    is opened would take its number, and get what is meant for the terminal.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    sys.stdout = _robust(sys.stdout, 1)
    sys.stderr = _robust(sys.stderr, 2)


def _robust(stream: TextIO | None, descriptor: int) -> TextIO:
    """Return an `_Output` in the place of Python's own stream; any other one stays."""
    if stream is None:
        stream = open(descriptor, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if type(stream) is not io.TextIOWrapper:
        return stream
    encoding = stream.encoding
    return _Output(
        stream.detach(), encoding, errors="backslashreplace", line_buffering=True
    )
