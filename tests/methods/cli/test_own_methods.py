"""Every case is held against what importing the method would say."""

import inspect
import sys
from pathlib import Path

import pytest

import methods
from methods.cli import own_methods
from methods.cli.own_methods import check_own
from processing.errors import UsageError

SOURCE = """
from abc import ABC
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import own_base as other
from methods.base import Method
from methods.fewshot.fewshot import FewShot
from own_base import Base as Renamed

@dataclass(kw_only=True, eq=False)
class Fields(Method):
    sigma: float = 4.0
    steps: int = 1

class Inherits(Fields, ABC):
    epochs: int = 2  # no field: it is no dataclass

class Arguments(Fields):
    def __init__(self, *, name, image_shape, seed=0, patches=3):
        pass

class Anything(Fields):
    def __init__(self, **settings):
        pass

class Shots(FewShot):
    pass

class Elsewhere(Renamed):
    pass

class Dotted(other.Base):
    pass

Alias = Fields
"""
BASE = """
from methods.padim.padim import PaDiM

class Base(PaDiM):
    pass
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Work in a folder with the modules; none of them stays imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    Path("own_source.py").write_text(SOURCE)
    Path("own_base.py").write_text(BASE)
    Path("own_broken.py").write_text("class Own(:\n")
    Path("package").mkdir()
    Path("package/inner.py").write_text(
        "from own_base import Base\n\nclass Own(Base): pass"
    )
    yield
    for name in ("own_source", "own_base", "package", "package.inner"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    "name", ["Fields", "Inherits", "Arguments", "Shots", "Elsewhere"]
)
def test_settings_are_those_of_the_constructor(name):
    known = own_methods._settings("own_source", name)
    kind = methods.get(f"own_source:{name}")
    assert known >= set(inspect.signature(kind).parameters)
    assert "patches" not in known or name == "Arguments"


@pytest.mark.parametrize("name", ["Anything", "Dotted", "Alias"])
def test_what_the_source_does_not_tell_is_left_alone(name):
    check_own(f"own_source:{name}", {"patches": ("--patches", 3)})


@pytest.mark.parametrize(
    ("name", "key", "taken"),
    [
        ("own_source:Fields", "sigma", True),
        ("own_source:Fields", "epochs", False),
        ("own_source:Fields", "mask", True),
        ("own_source:Inherits", "epochs", False),
        ("own_source:Arguments", "patches", True),
        ("own_source:Arguments", "sigma", False),
        ("own_source:Shots", "rotations", True),
        ("own_source:Shots", "features", False),
        ("package.inner:Own", "features", True),
        ("package.inner:Own", "shots", False),
    ],
)
def test_options(name, key, taken):
    options = {key: (f"--{key}", 3)}
    if taken:
        check_own(name, options)
    else:
        with pytest.raises(UsageError, match=f"^{name} has no option --{key}$"):
            check_own(name, options)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("own_lost:Own", "cannot import the method own_lost:Own: no module own_lost"),
        ("own_broken:Own", "cannot import the method own_broken:Own: SyntaxError: "),
        ("own_source:Nobody", "own_source:Nobody: expected a class in .*own_source.py"),
        ("package.lost:Own", "cannot import the method package.lost:Own: no module"),
    ],
)
def test_methods_that_are_not_there(name, message):
    with pytest.raises(UsageError, match=message):
        check_own(name, {})
    with pytest.raises(UsageError):
        methods.get(name)
