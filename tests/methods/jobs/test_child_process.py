import time

import pytest

from methods.jobs import child_process
from processing.files import locked


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


def test_an_interrupted_parent_ends_its_child(monkeypatch, tmp_path):
    """A signal to the parent alone would leave a run that nobody sees."""
    path = tmp_path / "lock"
    program = "import sys, time\nfrom pathlib import Path\n"
    program += "from processing.files import locked\n"
    program += "with locked(Path(sys.argv[1])): time.sleep(60)\n"

    def wait(*_):
        while not path.exists():
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr("os.wait4", wait)
    with pytest.raises(KeyboardInterrupt):
        child_process.run(["-c", program, str(path)])
    with locked(path):
        pass


def test_lines_of_a_child_are_heard_as_they_come():
    lines, processes = [], []
    program = "import sys; print('a'); print('b', file=sys.stderr, flush=True)"
    child_process.follow(["-c", program], lines.append, processes.append)
    assert sorted(lines) == ["a", "b"]
    assert processes[0].returncode == 0
    failing = "print('begun'); print('error: no room'); raise SystemExit(3)"
    with pytest.raises(child_process.ChildError, match="exit code 3") as error:
        child_process.follow(["-c", failing], lines.append, processes.append)
    assert error.value.reason == "no room"
