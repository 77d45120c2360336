"""Help that is short: the options that most need, or those of one method."""

import argparse
import ast
from collections.abc import Sequence
from typing import Any

from methods import METHODS, canonical_name
from processing.errors import UsageError

from .defaults import DEFAULTS, defaults, shown, wording
from .method_list import SUMMARIES
from .own_methods import source_file

MOST = {"size", "mask", "register", "tile", "loss", "backbone", "epochs", "seed"}
ALL = "all"


class MethodHelp(argparse.Action):
    """`--help`, `--help METHOD` or `--help all`.

    Args:
        option_strings: of the option.
        dest: is not used.
    """

    def __init__(self, option_strings: Sequence[str], dest: str):
        super().__init__(
            option_strings,
            argparse.SUPPRESS,
            nargs="?",
            default=argparse.SUPPRESS,
            metavar="METHOD",
            help=f"show this, the options of one method with its defaults, or {ALL}",
        )

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: Any, name: Any, _: Any = None
    ) -> None:
        """Print the help and exit."""
        try:
            narrow(parser, name)
        except UsageError as error:
            parser.error(str(error))
        parser.print_help()
        parser.exit()


def narrow(parser: argparse.ArgumentParser, name: str | None) -> None:
    """Hide the options of methods that `MethodHelp` is not to show."""
    if name == ALL:
        return
    method = canonical_name(name) if name else ""
    if method in METHODS:
        parser.description = description(method)
    else:
        parser.epilog = f"--help METHOD shows more, --help {ALL} all options."
    for action in parser._actions:
        if action.dest not in DEFAULTS:
            continue
        known = defaults(action.dest)
        if method not in known and (method or action.dest not in MOST):
            action.help = argparse.SUPPRESS
        elif method and known[method] is not False:
            text = str(action.help).removesuffix(wording(action.dest))
            action.help = f"{text}; default: {shown(known[method])}"


def description(method: str) -> str:
    """Return what a method of ours is, in the words of its class."""
    module, _, attribute = METHODS[method].rpartition(".")
    file = source_file(module)
    assert file is not None  # it is ours
    nodes = ast.parse(file.read_bytes()).body
    classes = [x for x in nodes if isinstance(x, ast.ClassDef)]
    [text] = [ast.get_docstring(x) for x in classes if x.name == attribute]
    first = str(text).partition("\n\nArgs:")[0]
    return f"{method}: {SUMMARIES[method][0]}. {first}"
