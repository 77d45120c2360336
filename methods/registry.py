"""The methods by name: ours, and those of the user, `package.module:Class`.

A model file holds the name of its method, and loading the file must run no code that
the user does not know of. So a name that comes from a file is imported only if the user
named it, too, or if its source file lies below the current folder.
"""

import ast
import difflib
import importlib
import os
import sys
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from itertools import accumulate
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from processing.errors import UsageError, UserError

if TYPE_CHECKING:
    from .base import Method

METHODS = {
    "mvtecCAE": "methods.cae.cae.CAE",
    "paperCAE": "methods.cae.cae.CAE",
    "baselineCAE": "methods.cae.cae.CAE",
    "inceptionCAE": "methods.cae.cae.CAE",
    "resnetCAE": "methods.cae.cae.CAE",
    "skipCAE": "methods.cae.cae.CAE",
    "AE": "methods.cae.cae.AE",
    "featureCAE": "methods.cae.feature_cae.FeatureCAE",
    "CNN": "methods.cnn.cnn.CNN",
    "AnoGAN": "methods.anogan.anogan.AnoGAN",
    "PaDiM": "methods.padim.padim.PaDiM",
    "contrastive": "methods.contrastive.contrastive.Contrastive",
    "fewshot": "methods.fewshot.fewshot.FewShot",
    "unified": "methods.fewshot.unified.Unified",
    "PatchCore": "methods.patchcore.patchcore.PatchCore",
    "ensemble": "methods.ensemble.ensemble.Ensemble",
    "DDAD": "methods.diffusion.ddad.DDAD",
    "AnoDDPM": "methods.diffusion.anoddpm.AnoDDPM",
}
MULTI_CATEGORY = ("unified",)  # learn all categories of a data set in one model
_registered: set[str] = set()  # of the user, `package.module:Class`


def canonical_name(name: str) -> str:
    """Return the registered spelling of `name`, whatever its case.

    One of the user's own, `package.module:Class`, is spelled as it is. Raises
    `UsageError` for one that is neither, with the nearest and all known names.
    """
    known = {key.lower(): key for key in METHODS}
    if name.lower() in known:
        return known[name.lower()]
    module, colon, attribute = name.partition(":")
    if colon:
        if all(part.isidentifier() for part in (*module.split("."), attribute)):
            return name
        raise UsageError(f"expected package.module:Class. Received: {name!r}")
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.4)
    hint = f"did you mean {known[near[0]]}? " if near else ""
    raise UsageError(
        f"unknown method {name!r}: {hint}expected one of {', '.join(sorted(METHODS))}"
    )


def folder_name(name: str) -> str:
    """Return what the run folders and model files of a method are named by."""
    return name.rpartition(":")[2]


def register(name: str) -> None:
    """Let files name a method of the user's own, `package.module:Class`."""
    _registered.add(canonical_name(name))


def get(name: str) -> "type[Method]":
    """Import and return the class behind a method's name.

    Args:
        name: a key of `METHODS` in any case, or `package.module:Class`; the module is
            looked for in the current folder first.

    Raises:
        UsageError: an unknown name, or no subclass of `methods.base.Method` behind it.
    """
    from .base import Method

    name = canonical_name(name)
    if name in METHODS:
        module, _, attribute = METHODS[name].rpartition(".")
        return getattr(importlib.import_module(module), attribute)
    module, _, attribute = name.partition(":")
    try:
        kind = getattr(_imported(module), attribute, None)
    except (Exception, SystemExit) as error:  # whatever a module may raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UsageError(f"cannot import the method {name}: {reason}") from error
    if not (isinstance(kind, type) and issubclass(kind, Method)):
        raise UsageError(
            f"{name}: expected a subclass of methods.base.Method. Received: {kind!r}"
        )
    return kind


def recorded(name: str, path: Path) -> "type[Method]":
    """Return the class behind a method's name that the file at `path` holds.

    Raises:
        UserError: a name that the file must not have imported, or as `get` does.
    """
    check_recorded(name, path)
    return get(name)


def check_recorded(name: str, path: Path) -> None:
    """Raise `UserError` for a name that the file at `path` must not have imported."""
    if ":" in canonical_name(name) and name not in _registered and not _is_local(name):
        raise UserError(
            f"{path} is of the method {name}, whose code is not in the current folder: "
            f"if you trust it, allow it by -a {name} or methods.register"
        )


def _is_local(name: str) -> bool:
    """Return whether a module below the current folder defines a class."""
    module, _, attribute = canonical_name(name).partition(":")
    file = local_file(module)
    if not file:
        return False
    try:
        source = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return False
    return any(isinstance(x, ast.ClassDef) and x.name == attribute for x in source.body)


def local_file(module: str) -> Path | None:
    """Return the file below the current folder that a module would be loaded from."""
    spec = _local_specs(module).get(module)
    return Path(spec.origin) if spec and spec.origin else None


def _imported(module: str) -> ModuleType:
    """Import a module from the current folder, or else as Python does."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    specs = _local_specs(module)
    finder: Any = SimpleNamespace(find_spec=lambda name, *_: specs.get(name))
    sys.meta_path.insert(0, finder)
    try:
        return importlib.import_module(module)
    finally:
        sys.meta_path.remove(finder)


def _local_specs(module: str) -> dict[str, ModuleSpec]:
    """Return what a module and its packages are loaded by from the current folder.

    Nothing is imported. There is none unless all files lie below the folder, symbolic
    links resolved, and no other modules of these names are loaded.
    """
    specs, here = {}, Path.cwd()
    for name in accumulate(module.split("."), "{}.{}".format):
        place = here.joinpath(*name.split("."))
        files = [place / "__init__.py", place.with_suffix(".py")]
        paths = [*filter(Path.is_file, files), *filter(Path.is_dir, [place])]
        paths = [x for x in paths if x.resolve().is_relative_to(here.resolve())]
        if not paths:
            return {}
        spec = spec_from_file_location(name, paths[0])
        if spec is None:  # a package without a file
            spec = ModuleSpec(name, None, is_package=True)
            spec.submodule_search_locations = [str(place)]
        if name in sys.modules and not _same(sys.modules[name], spec):
            return {}
        specs[name] = spec
    return specs


def _same(loaded: ModuleType, spec: ModuleSpec) -> bool:
    """Return whether a module is the one that `spec` would load."""
    if spec.origin:
        file = getattr(loaded, "__file__", None) or ""
        return os.path.realpath(file) == os.path.realpath(spec.origin)
    return list(getattr(loaded, "__path__", ())) == spec.submodule_search_locations
