"""The direction of imports, and what no file may do."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("autoencoder", "processing", "methods")
SCRIPTS = ("train.py", "finetune.py", "test.py")
FILES = [p for folder in FOLDERS for p in sorted((ROOT / folder).rglob("*.py"))]
ALLOWED = {
    "autoencoder": {"autoencoder"},
    "processing": {"processing"},
    "methods": {"methods", "autoencoder", "processing"},
}
RESTRICTED = ROOT / "methods/backbones/pth.py"  # unpickles tensors and nothing else


def imported(path):
    """Return the dotted names that a file imports, wherever in the file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module)
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path):
    folder = path.relative_to(ROOT).parts[0]
    tops = {name.split(".")[0] for name in imported(path)}
    ours = tops & {*FOLDERS, "train", "finetune", "test", "benchmarks", "tests"}
    assert ours <= ALLOWED[folder]
    assert not tops & {"tensorflow", "torch", "jax"}
    if folder == "processing":
        assert "keras" not in tops


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_thin(name):
    assert len((ROOT / name).read_text().splitlines()) <= 150


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_code_from_files(path):
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not calls & {"eval", "exec"}
    assert "pickle" not in imported(path) or path == RESTRICTED
