"""Sweeps as a user runs them; the runs take place in this process, to be quick."""

import csv
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

import finetune
import test as script
import train

pytestmark = pytest.mark.usefixtures("eager_file")
ROOT = Path(__file__).parent.parent
CONFIG = """
size: 64
weights: random
levels: stage2
PaDiM:
  - features: 3
  - {features: 5, mask: "0,0,9,9"}
fewshot:
  shots: 2
"""


@pytest.fixture
def work(samples, tmp_path, monkeypatch):
    """Return a working folder with a data set of two categories and a config file."""
    monkeypatch.chdir(tmp_path)
    for name in ("nut", "ring"):
        (tmp_path / "parts").mkdir(exist_ok=True)
        (tmp_path / "parts" / name).symlink_to(samples / "washer")
    (tmp_path / "all.yaml").write_text(CONFIG)
    return tmp_path


TRAIN = ["-d", "parts", "-a", "padim,fewshot", "--config", "all.yaml"]


def records():
    """Return the records of all completed runs."""
    return [json.loads(path.read_text()) for path in Path().rglob("info.json")]


def summary_rows():
    """Return the rows of summary.csv."""
    return list(csv.DictReader(Path("results/summary.csv").read_text().splitlines()))


def test_a_sweep_from_training_to_summary(work, ran, capsys):
    assert train.main(TRAIN) == 0
    trained = [(x["category"], x["method"], x["options"]) for x in records()]
    assert len(trained) == 6
    common = {"size": [64, 64], "weights": "random", "levels": "stage2"}
    for category in ("nut", "ring"):
        for method, settings in (
            ("PaDiM", {"features": 3}),
            ("PaDiM", {"features": 5, "mask": "0,0,9,9"}),
            ("fewshot", {"shots": 2}),
        ):
            assert (category, method, common | settings) in trained
    printed = capsys.readouterr().out
    assert "6 runs of train.py, 6 to do" in printed
    assert "run 6 of 6: parts/ring fewshot size=[64, 64]" in printed
    assert "about 5 s left" in printed

    assert finetune.main(["-p", "saved_models"]) == 0
    assert script.main(["-p", "saved_models", "--no-report"]) == 0
    rows = summary_rows()
    assert len(rows) == 6
    for row in rows:
        assert 0 <= float(row["finetuning_score"]) <= 1
        assert float(row["training_seconds"]) > 0
    page = Path("results/summary.html").read_text()
    assert page.count('<th scope="row">parts/nut</th>') == 4  # once as the best

    assert len(ran) == 18
    for main, options in (
        (train.main, TRAIN),
        (finetune.main, ["-p", "saved_models"]),
        (script.main, ["-p", "saved_models", "--no-report"]),
    ):
        assert main(options) == 0
    assert len(ran) == 18  # all of it was finished
    assert summary_rows() == rows
    one = ["-p", "saved_models/parts/nut/fewshot", "-t", "uint8"]
    assert finetune.main(one) == 0
    both = ["--no-report", "--decision", "all"]
    assert script.main(["-p", "saved_models", *both]) == 0
    assert len(ran) == 20
    assert len(summary_rows()) == 7
    assert script.main(["-p", "saved_models", "--no-report"]) == 0
    assert len(ran) == 20  # the ones in force are among them
    assert len(summary_rows()) == 6


@pytest.mark.nightly
@pytest.mark.usefixtures("short_epochs")
def test_unified_learns_the_categories_of_a_sweep_in_one_model(work, ran):
    sweep = [*TRAIN[:2], "-a", "fewshot,unified", "--config", "all.yaml", "--shots=2"]
    for _ in range(2):  # the second time all of it is finished
        assert train.main([*sweep, "--epochs", "1"]) == 0
        assert finetune.main(["-p", "saved_models"]) == 0
        assert script.main(["-p", "saved_models", "--no-report"]) == 0
    assert [Path(name).stem for name, _ in ran] == [
        *["train"] * 3,
        *["finetune"] * 3,
        *["test"] * 3,
    ]
    rows = [(row["category"], row["method"]) for row in summary_rows()]
    assert sorted(rows) == [
        (category, method)
        for category in ("nut", "ring")
        for method in ("fewshot", "unified")
    ]


def test_failures_are_named_at_the_end(work, ran, capsys):
    Path("parts/empty/train/good").mkdir(parents=True)
    options = ["-d", "parts", "-a", "fewshot", "--config", "all.yaml"]
    assert train.main(options) == 1
    assert len(records()) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: runs that failed: 1: parts/empty fewshot ")
    assert "no images in" in error
    (Path("saved_models") / "broken.hdf5").write_bytes(b"x")
    assert finetune.main(["-p", "saved_models"]) == 1
    assert "failed: 1: saved_models/broken.hdf5: " in capsys.readouterr().err
    assert len(list(Path().rglob("finetuning_result.json"))) == 2


def test_an_interrupted_run_goes_on(work, ran, monkeypatch, capsys):
    from methods.pipeline import training

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training, "save_model", interrupted)
        assert train.main(TRAIN) == 130
    [begun] = Path("saved_models").rglob("run.json")
    half = begun.parent.with_name("half")
    half.mkdir()
    (half / "run.json").write_bytes(begun.read_bytes())  # killed at once
    assert train.main(TRAIN) == 0
    assert "features=3  goes on" in capsys.readouterr().out
    assert (begun.parent / "info.json").exists()
    assert not (half / "info.json").exists()
    assert len(records()) == 6


def test_a_model_of_a_kind_with_other_options_is_trained(work, ran):
    options = ["-d", "parts", "-a", "padim", "--size", "64", "--weights", "random"]
    options += ["--levels", "stage2"]
    assert train.main([*options, "--features", "3"]) == 0
    assert train.main([*options, "--features", "4"]) == 0
    assert len(records()) == len(ran) == 4


def test_a_single_run_takes_its_section_and_the_command_line_wins(work):
    options = ["-d", "parts/nut", "-a", "fewshot", "--config", "all.yaml"]
    assert train.main(options) == 0
    assert train.main([*options, "--shots", "1"]) == 0
    shots = sorted(record["options"]["shots"] for record in records())
    assert shots == [1, 2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "fewshot: {shoots: 2}",
            "fewshot: unknown option 'shoots'; did you mean shots",
        ),
        ("fewshot: 3", "fewshot: expected lines of `option: value`"),
        ("fewshoot: {shots: 2}", "unknown option 'fewshoot'"),
    ],
)
def test_mistakes_in_sections(work, content, message, capsys):
    Path("all.yaml").write_text(content)
    with pytest.raises(SystemExit) as stop:
        train.main(TRAIN)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err.strip().splitlines()[-1]


def test_an_option_that_one_method_lacks_is_told_before_any_run(work, capsys):
    assert train.main([*TRAIN[:3], "padim,mvtecCAE", "--batch", "4"]) == 2
    assert capsys.readouterr().err == "error: PaDiM has no option --batch\n"
    assert not Path("saved_models").exists()


DECISION = r"\b[0-9a-f]{12}\b"  # its random id, in tables
ONE = ["-a", "padim", "--size", "32", "--weights", "random", "--levels", "stage2"]
ONE += ["--features", "3"]


def learned():
    """Return the model of a sweep's second run, and that of such a run alone.

    The processes are real ones.
    """
    assert train.main(["-d", "parts", *ONE]) == 0
    assert train.main(["-d", "parts/ring", *ONE, "--models", "alone"]) == 0
    [together] = Path("saved_models/parts/ring").rglob("*.hdf5")
    [alone] = Path("alone").rglob("*.hdf5")
    return together, alone


@pytest.mark.nightly
def test_runs_that_share_an_import_learn_as_runs_alone(work, capfd):
    together, alone = learned()
    assert capfd.readouterr().out.count("model: ") == 3
    assert arrays(together) == arrays(alone)


@pytest.mark.nightly
def test_runs_that_share_an_import_judge_as_runs_alone(work):
    _, alone = learned()
    results = {}
    for model, root in (("saved_models", "results"), (alone, "other")):
        path = ["-p", str(model), "--results", root]
        assert finetune.main(path) == 0
        assert script.main([*path, "--no-report"]) == 0
        folder = Path(root, "parts/ring")
        results[root] = [
            re.sub(DECISION, "", next(folder.rglob(name)).read_text())
            for name in ("scores.csv", "regions.csv", "classification.txt")
        ]
    assert results["results"] == results["other"]


@pytest.mark.nightly
def test_a_cluster_finetunes_and_tests_in_a_runtime(work):
    pytest.importorskip("ray")
    pytest.importorskip("tf2onnx")
    assert train.main(["-d", "parts", *ONE]) == 0
    on_nodes = ["-p", "saved_models", "--runtime", "onnx", "--ray", "local"]
    assert finetune.main(on_nodes) == 0
    assert script.main(on_nodes) == 0
    results = [json.loads(x.read_text()) for x in Path().rglob("test_result.json")]
    assert [result["options"]["runtime"] for result in results] == ["onnx"] * 2


def arrays(path):
    """Return the arrays of a model file as bytes, by name."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: (
                isinstance(item, h5py.Dataset)
                and found.update({name: np.asarray(item[()]).tobytes()})
            )
        )
    return found


@pytest.mark.nightly
def test_killed_twice_and_started_again(work):
    """The processes are real ones; the second start waits for what the first left."""
    options = [*TRAIN[:2], "-a", "padim", "--size", "32", "--weights", "random"]
    options += ["--levels", "stage2", "--features", "3"]
    command = [sys.executable, str(ROOT / "train.py"), *options]
    for written in ("run.json", "info.json"):  # once a run has begun, once one is over
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while not any(Path().rglob(written)) and process.poll() is None:
            time.sleep(0.05)
        process.kill()
        process.wait()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    process = subprocess.run(command, check=True, env=environment, **quiet)
    assert not process.stderr  # of TensorFlow, which finds no GPU
    assert sorted(record["category"] for record in records()) == ["nut", "ring"]
