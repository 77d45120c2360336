"""Run folders: which can be resumed, and that one process works in each."""

import multiprocessing
import subprocess

import pytest

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


def test_what_had_not_begun_is_not_resumed(tmp_path):
    run, _ = start(tmp_path)
    (run.folder / PREPARATION).unlink()
    with pytest.raises(UsageError, match="had not begun: start another one"):
        TrainingRun.resume(run.folder)


def test_a_damaged_record(tmp_path):
    run, _ = start(tmp_path)
    (run.folder / "run.json").write_text("{")
    with pytest.raises(UserError, match="run.json is damaged"):
        TrainingRun.resume(run.folder)


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
