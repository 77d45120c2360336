"""Help that is short: the options that most need, or those of one method."""

import argparse
import ast
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from methods import METHODS, canonical_name
from processing.errors import UsageError

from .defaults import defaults, wording
from .method_list import SUMMARIES

PACKAGES = Path(__file__).parents[2]  # the folder of `methods`
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
        known = _defaults(action.dest)
        if known is None:
            continue
        if method not in known and (method or action.dest not in MOST):
            action.help = argparse.SUPPRESS
        elif method and known[method] is not False:
            text = str(action.help).removesuffix(wording(action.dest))
            action.help = f"{text}; default: {_shown(known[method])}"


def description(method: str) -> str:
    """Return what a method of ours is, in the words of its class."""
    module, _, attribute = METHODS[method].rpartition(".")
    source = PACKAGES.joinpath(*module.split(".")).with_suffix(".py").read_text("utf-8")
    nodes = [x for x in ast.parse(source).body if isinstance(x, ast.ClassDef)]
    [text] = [ast.get_docstring(x) for x in nodes if x.name == attribute]
    first = str(text).partition("\n\nArgs:")[0]
    return f"{method}: {SUMMARIES[method][0]}. {first}"


def _defaults(option: str) -> dict[str, Any] | None:
    """Return the defaults of an option of methods by their names; None of others."""
    try:
        return defaults(option)
    except KeyError:
        return None


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
