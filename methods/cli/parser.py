"""What the command lines share: options from a file, near names, errors, exit codes."""

import argparse
import difflib
import logging
import math
import os
import shlex
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from methods import METHODS, register
from methods.detector.settings import KERAS, LARGEST_SIDE, RUNTIMES
from methods.engine.backend import spare_imports
from processing.errors import UsageError, one_line, shortened
from processing.wording import is_utf8, printable

from .terminal import LineFormatter, prepare_output

INTERRUPTED = 130
COMMAND = "keras-anomaly"  # as it is installed
AS_COMMAND = "KERAS_ANOMALY_COMMAND"  # set while it runs, for what it starts, too
Convert = Callable[[Mapping], Mapping]


class _Formatter(argparse.ArgumentDefaultsHelpFormatter):
    """Show defaults where there are any."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is None or isinstance(action.default, bool):
            return action.help
        return super()._get_help_string(action)


class Parser(argparse.ArgumentParser):
    """Reports an error in one line, whatever was received, as `run_command` does."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        for text in sys.argv[1:] if args is None else args:
            if not is_utf8(text):
                self.error(f"expected UTF-8, rename it first: {printable(text)}")
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Print the error, without the usage, and exit with 2."""
        line = printable(" ".join(message.split()))
        self.exit(2, f"error: {line} (see {self.prog} --help)\n")


def new_parser(
    description: str | None, help_: type[argparse.Action] | None = None
) -> argparse.ArgumentParser:
    """Return a parser that shows defaults and takes `--config` and `--debug`.

    `help_` is the action of another `--help` than argparse's.
    """
    result = Parser(
        description=description,
        formatter_class=_Formatter,
        allow_abbrev=False,
        add_help=not help_,
    )
    general = result.add_argument_group("general")
    if help_:
        general.add_argument("-h", "--help", action=help_)
    general.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="YAML file of long option names and values; the command line wins",
    )
    general.add_argument(
        "--debug", action="store_true", help="show the traceback of an error"
    )
    return result


def program_name(module: str) -> str:
    """Return what help calls a module that `python3 -m` starts, or the command."""
    name = sys.argv[0]
    return name if name.startswith(f"{COMMAND} ") else f"python3 -m {module}"


def add_model(parser: argparse.ArgumentParser, help_: str) -> argparse._ArgumentGroup:
    """Add the group of model and images with `-p` and return it."""
    group = parser.add_argument_group("model and images")
    group.add_argument(
        "-p", "--path", type=Path, required=True, metavar="MODEL", help=help_
    )
    return group


def add_decision(group: argparse._ArgumentGroup, more: str = "") -> None:
    """Add `--decision`; `more` says what else it takes."""
    help_ = f"name or id of one that finetune.py --list shows{more}; default: the one "
    group.add_argument("--decision", metavar="NAME", help=f"{help_}in force")


def add_own_methods(group: argparse._ArgumentGroup) -> None:
    """Add `-a`, which allows model files to name methods of the user's own."""
    help_ = "package.module:Class of a model file's method that is none of the toolkit"
    group.add_argument(
        "-a", "--architecture", type=method_names, metavar="NAMES", help=help_
    )


def add_skip_unreadable(group: argparse._ArgumentGroup) -> None:
    """Add `--skip-unreadable`."""
    group.add_argument(
        "--skip-unreadable",
        action="store_true",
        help="leave out files that cannot be decoded, with a warning",
    )


def add_ray(group: argparse._ArgumentGroup) -> None:
    """Add `--ray`."""
    group.add_argument(
        "--ray",
        metavar="ADDRESS",
        type=lambda text: text or None,
        help="Ray cluster (host:port, or local for this machine) for several runs, "
        "for one of PaDiM or PatchCore, or for the images that test.py -d judges",
    )


def refuse_ray(options: argparse.Namespace) -> None:
    """Raise `UsageError` if a single run is to be one of a cluster."""
    if options.ray:
        raise UsageError(
            "--ray goes with several runs: a folder of categories, several "
            "methods, or a folder of models"
        )


def add_results(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add the group of outputs with `--results` and return it."""
    outputs = parser.add_argument_group("outputs")
    outputs.add_argument(
        "--results",
        type=Path,
        default=Path("results"),
        metavar="FOLDER",
        help="where results go",
    )
    return outputs


def add_runtime(parser: argparse.ArgumentParser) -> None:
    """Add the group of speed with `--runtime`."""
    help_ = "what calculates: Keras, or the model's exported graph, which is written "
    help_ += "once and kept in the results; faster on a CPU (needs the extra export)"
    add = parser.add_argument_group("speed").add_argument
    add("--runtime", choices=RUNTIMES, default=KERAS, help=help_)


def one_of(names: Iterable[str]) -> Callable[[str], str]:
    """Return an argparse type: one of `names`, in any case, in its own spelling."""
    known = {name.lower(): name for name in names}

    def convert(text: str) -> str:
        if text.lower() in known:
            return known[text.lower()]
        near = difflib.get_close_matches(text.lower(), known, n=1, cutoff=0.4)
        hint = f"did you mean {known[near[0]]}? " if near else ""
        raise argparse.ArgumentTypeError(
            f"unknown name {shortened(text)!r}: {hint}expected one of "
            f"{', '.join(known.values())}"
        )

    return convert


def method_names(text: str) -> list[str]:
    """Return the methods that `text` names, an argparse type, each once.

    Commas are in between. Those of the user's own, `package.module:Class`, are
    registered, for files to name them.
    """
    return list(dict.fromkeys(map(_method_name, text.split(","))))


def _method_name(text: str) -> str:
    if ":" not in text:
        return one_of(METHODS)(text)
    try:
        register(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def at_least(
    lowest: float, kind: type = int, highest: float = math.inf
) -> Callable[[str], float]:
    """Return an argparse type: a finite number of `kind` between the two bounds."""

    def convert(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not lowest <= value <= highest or value == math.inf:
            bound = f"at most {highest}" if value and value > highest else ""
            raise argparse.ArgumentTypeError(
                f"expected a number of {bound or f'at least {lowest}'}. "
                f"Received: {shortened(text)}"
            )
        return value

    return convert


def place(text: str) -> str:
    """Return a path or URL, an argparse type: nothing is the folder that one is in."""
    return text or "."


def some_of(names: Iterable[str]) -> Callable[[str], str]:
    """Return an argparse type: of `names`, one or several, separated by commas."""
    convert = one_of(names)
    return lambda text: ",".join(map(convert, text.split(",")))


def sides(text: str) -> tuple[int, int]:
    """Return (h, w) of `N` or `HxW`, an argparse type."""
    numbers = text.lower().split("x")
    if len(numbers) > 2 or not all(map(_is_side, numbers)):
        raise argparse.ArgumentTypeError(
            f"expected pixels, or height x width, such as 256 or 192x256, at most "
            f"{LARGEST_SIDE} a side. Received: {shortened(text)}"
        )
    return int(numbers[0]), int(numbers[-1])


def _is_side(text: str) -> bool:
    return text.isdecimal() and len(text) < 6 and 1 <= int(text) <= LARGEST_SIDE


def span(text: str) -> tuple[float, float]:
    """Return the two numbers of `LOW,HIGH`, an argparse type."""
    try:
        low, high = (float(number) for number in text.split(","))
    except ValueError:
        low, high = 0.0, 0.0
    if not -math.inf < low < high < math.inf:
        raise argparse.ArgumentTypeError(
            "expected two numbers LOW,HIGH, such as 0,4095. "
            f"Received: {shortened(text)}"
        )
    return low, high


def parse(
    options: argparse.ArgumentParser,
    argv: Sequence[str] | None,
    convert: Convert | None = None,
) -> argparse.Namespace:
    """Parse `argv` (default: the process's), with the options of `--config` first."""
    return options.parse_args(all_arguments(options, argv, convert))


def all_arguments(
    options: argparse.ArgumentParser,
    argv: Sequence[str] | None,
    convert: Convert | None = None,
) -> list[str]:
    """Return `argv` with the options in the file of `--config` before it."""
    from_file, given = expand(options, argv, convert)
    return [*from_file, *given]


def expand(
    options: argparse.ArgumentParser,
    argv: Sequence[str] | None,
    convert: Convert | None = None,
) -> tuple[list[str], list[str]]:
    """Return the options in the file of `--config` as arguments, and those of `argv`.

    `convert` makes long option names and values of what that file holds, where it is
    in another program's terms.
    """
    finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    finder.add_argument("--config", type=Path)
    options_of_file, given = finder.parse_known_args(argv)
    if not options_of_file.config:
        return [], given
    from .config_file import as_arguments, read_config

    try:
        content = read_config(options_of_file.config)
        content = convert(content) if convert else content
        return as_arguments(content, options, str(options_of_file.config)), given
    except UsageError as error:
        options.error(str(error))


def show_messages() -> None:
    """Let the log and warnings be lines on stdout."""
    prepare_output()
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(LineFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    warnings.showwarning = lambda message, *_: logging.warning("warning: %s", message)


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during work that its arguments, a command line, go on with, if any."""

    def __str__(self) -> str:
        return command_line(*map(str, self.args)) if self.args else ""


def command_line(script: str, *arguments: str) -> str:
    """Return what a user types to run a script."""
    as_command = [COMMAND, script.removesuffix(".py")]
    start = as_command if os.environ.get(AS_COMMAND) else ["python3", script]
    return shlex.join([*start, *arguments])


def run_command(
    body: Callable[[], None], *, debug: bool = False, again: str = ""
) -> int:
    """Call `body` and return the exit code: 0, 1 failure, 2 usage, 130 interrupted.

    A failure becomes one line on stderr; with `debug` it keeps its traceback. So does
    an interruption, by SIGTERM as by Ctrl-C: its line says which command goes on, that
    of `Interrupted` or else `again`.
    """
    show_messages()
    spare_imports()
    try:
        with _terminable():
            body()
    except KeyboardInterrupt as error:
        command = str(error) if isinstance(error, Interrupted) else again
        go_on = f"; to go on: {command}" if command else ""
        print(printable(f"interrupted{go_on}"), file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        if debug:
            raise
        print(f"error: {printable(one_line(error))}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    return 0


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM interrupt as Ctrl-C does; signals are for the main thread alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, earlier)
