import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from methods.cli import paths
from methods.pipeline import run_folder
from processing.errors import UsageError, UserError

ROOT = Path(__file__).parents[3]
TRAINING = {"resume": None, "update": None, "input_dir": None}
TESTING = {"shots_from": None, "watch": False, "ray": None}
TESTING |= {"input_dir": None, "category": None}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("nut/train/good", "empty", "models/a"):
        Path(name).mkdir(parents=True)
    Path("nut/train/good/0.png").touch()
    Path("nut/labels.csv").write_text("path,label\ntrain/good/0.png,good\n")
    Path("models/a/m.hdf5").touch()
    Path("models/.m-half.hdf5").touch()


def test_scripts_and_the_name_of_a_record():
    for name in ("train.py", "finetune.py", "test.py"):
        assert (paths.SCRIPTS / name).is_file()
    assert paths.RUN == run_folder.RUN


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_dir": Path("no")}, "no such file or folder: /.*no; expected a categ"),
        ({"input_dir": Path("empty")}, "no train/good in .*; found nothing"),
        ({"input_dir": Path("models")}, "or good beside bad, .*labels.csv; found a"),
        ({"input_dir": Path("models/a/m.hdf5")}, "m.hdf5 is a file, expected"),
        ({"resume": Path("empty")}, "empty is not a run folder of train.py: no run"),
        ({"update": Path("no"), "input_dir": Path("nut")}, "no such model file: no"),
    ],
)
def test_paths_that_training_cannot_use(options, message):
    with pytest.raises(UserError, match=message):
        paths.check_training(Namespace(**TRAINING | options))


@pytest.mark.parametrize("name", ["nut", ".", "nut/labels.csv", "nut/train"])
def test_categories_of_several_layouts_and_a_folder_of_them(name):
    paths.check_training(Namespace(**TRAINING | {"input_dir": Path(name)}))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": Path("no")}, "no such model file: no"),
        ({"path": Path("empty")}, "no model files .* in empty"),
        (
            {"path": Path("models"), "input_dir": "nut"},
            "expected a .* with -d or --c",
        ),
        ({"path": Path("models"), "category": Path("nut")}, "models is a folder of"),
        ({"input_dir": "no"}, "no such file or folder: .*expected an image or a"),
        (
            {"input_dir": "no", "watch": True},
            "--watch: expected a folder. Rec.*: no",
        ),
        ({"shots_from": Path("empty")}, "no train/good"),
    ],
)
def test_paths_that_testing_cannot_use(options, message):
    options = TESTING | {"path": Path("models/a/m.hdf5")} | options
    with pytest.raises(UserError, match=message):
        paths.check_testing(Namespace(**options))


@pytest.mark.parametrize(
    "options", [{}, {"input_dir": "nut"}, {"input_dir": "s3://a/*.png", "ray": "local"}]
)
def test_paths_that_testing_can_use(options):
    options = TESTING | {"path": Path("models/a/m.hdf5")} | options
    paths.check_testing(Namespace(**options))


def test_models_of_a_folder_without_what_is_half_written():
    assert paths.model_files(Path("models")) == [Path("models/a/m.hdf5")]
    paths.check_models(Path("models"), "")
    with pytest.raises(UsageError, match="expected a model file with -d"):
        paths.check_models(Path("models"), "-d")


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (["train.py", "-d", "no"], "no such file or folder"),
        (["train.py", "-d", "nut", "-a", "padim", "--lr", "1"], "PaDiM has no option"),
        (["finetune.py", "-p", "no"], "no such model file"),
        (["test.py", "-p", "models/a/m.hdf5", "-d", "no"], "no such file or folder"),
        (["-m", "methods.export", "-p", "no"], "no such model file"),
        (["-m", "methods.diffusion", "sample", "-p", "no"], "no such model file"),
    ],
)
def test_errors_come_before_keras_is_imported(command, line):
    """Time is for benchmarks; what takes the time is what is imported."""
    if command[0] != "-m":
        command = [str(ROOT / command[0]), *command[1:]]
    process = subprocess.run(
        [sys.executable, "-X", "importtime", *command],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert process.returncode in (1, 2)
    assert f"error: {line}" in process.stderr
    heavy = ("keras", "pandas", "rich", "matplotlib", "scipy")
    assert not [x for x in process.stderr.split("\n") if x.endswith(heavy)]
