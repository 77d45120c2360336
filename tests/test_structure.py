"""The rooms and the direction of imports, and what no file may do."""

import ast
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.rooms import (
    FLOORS,
    HEIGHTS,
    NAMES,
    PACKAGES,
    PICTURE,
    ROOT,
    STARTERS,
    WAY,
    imports,
    picture,
    posix_imports,
    registered_names,
    room_of,
    rooms_imported,
    source_files,
    source_of_test,
    wrong_imports,
)

KERNELS = "autoencoder/normalisation.py"  # calls TensorFlow where it is the backend
FILES = {str(path): (ROOT / path).read_text("utf-8") for path in source_files()}
SCRIPTS = STARTERS[:3]
RESTRICTED = "methods/backbones/pth.py"  # unpickles tensors and nothing else
OF_SEVERAL_FILES = {  # tests that mirror no source file; those in tests/ never do
    "tests/methods/test_contract.py",
    "tests/methods/engine/test_backends.py",
    "tests/methods/serve/test_decisions_browser.py",
    "tests/methods/serve/test_page_browser.py",
    "tests/methods/serve/test_secrets.py",
    "tests/processing/data/test_dataset_errors.py",
    "tests/processing/report/test_report_browser.py",
}

each_file = pytest.mark.parametrize("name", FILES)


@each_file
def test_a_room_imports_rooms_below_it(name):
    assert wrong_imports(FILES[name], Path(name)) == []


@pytest.mark.parametrize("name", [*STARTERS, NAMES])
def test_what_imports_upward_is_there_and_small(name):
    starter = name != NAMES
    assert len(FILES[name].splitlines()) <= (20 if starter else 100)
    if starter:
        ours = {room for _, room in rooms_imported(FILES[name], Path(name))}
        assert ours == {"methods.cli"}


def test_every_room_is_there():
    held = {room_of(".".join(Path(n).with_suffix("").parts)) for n in FILES}
    assert held - {None} | {"methods"} == set(HEIGHTS)
    assert len(HEIGHTS) == sum(len(floor) for floor, _ in FLOORS)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("processing/data/dataset.py", "from processing.report.report import x"),
        ("processing/errors.py", "def f():\n    import processing.files"),
        ("methods/engine/batches.py", "from methods.components import info_nce"),
        ("methods/jobs/queue.py", "from importlib import import_module as _\n"
         "import importlib\nimportlib.import_module('methods.pipeline.testing')"),
        ("methods/pipeline/sweeps.py", "from methods import cli"),
        ("autoencoder/architectures/mvtec.py", "from ...methods import base"),
        ("methods/base.py", "from . import get"),
        ("methods/padim/padim.py", "from methods.patchcore.patchcore import PatchCore"),
        ("methods/padim/padim.py", "from ..patchcore import coreset"),
        ("methods/padim/padim.py", "from typing import TYPE_CHECKING\n"
         "if TYPE_CHECKING:\n    from methods.cae.cae import CAE"),
        ("methods/padim/padim.py", "from methods.newcomer.newcomer import N"),
        ("methods/newcomer/newcomer.py", "import processing.errors"),
        ("methods/newcomer/__init__.py", "import processing.errors"),
        ("methods/newcomer.py", "import processing.errors"),
    ],
)  # fmt: skip
def test_imports_upward_and_beside_are_refused(path, source):
    assert len(wrong_imports(source, Path(path))) == 1


def test_public_names_import_upward_in_functions_alone():
    load = "from methods.detector.predictor import Predictor\n"
    inside = "if TYPE_CHECKING:\n    " + load + "def f():\n    " + load
    assert wrong_imports(inside, Path(NAMES)) == []
    assert len(wrong_imports(load + inside, Path(NAMES))) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("methods/padim/padim.py", "from . import gaussian\nfrom .gaussian import G"),
        ("methods/padim/padim.py", "from ..components import feature_method"),
        ("methods/padim/padim.py", "from methods import get\nimport methods"),
        ("methods/pipeline/testing.py", "from methods.padim.padim import PaDiM"),
        ("autoencoder/architectures/mvtec.py", "from ..losses import ssim"),
        ("train.py", "from methods.cli.train import main"),
        ("methods/base.py", "import numpy"),
    ],
)
def test_imports_downward_are_taken(path, source):
    assert wrong_imports(source, Path(path)) == []


def test_imports_of_no_room_of_ours():
    for name, source in FILES.items():
        tops = {module.split(".")[0] for module, _ in imports(source, Path(name))}
        tops -= {"tensorflow"} if name == KERNELS else set()
        assert not tops & {"tensorflow", "torch", "jax", "benchmarks", "tests"}, name
        if name.startswith("processing"):
            assert "keras" not in tops, name


def test_registered_keras_names_are_unique():
    names = Counter(name for text in FILES.values() for name in registered_names(text))
    assert names["keras_anomaly>Augmentation"] == 1
    assert names.most_common(1)[0][1] == 1


REGISTERED = "@keras.saving.register_keras_serializable"


@pytest.mark.parametrize(
    "second",
    [
        REGISTERED + '("keras_anomaly")\nclass Attention: 0',
        REGISTERED + '("keras_anomaly", "Attention")\ndef other(): 0',
        REGISTERED + '(package="keras_anomaly", name="Attention")\nclass Other: 0',
    ],
)
def test_a_second_keras_name_is_found(second):
    first = REGISTERED + '("keras_anomaly")\nclass Attention: 0\n'
    assert registered_names(first + second) == ["keras_anomaly>Attention"] * 2


@each_file
def test_no_posix_only_module_is_imported_on_import(name):
    assert posix_imports(FILES[name]) == set()


@pytest.mark.parametrize(
    "source",
    [
        "import os, fcntl",
        "try:\n    from resource import getrlimit\nexcept ImportError:\n    pass",
        "class A:\n    import pwd",
        "if True:\n    import curses.ascii",
        "with a:\n    import termios as t",
    ],
)
def test_a_posix_only_module_is_found(source):
    assert len(posix_imports(source)) == 1


def test_a_posix_only_module_may_be_imported_by_a_function():
    assert posix_imports("def f():\n    import fcntl\nfrom .resource import x") == set()


def without_source(paths):
    """Return the test files, relative to the root, that mirror no source file."""
    inner = [path for path in paths if path.parent != Path("tests")]
    return {str(path) for path in inner if not (ROOT / source_of_test(path)).exists()}


def test_tests_mirror_the_source():
    tests = [path.relative_to(ROOT) for path in (ROOT / "tests").rglob("test_*.py")]
    assert without_source(tests) == OF_SEVERAL_FILES


def test_a_test_of_no_file_is_found():
    paths = ["tests/methods/padim/test_cae.py", "tests/methods/padim/test_padim.py"]
    assert without_source(map(Path, paths)) == {paths[0]}
    assert without_source([Path("tests/methods/backbones/test_backbones.py")]) == set()


def test_the_picture_is_drawn_from_the_list():
    assert PICTURE.read_text("utf-8") == picture(), "run python3 tests/rooms.py"
    assert "](rooms.svg)" in (ROOT / "docs/architecture.md").read_text("utf-8")


def test_the_picture_shows_every_room_and_the_way():
    texts = [
        "".join(node.itertext())
        for node in ElementTree.fromstring(picture()).iter()
        if node.tag.endswith("text")
    ]
    for room in HEIGHTS.keys() - {"methods"}:
        assert any(text.startswith(room.replace(".", "/")) for text in texts), room
    assert {room for room, _ in WAY} <= HEIGHTS.keys()
    assert [text for text in texts if text == f"{len(WAY)}. {WAY[-1][1]}"]


@each_file
def test_no_code_from_files(name):
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(FILES[name]))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not calls & {"eval", "exec"}
    modules = {module for module, _ in imports(FILES[name], Path(name))}
    assert "pickle" not in modules or name == RESTRICTED


def test_each_package_of_ours_is_checked():
    assert {Path(name).parts[0] for name in FILES} == {*PACKAGES, *SCRIPTS}
