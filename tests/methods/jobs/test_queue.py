import pytest

from methods.jobs import child_process
from methods.jobs.queue import Task, remaining, run_queue
from processing.files import locked

PROGRAM = """
import sys
from pathlib import Path

name, code = sys.argv[1:]
with Path(__file__).with_name("ran").open("a") as file:
    file.write(name + "\\n")
if code != "0":
    sys.exit(f"warning: x\\nerror: {name} is broken")
"""


def run(folder, tasks):
    """Run `PROGRAM` for tasks of name, exit code and whether it is completed."""
    script = folder / "program.py"
    script.write_text(PROGRAM)
    queue = [
        Task(name, [name, code], "k", completed) for name, code, completed in tasks
    ]
    with locked(folder / "lock") as lock:
        failures = run_queue([str(script)], queue, lock)
    ran = folder / "ran"
    return failures, ran.read_text().split() if ran.exists() else []


def test_a_failure_does_not_stop_the_others(tmp_path, caplog):
    caplog.set_level("INFO")
    tasks = [("a", "0", False), ("b", "1", False), ("c", "1", True), ("d", "0", False)]
    failures, ran = run(tmp_path, tasks)
    assert ran == ["a", "b", "d"]
    assert failures == [("b", "b is broken")]
    assert "4 runs of program.py, 3 to do" in caplog.text
    assert "   3  c  finished" in caplog.text
    assert "run 3 of 3: d" in caplog.text
    assert "left" in caplog.text.partition("run 2 of 3")[0]
    assert "left" not in caplog.text.partition("run 3 of 3")[2]


def test_an_interruption_stops_them_all(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(child_process, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, [("a", "0", False)])


def test_time_left_is_judged_by_runs_of_the_same_kind():
    timings = [("fast", 1.0), ("fast", 3.0), ("slow", 20.0)]
    assert remaining(["fast", "slow", "slow"], timings) == 42
    assert remaining(["new"], timings) == 8
    assert remaining([], timings) == 0
