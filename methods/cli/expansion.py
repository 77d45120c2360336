"""The runs that one command line of `train.py` asks for."""

import argparse
import warnings
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from methods import METHODS, MULTI_CATEGORY, canonical_name
from methods.diffusion import ddad_config
from processing.errors import UsageError, UserError

from .parser import expand

DEFAULT = "mvtecCAE"


def expand_runs(
    parser: argparse.ArgumentParser, argv: Sequence[str] | None
) -> list[list[str]]:
    """Return the arguments of each run: one for each category, method and variant.

    The file of `--config` holds options of all methods and, under the name of a method,
    its own, or a list of several variants.
    """
    sections: dict[str, list[Mapping[str, Any]]] = {}

    def convert(content: Mapping[str, Any]) -> Mapping[str, Any]:
        options = {}
        for key, value in content.items():
            if ":" in str(key) or str(key).lower() in known:
                name = canonical_name(str(key))
                if name in sections:
                    raise UsageError(f"--config: {name} stands there twice")
                several = isinstance(value, list) and value
                sections[name] = value if several else [value or {}]
            else:
                options[key] = value
        return ddad_config.options(options)

    known = [name.lower() for name in METHODS]
    config, given = expand(parser, argv, convert)
    options = parser.parse_args([*config, *given])
    if options.resume or options.update or not options.input_dir:
        return [[*config, *given]]
    categories = _categories(options.input_dir, parser)
    runs = []
    for method in options.architecture or [DEFAULT]:
        variants = [_section(method, x, parser) for x in sections.get(method, [{}])]
        separate = [] if method in MULTI_CATEGORY else categories
        for section, folder in product(variants, separate or [options.input_dir]):
            one = ["-d", str(folder), "-a", method]
            runs.append([*config, *section, *given, *one])
    return runs


def _categories(folder: Path, parser: argparse.ArgumentParser) -> list[Path]:
    """Return the categories in a data set, and name what else has images there."""
    from processing.data.listing import some
    from processing.data.scan import find_categories

    try:
        categories, others = find_categories(folder)
    except UserError as error:
        parser.error(str(error))
    if others:
        named = f"{some(others)} in {folder}"
        warnings.warn(f"no category, and so left out: {named}", stacklevel=2)
    return categories


def _section(method: str, content: Any, parser: argparse.ArgumentParser) -> list[str]:
    """Return the options of one variant of a method as arguments."""
    from .config_file import as_arguments

    try:
        if not isinstance(content, Mapping):
            raise UsageError(f"{method}: expected lines of `option: value`, or a list")
        return as_arguments(content, parser, method)
    except UsageError as error:
        parser.error(str(error))
