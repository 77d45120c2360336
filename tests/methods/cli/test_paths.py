import json
import re
import subprocess
import sys
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

from methods.cli import export, finetune, paths, train
from methods.cli import test as testing
from methods.detector.model_file import FORMAT, FORMAT_VERSION
from methods.detector.records import CategoryRecord, Splits
from processing.errors import UsageError
from processing.files import write_json
from tests.records import finetuning_result, training_record

ROOT = Path(__file__).parents[3]
MAINS = {"train": train.main, "finetune": finetune.main, "test": testing.main}
MAINS["export"] = export.main
SPLITS = Splits(
    fit=["train/good/0.png", "train/good/1.png"], validation=["train/good/2.png"]
)


def write_image(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((8, 8), 200, np.uint8))


def write_record(path, method, **changes):
    """Write a model file as far as it is read before Keras is imported."""
    known = {"folder": str(Path("nut").absolute()), "splits": SPLITS}
    known["preparation"] = {"size": [32, 32]}
    run = f"parts/nut/{method}/a/01-02-2026_00-00-00"
    record = training_record(method, **{"run": run, **known, **changes})
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs.update({"format": FORMAT, "format_version": FORMAT_VERSION})
        file.attrs["record"] = json.dumps(record.to_json())
    return record


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Make a category, models and a decision; importing Keras is a failure."""
    monkeypatch.chdir(tmp_path)
    for name in ("empty", ".bad/bare/train/good", ".bad/lone/train/good"):
        Path(name).mkdir(parents=True)
    for index in range(3):
        write_image(Path(f"nut/train/good/{index}.png"))
    write_image(Path(".bad/lone/train/good/0.png"))
    write_record(Path("models/a/m.hdf5"), "mvtecCAE")
    write_record(Path("padim.hdf5"), "PaDiM")
    several = CategoryRecord(folder=str(tmp_path / "nut"), splits=SPLITS)
    write_record(Path("many.hdf5"), "unified", category="", categories={"nut": several})
    pair = {"nut": several, "bolt": several}
    write_record(Path("pair.hdf5"), "unified", category="", categories=pair)
    Path("models/.m-half.hdf5").touch()
    Path("text.hdf5").write_text("no model")
    write_image(Path(".bad/bolt/test/good/0.png"))
    write_image(Path(".bad/bolt/train/good/0.png"))
    write_record(
        Path("shown.hdf5"), "fewshot", folder=str(Path(".bad/bolt").absolute())
    )
    write_record(Path("shots.hdf5"), "fewshot", config={"shots": 3})
    ranged = {"size": [32, 32], "span": [0, 9]}
    write_record(
        Path("ranged.hdf5"), "fewshot", config={"shots": 3}, preparation=ranged
    )
    write_record(Path("gan.hdf5"), "AnoGAN")
    write_record(Path("ddad.hdf5"), "DDAD")
    write_record(Path("lost.hdf5"), "lost:Own")
    Path("mine.py").write_text(
        "import keras\nfrom methods.padim.padim import PaDiM\n\n\n"
        "class Own(PaDiM):\n    pass\n"
    )
    Path("folder.onnx").mkdir()
    for method in ("PaDiM", "fewshot"):
        decided = Path(f"results/parts/nut/{method}/a/01-02-2026_00-00-00/finetuning/x")
        result = finetuning_result(kind="distance").to_json()
        write_json(decided / "finetuning_result.json", result)

    def late(*_):
        raise AssertionError("too late")

    for work in (
        "engine.backend.load_backend",
        "pipeline.finetuning.finetune",
        "pipeline.testing.test",
        "pipeline.sweeps.over_models",
    ):
        monkeypatch.setattr(f"methods.{work}", late)
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")


def refused(capsys, words):
    """Return exit code and message of a command line that is refused at once."""
    script, *arguments = words.split()
    try:
        code = MAINS[script](arguments)
    except SystemExit as stop:  # of argparse
        code = stop.code
    [line] = capsys.readouterr().err.splitlines()
    return code, line


TRAINING = {
    "-d no": (2, "no such file or folder: /.*no; expected a categ"),
    "-d empty": (1, "no train/good in .*; found nothing"),
    "-d padim.hdf5": (2, "padim.hdf5 is a file, expected"),
    "-d .bad/bare": (1, "no images in .*train/good"),
    "-d .bad/lone": (1, "needs at least 2 good images.*Received: 1"),
    "-d nut -a cnn": (1, "CNN is supervised and needs defective images"),
    "-d nut -a fewshot": (1, "--shots 4 needs as many .*Received: 2"),
    "-d nut -a padim --lr 1": (2, "PaDiM has no option --lr"),
    "-d nut -a padim --weights no": (1, "no such weights: no"),
    "-d nut -a padim --mask no.png": (2, "--mask: expected .*Received: no.png"),
    "-d nut -a padim --register orb --reference no": (
        2,
        "--reference: no: not a readable",
    ),
    "-d nut -a ae --ray local": (2, "--ray: AE trains on one machine"),
    "-d nut --models text.hdf5/x": (1, "cannot write to text.hdf5/x"),
    "-d . -a unified -i": (2, "-i is for a run of one category"),
    "-d . -a unified --mask foreground": (2, "--register and --mask are learned"),
    "-d . -a padim,ae --size 100": (2, "efficientnet_lite0 takes images with sides"),
    "-d nut -a padimm": (2, "unknown name 'padimm': did you mean PaDiM"),
    "-d nut --devices 2": (2, "--devices: Keras shares batches with JAX alone"),
    "-a padim": (2, "the following arguments are required: -d"),
    "-d nut -a mine:Own --shots 3": (2, "mine:Own has no option --shots"),
    "-d nut -a mine:Other": (2, "mine:Other: expected a class in .*mine.py. Fo"),
    "-d nut -a lost:Own": (2, "cannot import the method lost:Own: no module lost"),
    "-d nut -a padim,mine:Own --shots 3": (2, "PaDiM has no option --shots"),
    "-d . -a mine:Own,mine:Other": (2, "mine:Other: expected a class in"),
    "--resume empty": (2, "empty is not a run folder of train.py: no run"),
    "-d nut -a patchcore --known-defects 1": (1, "--known-defects needs images of def"),
    "-d nut -a patchcore --known-defects 1 --tile 64": (
        2,
        "whole images: leave out --t",
    ),
    "--update padim.hdf5 -d nut --known-defects 1": (
        2,
        "PaDiM has no option --known-d",
    ),
    "--resume empty --labels t.csv": (2, "--labels is for one new run"),
    "-d nut -a padim,ae --labels t.csv": (2, "--labels is for one new run"),
    "-d nut --labels t.csv": (1, "cannot read the table t.csv: .*No such file"),
    "--update padim.hdf5 --labels t.csv": (1, "cannot read the table t.csv: .*No such"),
    "--update padim.hdf5": (2, "the following arguments are required: -d"),
    "--update no -d nut": (1, "no such model file: no"),
    "--update text.hdf5 -d nut": (1, "cannot read the model file .*no"),
    "--update models/a/m.hdf5 -d nut": (2, "mvtecCAE cannot take in images later"),
    "--update padim.hdf5 -d empty": (1, "no images in"),
}
FINETUNING = {
    "-p no": (1, "no such model file: no"),
    "-p text.hdf5": (1, "cannot read the model file text.hdf5: it is not an HDF5"),
    "-p models -d nut": (2, "models is a folder of models.* with -d"),
    "-p empty": (1, "no model files"),
    "-p padim.hdf5 -d empty": (1, "no train/good in"),
    "-p padim.hdf5 -m ssim": (2, "PaDiM has no ssim maps, expected one of distance"),
    "-p padim.hdf5 --legacy": (2, "--legacy is for autoencoders. Received: a PaDiM"),
    "-p padim.hdf5 --ray local": (2, "--ray goes with several runs"),
    "-p padim.hdf5 --results text.hdf5": (1, "cannot write to text.hdf5.*: Not a dir"),
    "-p padim.hdf5 --calibrate max --min-area 1025": (2, "at most the 1024 pixels"),
    "-p padim.hdf5 --calibrate quantile --quantile 2": (2, "a number between 0 and 1"),
    "-p padim.hdf5 -d .bad/lone": (1, "1 of the images .* are gone"),
    "-p many.hdf5 -d bolt": (2, "the model knows several .*nut. Received: bolt"),
    "-p padim.hdf5 --name a/b": (2, "--name: expected up to 100 letters.*Rec.*: a/b"),
    "-p padim.hdf5 --name all": (2, "and not all. Received: all"),
    "-p padim.hdf5 --use y": (1, "no such decision .*one of x. Received: y"),
    "-p models --list": (2, "models is a folder of models.* with --list"),
    "-p models --use x": (2, "models is a folder of models.* with --use"),
    "-p models/a/m.hdf5 --list": (1, "no finetuning result in .*run finetune"),
    "-p padim.hdf5 --list --use x": (2, "expected one of --list, --use"),
    "-p padim.hdf5 --use x --goal balanced": (2, "expected one of --goal, --use"),
    "-p padim.hdf5 --list --name y": (2, "for a new decision: expected none of them"),
    "-p padim.hdf5 --use x --folds 2": (2, "for a new decision: expected none of them"),
    "-p padim.hdf5 --replace": (2, "--replace goes with --name"),
    "-p padim.hdf5 --name x": (2, "--name: there is another .* --replace. Rec.*: x, e"),
    "-p padim.hdf5 --use x -t uint8": (1, "no finetuning result in .*run finetune"),
    "-p padim.hdf5 --list -m l2": (1, "no finetuning result in .*run finetune"),
    "-p padim.hdf5 --sigmas 2": (2, "--sigmas goes with --calibrate ksigma"),
    "-p padim.hdf5 --labels no.csv": (2, "columns path and label.*Received: no.csv"),
    "-p models --labels no.csv": (2, "models is a folder of models.* with --labels"),
}
TESTING = {
    "-p no": (1, "no such model file: no"),
    "-p empty": (1, "no model files .* in empty"),
    "-p models -d nut": (2, "expected a model file with -d or --category"),
    "-p models --category nut": (2, "models is a folder of"),
    "-p padim.hdf5 -d no": (2, "no such file or folder: .*expected an image or a"),
    "-p padim.hdf5 -d empty": (1, "no images in"),
    "-p padim.hdf5 -d no --watch": (2, "--watch: expected a folder. Rec.*: no"),
    "-p padim.hdf5 --watch": (2, "--watch needs -d FOLDER"),
    "-p padim.hdf5 -d nut --drift .1": (2, "--drift goes with --watch"),
    "-p padim.hdf5 -d nut --watch --drift 1": (2, "--drift: expected .*at most 0.5"),
    "-p padim.hdf5": (1, "no test images in .*nut; -d FOLDER judges"),
    "-p padim.hdf5 --ray local": (2, "--ray goes with several runs"),
    "-p padim.hdf5 -d nut -m ssim": (1, "no finetuning result in .*run finetune"),
    "-p models/a/m.hdf5 -d nut": (1, "no finetuning result in .*run finetune"),
    "-p padim.hdf5 -d nut --results text.hdf5": (1, "no finetuning result in text"),
    "-p shown.hdf5": (1, "all 1 test images were used for finetuning: expected more"),
    "-p shown.hdf5 --decision y": (1, "no such decision .*one of x. Received: y"),
    "-p padim.hdf5 -d nut --decision y": (1, "no such decision .*x. Received: y"),
    "-p padim.hdf5 -d nut --watch --decision y": (1, "no such decision"),
    "-p padim.hdf5 -d s3://a/*.png --ray local --decision y": (1, "no such decision"),
    "-p padim.hdf5 -d nut --decision all": (2, "--decision all is for the test images"),
    "-p shots.hdf5 --shots-from nut --decision x": (2, "expected no --decision"),
    "-p padim.hdf5 --shots-from empty": (1, "no train/good"),
    "-p padim.hdf5 --shots-from nut": (2, "--shots-from: PaDiM remembers no shots"),
    "-p many.hdf5 -d nut --category bolt": (2, "knows several .*Received: bolt"),
    "-p shown.hdf5 --shots-from nut": (1, "--shots 4 needs as many .*Received: 3"),
    "-p ranged.hdf5 --shots-from nut": (1, "nut/train/good: .* --range .*Received: 3"),
    "-p lost.hdf5 -a lost:Own": (2, "cannot import .* lost:Own: no module lost"),
}
EXPORTING = {
    "-p no": (1, "no such model file: no"),
    "-p padim.hdf5 -f xml": (2, "argument -f/--format: invalid choice: 'xml'"),
    "-p padim.hdf5 -o x.pb": (2, "expected a name that ends in .onnx. Received: x.pb"),
    "-p padim.hdf5 -f litert -o x.onnx": (2, "ends in .tflite. Received: x.onnx"),
    "-p padim.hdf5 -o folder.onnx": (2, "folder.onnx exists: expected another --outp"),
    "-p padim.hdf5 -o text.hdf5/x.onnx": (1, "cannot write to text.hdf5: Not a dir"),
    "-p padim.hdf5 -o text.hdf5/a/x.onnx": (1, "cannot write to text.hdf5/a"),
    "-p gan.hdf5": (1, "AnoGAN has no graph .*Received: its l1 maps"),
    "-p ddad.hdf5": (1, "DDAD has no graph .*Received: its standard maps"),
    "-p many.hdf5 --category bolt": (2, "knows several .*Received: bolt"),
    "-p padim.hdf5 --decision y": (1, "no such decision .*one of x. Received: y"),
    "-p padim.hdf5 --decision all": (2, "--decision all is for test.py"),
}


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (f"{script} {words}", *expected)
        for script, cases in (
            ("train", TRAINING),
            ("finetune", FINETUNING),
            ("test", TESTING),
            ("export", EXPORTING),
        )
        for words, expected in cases.items()
    ],
)
def test_what_is_refused_before_keras_is_imported(capsys, words, code, message):
    received, line = refused(capsys, words)
    assert line.startswith("error: ")
    assert re.search(message, line), line
    assert received == code


@pytest.mark.parametrize(
    "words",
    [
        "train -d nut -a padim",
        "train -d . -a padim,ae",
        "train -d . -a unified --shots 2",
        "train -d nut -a mine:Own --features 3 --size 64 --color rgb",
        "train --update padim.hdf5 -d nut",
        "finetune -p padim.hdf5",
        "finetune -p many.hdf5 -d nut",
        "finetune -p models",
        "finetune -p padim.hdf5 --name strict",
        "finetune -p padim.hdf5 --name x --replace",
        "test -p padim.hdf5 -d nut --decision x",
        "test -p padim.hdf5 -d nut",
        "test -p padim.hdf5 -d s3://a/*.png --ray local",
        "test -p models",
        "test -p shots.hdf5 --shots-from nut",
        "export -p padim.hdf5 -o new/x.onnx",
        "export -p many.hdf5 --category nut",
    ],
)
def test_what_is_not(capsys, words):
    assert refused(capsys, words) == (
        1,
        "error: AssertionError: too late (--debug shows where)",
    )


def test_decisions_are_listed_and_used_without_keras(capsys):
    assert finetune.main(["-p", "padim.hdf5", "--use", "x"]) == 0
    assert "in force: x, earlier-" in capsys.readouterr().out
    command = [str(ROOT / "finetune.py"), "-p", "padim.hdf5", "--list"]
    process = subprocess.run(
        [sys.executable, "-X", "importtime", *command],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0
    assert "\nx (in force)\n" in process.stdout
    heavy = ("keras", "tensorflow", "pandas", "matplotlib", "scipy", "numba")
    assert not [x for x in process.stderr.split("\n") if x.endswith(heavy)]


def test_a_backend_that_is_not_there(capsys, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "theano")
    code, line = refused(capsys, "train -d nut")
    assert code == 2
    assert line.endswith("that is installed. Received: theano")


def test_a_package_that_an_export_needs(capsys, monkeypatch):
    known = {"litert": ("no_such_package",)}
    monkeypatch.setattr("methods.engine.runtimes.PACKAGES", known)
    code, line = refused(capsys, "export -p padim.hdf5 -f litert")
    assert code == 1
    assert "litert needs the package no_such_package: pip install" in line


def test_an_export_that_needs_a_newer_keras(capsys, monkeypatch):
    monkeypatch.setattr("importlib.metadata.version", {"keras": "3.12.4"}.get)
    monkeypatch.setattr("methods.engine.runtimes.PACKAGES", {"litert": ()})
    code, line = refused(capsys, "export -p padim.hdf5 -f litert")
    assert code == 1
    assert line.endswith(
        "needs Keras 3.13 or newer, and so Python 3.11. Received: Keras 3.12.4"
    )


def test_an_export_of_legacy_maps(capsys):
    run = Path("results/parts/nut/mvtecCAE/a/01-02-2026_00-00-00/finetuning/x")
    result = finetuning_result(kind="legacy-ssim").to_json()
    write_json(run / "finetuning_result.json", result)
    code, line = refused(capsys, "export -p models/a/m.hdf5")
    assert code == 1
    assert line.endswith("Received: its legacy-ssim maps")


def test_scripts():
    for name in ("train.py", "finetune.py", "test.py"):
        assert (paths.SCRIPTS / name).is_file()


def test_models_of_a_folder_without_what_is_half_written():
    assert paths.model_files(Path("models")) == [Path("models/a/m.hdf5")]
    paths.check_models(Path("models"), "")
    with pytest.raises(UsageError, match="expected a model file with -d"):
        paths.check_models(Path("models"), "-d")


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (["train.py", "-d", "nut", "-a", "padim", "--size", "100"], "efficientnet"),
        (["finetune.py", "-p", "padim.hdf5", "-m", "ssim"], "PaDiM has no ssim maps"),
        (["test.py", "-p", "models/a/m.hdf5", "-d", "nut"], "no finetuning result"),
        (["-m", "methods.export", "-p", "no"], "no such model file"),
        (["-m", "methods.export", "-p", "padim.hdf5", "-o", "x"], "expected a name"),
        (["-m", "methods.export", "-p", "gan.hdf5"], "AnoGAN has no graph"),
        (["test.py", "-p", "shown.hdf5", "--shots-from", "nut"], "--shots 4 needs"),
        (["train.py", "-d", "nut", "-a", "mine:Own", "--shots", "3"], "mine:Own has"),
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
    heavy = ("keras", "tensorflow", "pandas", "rich", "matplotlib", "scipy", "numba")
    assert not [x for x in process.stderr.split("\n") if x.endswith(heavy)]


@pytest.mark.parametrize("name", ["nut", ".", "nut/labels.csv", "nut/train"])
def test_categories_of_several_layouts_and_a_folder_of_them(name):
    table = "path,label\n" + "".join(f"train/good/{i}.png,good\n" for i in range(3))
    Path("nut/labels.csv").write_text(table)
    method = "unified" if name == "." else "ae"
    arguments = ["-d", name, "-a", method, *(["--shots", "1"] if name == "." else [])]
    options = train.build_parser().parse_args(arguments)
    paths.check_training(options)
