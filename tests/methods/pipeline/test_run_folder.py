"""Run folders: which can be resumed, and that one process works in each."""

import multiprocessing
import subprocess
from datetime import datetime

import numpy as np
import pytest

from methods.detector.model_file import save_checkpoint
from methods.pipeline import run_folder
from methods.pipeline.run_folder import INFO, PREPARATION, TrainingRun
from processing.errors import UsageError, UserError
from processing.files import _machine, write_json
from tests.records import training_record

PARTS = ("parts", "nut", "PaDiM", "default")


def start(tmp_path):
    return TrainingRun.start(tmp_path, PARTS, training_record("PaDiM"), {})


def test_a_run_is_resumed_with_its_record(tmp_path):
    run, record = start(tmp_path)
    resumed, again = TrainingRun.resume(run.folder)
    assert (resumed.folder, again) == (run.folder, record)
    assert record.run == "/".join((*PARTS, run.folder.name))


def test_runs_of_one_second_have_names_of_their_own(tmp_path, monkeypatch):
    """Whatever folders of models they are in: their results may share one."""

    class Clock:
        now = staticmethod(lambda: datetime(2026, 2, 1))

    monkeypatch.setattr(run_folder, "datetime", Clock)
    roots = ("one", "one", "other")
    records = [start(tmp_path / root)[1] for root in roots]
    assert len({record.run for record in records}) == 3
    assert len({record.id for record in records}) == 3
    for record in records:
        assert record.run.endswith(f"/01-02-2026_00-00-00_{record.id[:8]}")
        assert record.started == datetime(2026, 2, 1)


def test_what_had_not_begun_is_not_resumed(tmp_path):
    run, _ = start(tmp_path)
    (run.folder / PREPARATION).unlink()
    with pytest.raises(UsageError, match="had not begun: start another one"):
        TrainingRun.resume(run.folder)


@pytest.mark.parametrize("part", ["..", "a/../../b", "a\\b", "", "/etc", "a\nb"])
def test_names_that_no_record_can_hold_are_refused_before_work(part, tmp_path):
    parts = (*PARTS[:3], part)
    with pytest.raises(UsageError, match="run: expected a relative path"):
        TrainingRun.start(tmp_path / "models", parts, training_record("PaDiM"), {})
    assert not list(tmp_path.iterdir())


def test_a_damaged_record(tmp_path):
    run, _ = start(tmp_path)
    (run.folder / "run.json").write_text("{")
    with pytest.raises(UserError, match="run.json is damaged"):
        TrainingRun.resume(run.folder)


@pytest.mark.parametrize("count", [0, 2])
def test_a_damaged_preparation(tmp_path, count):
    run, _ = start(tmp_path)
    save_checkpoint(run.folder / PREPARATION, {"mask": [np.eye(2)] * count}, {})
    with pytest.raises(UserError, match="preparation.h5 is damaged: mask: expected"):
        run.preparation()


def hold(folder, inside, finished):
    """Finish a run after a while."""
    run = TrainingRun(folder)
    with run.alone():
        inside.set()
        finished.wait(0.5)
        write_json(folder / INFO, {})


def test_two_processes_do_not_train_in_one_folder(tmp_path):
    """The second waits, and then finds the run finished."""
    run, _ = start(tmp_path)
    context = multiprocessing.get_context("fork")
    inside, finished = context.Event(), context.Event()
    other = context.Process(target=hold, args=(run.folder, inside, finished))
    other.start()
    inside.wait()
    with pytest.raises(UsageError, match="is finished: nothing to resume"), run.alone():
        pytest.fail("both were in the folder")
    assert (run.folder / INFO).exists()
    other.join()


def test_what_a_kill_left_in_a_run_folder_is_removed(tmp_path):
    run, _ = start(tmp_path)
    gone = subprocess.Popen(["true"])
    gone.wait()
    left = run.folder / f".checkpoint-{_machine()}-{gone.pid}-abcdefgh.h5"
    left.touch()
    with run.alone():
        assert not left.exists()
    left.touch()
    start(tmp_path)
    assert not left.exists()
