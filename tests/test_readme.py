"""Every command in the documents is run, on tiny images."""

import importlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import finetune
import test as script
import train
from methods.cli.expansion import expand_runs
from methods.cli.train import build_parser

pytestmark = pytest.mark.usefixtures("eager_file", "few_layers")
ROOT = Path(__file__).parent.parent
RUN = ["README.md", "docs/index.md", "docs/data.md", "docs/many_models.md"]
RUN += ["docs/decide.md", "docs/methods.md"]
MODULES = {"methods.backbones": "methods.cli.backbones"}
MAINS = {"train.py": train.main, "finetune.py": finetune.main, "test.py": script.main}
QUICK = ["--size", "32", "--epochs", "1", "--lr", "0.002", "--precision", "float32"]
SHALLOW = ["--levels", "stage1"]


def read(document):
    """Return the text of a document."""
    return (ROOT / document).read_text(encoding="utf-8")


def blocks(document, language):
    """Return the code blocks of a language in a document."""
    return re.findall(rf"```{language}\n(.*?)```", read(document), re.DOTALL)


def main_of(words):
    """Return the function that a command line of Python starts, and its arguments."""
    name, *arguments = words
    if name == "-m":
        name, *arguments = arguments
    if name in MAINS:
        return MAINS[name], arguments
    return importlib.import_module(MODULES.get(name, name)).main, arguments


def commands(document):
    """Return the lines of the shell blocks in a document."""
    return [
        line for part in blocks(document, "sh") for line in part.split("\n") if line
    ]


@pytest.fixture
def folders(samples, monkeypatch, tmp_path):
    """Make the folders that the pages name, in a new current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mvtec").mkdir()
    (tmp_path / "mvtec/capsule").symlink_to(samples / "washer")
    rows = [f"good/{i:03}.png,OK" for i in range(12)]
    rows += [f"hole/{i:03}.png,hole" for i in range(3)]
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/good").symlink_to(samples / "washer/train/good")
    (tmp_path / "photos/hole").symlink_to(samples / "washer/test/hole")
    (tmp_path / "photos/labels.csv").write_text("path,label\n" + "\n".join(rows))
    (tmp_path / "new_photos").symlink_to(samples / "washer/test/hole")
    (tmp_path / "new_product").symlink_to(samples / "washer")
    (tmp_path / "more_good_photos").symlink_to(samples / "washer/test/good")
    (tmp_path / "labels.csv").write_text("path,label\nphotos/hole/000.png,good\n")
    return tmp_path


@pytest.mark.usefixtures("short_epochs", "ran")
def test_the_commands_of_the_pages_in_order(folders):
    """A block that stands on two pages is run once."""
    ran, finetuned = 0, ""
    parts = dict.fromkeys(part for page in RUN for part in blocks(page, "sh"))
    for command in "".join(parts).splitlines():
        program, *arguments = shlex.split(command)
        if program == "make":
            continue
        assert program == "python3"
        main, arguments = main_of(arguments)
        if "--resume" in arguments:  # in test_scripts
            assert arguments == ["--resume", "RUN_FOLDER"]
            continue
        if main is train.main and "--update" not in arguments:
            if "unified" in arguments:  # the options that methods have
                arguments += [*QUICK[:6], *SHALLOW]
            else:
                trained = "mvtecCAE" in arguments
                arguments += QUICK if trained else [*QUICK[:2], *SHALLOW]
        if "model.hdf5" in arguments:
            models = folders.glob("saved_models/**/*.hdf5")
            newest = max(models, key=lambda path: path.stat().st_mtime_ns)
            arguments[arguments.index("model.hdf5")] = str(newest)
            finetuned = str(newest) if main is finetune.main else finetuned
        assert main(arguments) == 0
        ran += 1
    assert ran == 25
    [program] = [part for page in RUN for part in blocks(page, "python")]
    scope = {"photos": np.zeros((2, 70, 90, 3), np.uint8)}
    exec(program.replace("model.hdf5", finetuned), scope)
    assert scope["predictions"].verdicts.shape == (2,)


@pytest.mark.usefixtures("folders")
def test_the_config_of_the_pages_is_three_runs(tmp_path):
    [text] = [part for page in RUN for part in blocks(page, "yaml")]
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    words = ["-d", "mvtec", "-a", "padim,fewshot", "--config", "config.yaml"]
    parser = build_parser()
    runs = [parser.parse_args(words) for words in expand_runs(parser, words)]
    assert [(*run.architecture, run.mask) for run in runs] == [
        ("PaDiM", None),
        ("PaDiM", "foreground"),
        ("fewshot", None),
    ]
    assert {run.size for run in runs} == {(256, 256)}


def test_the_cells_of_the_notebook(monkeypatch, tmp_path):
    """With smaller images."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs/notebook.ipynb").read_text("utf-8")
    scope = {}
    for cell in json.loads(text)["cells"]:
        if cell["cell_type"] == "code":
            source = "".join(cell["source"]).replace("size=128", "size=64")
            exec(source.replace('"--train"', '"--size", "64", "--train"'), scope)
    assert [verdict.defective for verdict in scope["verdicts"]] == [True] * 3
    assert len(scope["figure"].axes) == 3
    scope["plt"].close("all")
    assert len([*tmp_path.glob("results/**/report.html")]) == 1


def test_every_page_with_code_is_run():
    pages = [str(path.relative_to(ROOT)) for path in ROOT.glob("docs/*.md")]
    code = {page for page in [*pages, "README.md"] if "```" in read(page)}
    elsewhere = {
        "docs/adding_a_method.md",
        "docs/api.md",
        "docs/drift.md",
        "docs/exports.md",
        "docs/flow.md",
        "docs/serve.md",
    }  # in tests of their names
    assert code == {*RUN, *elsewhere}


def test_the_readme_is_short_and_has_the_three_commands():
    assert len(read("README.md").splitlines()) <= 150
    assert blocks("README.md", "sh")[0] == "make demo\nmake test\n"
    assert (
        "python3 train.py -d mvtec/capsule -a mvtecCAE -l ssim\n"
        "python3 finetune.py -p model.hdf5\n"
        "python3 test.py -p model.hdf5 -s\n"
    ) in blocks("README.md", "sh")


@pytest.mark.parametrize("page", ["README.md", "docs/methods.md"])
def test_figures_of_methods_are_those_of_the_table_of_defaults(page):
    means = read("docs/defaults.md").split("### Mean over")[1].split("###")[0]
    rows = re.findall(
        r"^\| `(ensemble|padim|patchcore|fewshot [^`]+)` \| (.*0\.\d.+) \|$",
        read(page),
        re.MULTILINE,
    )
    assert len(rows) == 4
    for setting, cells in rows:
        [line] = re.findall(rf"^\| `{setting}` \| (.+) \|$", means, re.MULTILINE)
        expected = [float(x) for x in re.findall(r"(0\.\d+)\** \[", line)]
        found = [float(x) for x in re.findall(r"0\.\d+", cells)]
        assert found == pytest.approx([expected[0], expected[2]], abs=0.006)


@pytest.mark.usefixtures("short_epochs")
def test_make_demo_in_small(tmp_path, capsys):
    """The recipe of `make demo`, in this process, without the installation."""
    arguments = [
        "BASE=",
        f"SAMPLES={tmp_path}/samples",
        "SAMPLE_OPTIONS=--train 12 --good 4 --defects 2 --size 32",
        f"MODELS={tmp_path}/saved_models",
        f"RESULTS={tmp_path}/results",
        "OPTIONS=--size 32 --epochs 1 --lr 0.002 --precision float32",
    ]
    printing = {"capture_output": True, "text": True, "check": True}
    environment = {**os.environ, "MAKEFLAGS": ""}
    command = ["make", "--no-print-directory", "-n", "demo", *arguments]
    recipe = subprocess.run(command, cwd=ROOT, env=environment, **printing).stdout
    for line in recipe.splitlines():  # the shell finds the model once it is there
        command = ["sh", "-c", f"printf '%s\\n' {line}"]
        python, *words = subprocess.run(command, **printing).stdout.splitlines()
        assert python == ".venv/bin/python"
        main, arguments = main_of(words)
        assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "image AUROC" in printed
    assert printed.splitlines()[-1].startswith("results: ")
    assert list(tmp_path.glob("results/**/segmentation/*_overlay.png"))


def recipe(target):
    """Return the commands that make would run for a target."""
    done = subprocess.run(
        ["make", "-n", target, "INSTALLED="], cwd=ROOT, capture_output=True, text=True
    )
    return done.stdout


def test_make_test_runs_all_checks():
    for tool in ("ruff format --check", "ruff check", "mypy", "pytest"):
        assert tool in recipe("test")
        assert tool in recipe("test-quick")
    whole = recipe("test").replace('-m "not nightly"', "")
    chosen = r"""(-k |METHODS_ON_JAX=)(["']).*?\2"""
    assert re.sub(chosen, r"\1\2\2", whole) == recipe("test-all")


def test_nightly_tests_are_listed():
    paths = [
        path for path in ROOT.rglob("tests/**/test_*.py") if path != Path(__file__)
    ]
    files = {path.name for path in paths if "mark.nightly" in path.read_text("utf-8")}
    rows = read("CONTRIBUTING.md").split("| nightly |")[1]
    first = re.findall(r"^\| ([^|:]+):", rows, re.MULTILINE)
    assert set(re.findall(r"\w+\.py", " ".join(first))) == files


@pytest.mark.parametrize("command", commands("CONTRIBUTING.md"))
def test_commands_of_contributing(command):
    words = shlex.split(command)
    if words[0] == "make":
        assert recipe(words[1])
        return
    assert words[:2] == ["python3", "-m"]
    done = subprocess.run(
        [sys.executable, "-m", words[2], "--help"], cwd=ROOT, capture_output=True
    )
    assert done.returncode == 0
