import pytest

from methods.jobs import child_process
from methods.jobs.queue import Task, remaining, sweep
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
    """Run `PROGRAM` for tasks of name, exit code and whether it is finished."""
    script = folder / "program.py"
    script.write_text(PROGRAM)
    made = [Task(name, [name, code], "k", done) for name, code, done in tasks]
    with locked(folder / "lock") as lock:
        failures = sweep(script, made, lock)
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
    took = [("fast", 1.0), ("fast", 3.0), ("slow", 20.0)]
    assert remaining(["fast", "slow", "slow"], took) == 42
    assert remaining(["new"], took) == 8
    assert remaining([], took) == 0


def test_exit_codes_of_children(capfd):
    assert child_process.run(["-c", "print(5)"]).output == "5\n"
    with pytest.raises(child_process.ChildError, match="exit code 3: so") as caught:
        child_process.run(["-c", "import sys; print('so'); sys.exit(3)"])
    assert caught.value.reason == "so"
    with pytest.raises(KeyboardInterrupt):
        child_process.run(["-c", "import sys; sys.exit(130)"])
    assert capfd.readouterr() == ("", "")
    program = "import sys; print('out'); print('err', file=sys.stderr)"
    assert child_process.run(["-c", program], show=True).output == "err\n"
    assert capfd.readouterr() == ("out\n", "err\n")


def test_a_lock_is_held_by_a_child_after_its_parent(tmp_path):
    """A parent that is killed leaves a child: the lock is free once that ends."""
    program = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from processing.files import locked\n"
        "with locked(Path(sys.argv[1])) as lock:\n"
        "    os.set_inheritable(lock, True)\n"
        "    if os.fork():\n"
        "        os._exit(0)\n"
        "    os.close(1), os.close(2)\n"
        "    time.sleep(0.5)\n"
        "    Path(sys.argv[2]).touch()\n"
    )
    path, over = tmp_path / "lock", tmp_path / "over"
    child_process.run(["-c", program, str(path), str(over)])
    with locked(path):
        assert over.exists()
