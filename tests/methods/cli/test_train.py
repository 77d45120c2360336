from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from methods.cli import train
from methods.pipeline.run_folder import INFO
from processing.files import write_json
from tests.records import training_record


@pytest.mark.parametrize(
    ("method", "options", "rest"),
    [
        ("PaDiM", [], ""),
        ("PaDiM", ["-i", "--ray", "local"], " --ray=local -i"),
        ("mine:Own", ["--seed", "3"], " -a mine:Own"),
    ],
)
def test_ctrl_c_tells_how_to_resume(monkeypatch, capsys, method, options, rest):
    run = SimpleNamespace(folder=Path("runs/a b"), alone=nullcontext)

    def train_run(*_, **__):
        raise KeyboardInterrupt

    started = run, training_record(method)
    monkeypatch.setattr(train, "check_training", lambda options: None)
    monkeypatch.setattr("methods.pipeline.training.start_run", lambda *_, **__: started)
    monkeypatch.setattr("methods.pipeline.training.train_run", train_run)
    monkeypatch.setattr(
        "methods.components.sharded_method.check_shared", lambda *_: None
    )
    assert train.main(["-d", "nut", "-a", method, *options]) == 130
    expected = f"interrupted; to go on: python3 train.py --resume 'runs/a b'{rest}\n"
    assert capsys.readouterr().err == expected


def test_a_run_that_is_finished_does_not_go_on(tmp_path):
    write_json(tmp_path / INFO, {})
    assert list(train.resuming(tmp_path, "PaDiM", None)) == []


def test_ctrl_c_before_a_run_has_begun(monkeypatch, capsys):
    def check_training(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "check_training", check_training)
    assert train.main(["-d", "a b"]) == 130
    error = capsys.readouterr().err
    assert error == "interrupted; to go on: python3 train.py -d 'a b'\n"
