"""What the source of a user's own method tells of it: its module is imported later.

It may import Keras, which takes seconds. What the source alone does not tell is checked
when the method is made.
"""

import ast
from collections.abc import Mapping
from importlib.util import find_spec, resolve_name
from pathlib import Path
from typing import Any

from methods.registry import local_file
from processing.errors import UsageError

from .defaults import DEFAULTS

PACKAGES = Path(__file__).parents[2]  # the folder of `methods`
COMMON = {key for key, known in DEFAULTS.items() if "all" in known}  # of all methods


def check_own(name: str, options: Mapping[str, tuple[str, Any]]) -> None:
    """Raise `UsageError` for a method that is not there, or for options that it lacks.

    Args:
        name: `package.module:Class`.
        options: of `method_options.given`.
    """
    module, _, attribute = name.partition(":")
    file = source_file(module)
    if file is None:
        if find_spec(module.split(".")[0]) is None:
            raise UsageError(f"cannot import the method {name}: no module {module}")
        return
    try:
        source = file.read_bytes()
        ast.parse(source)
    except (OSError, SyntaxError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise UsageError(f"cannot import the method {name}: {reason}") from error
    elsewhere = b"import *" in source or b"__getattr__" in source
    if attribute.encode() not in source and not elsewhere:
        raise UsageError(f"{name}: expected a class in {file}. Found: none of the name")
    known = _settings(module, attribute)
    for key, (flag, _) in options.items():
        if known is not None and key not in known | COMMON:
            raise UsageError(f"{name} has no option {flag}")


def source_file(module: str) -> Path | None:
    """Return the source file of a module below the current folder, or of ours."""
    ours = PACKAGES.joinpath(*module.split(".")).with_suffix(".py")
    return ours if module.startswith("methods.") else local_file(module)


def _settings(module: str, attribute: str) -> set[str] | None:
    """Return what the constructor of a class takes; None if its source does not tell.

    Those are the arguments of `__init__`, or the fields of dataclasses.
    """
    file = source_file(module)
    if file is None or not file.is_file():
        return None
    body = ast.parse(file.read_bytes()).body
    classes = {node.name: node for node in body if isinstance(node, ast.ClassDef)}
    if attribute not in classes:
        return None
    node = classes[attribute]
    for part in node.body:
        if isinstance(part, ast.FunctionDef) and part.name == "__init__":
            given = [*part.args.args, *part.args.kwonlyargs]
            return None if part.args.kwarg else {argument.arg for argument in given}
    names: set[str] = set()
    if any("dataclass" in ast.unparse(one) for one in node.decorator_list):
        fields = [part for part in node.body if isinstance(part, ast.AnnAssign)]
        names = {ast.unparse(part.target) for part in fields}
    places = {name: (module, name) for name in classes} | _imported(module, body)
    for base in map(ast.unparse, node.bases):
        inherited = _settings(*places[base]) if base in places else None
        if base != "ABC" and inherited is None:
            return None
        names |= inherited or set()
    return names


def _imported(module: str, body: list[ast.stmt]) -> dict[str, tuple[str, str]]:
    """Return the module and name of what a module imports by `from`."""
    package = module.rpartition(".")[0]
    found: dict[str, tuple[str, str]] = {}
    for node in body:
        if isinstance(node, ast.ImportFrom) and (package or not node.level):
            source = resolve_name("." * node.level + (node.module or ""), package)
            found |= {x.asname or x.name: (source, x.name) for x in node.names}
    return found
