"""Child processes where there is no POSIX: simulated, for no Windows is at hand."""

import os
import subprocess
import sys

import pytest

from methods.jobs import child_process, posix
from methods.jobs.queue import Task, run_queue
from processing.files import locked


@pytest.fixture
def windows(monkeypatch):
    """Take away what Windows lacks, and refuse what its Popen does."""

    class Popen(subprocess.Popen):
        def __init__(self, *arguments, pass_fds=(), preexec_fn=None, **options):
            if pass_fds or preexec_fn:
                raise ValueError("not supported on Windows platforms")
            super().__init__(*arguments, **options)

    monkeypatch.setattr(subprocess, "Popen", Popen)
    monkeypatch.setattr(sys, "platform", "win32")
    for name in ("wait4", "waitstatus_to_exitcode", "fork"):
        monkeypatch.delattr(os, name)


def test_a_child_without_posix(windows):
    done = child_process.run(["-c", "print(5)"], keep=[0], mortal=True)
    assert (done.output.split(), done.peak) == (["5"], 0)
    with pytest.raises(child_process.ChildError, match="exit code 3"):
        child_process.run(["-c", "raise SystemExit(3)"])
    with pytest.raises(KeyboardInterrupt):
        child_process.run(["-c", "raise SystemExit(130)"])


def test_a_queue_without_posix(windows, tmp_path):
    script = tmp_path / "program.py"
    script.write_text("import sys\nsys.exit(sys.argv[1])")
    tasks = [Task("a", [""]), Task("b", ["error: b is broken"])]
    with locked(tmp_path / "lock") as lock:
        failures = run_queue([str(script)], tasks, lock)
    assert ("b", "b is broken") in failures


def test_memory_is_known_with_posix():
    assert child_process.run(["-c", "print(5)"]).peak > 2**20


@pytest.mark.parametrize("without", ["platform", "wait4"])
def test_where_it_is_posix(monkeypatch, without):
    assert posix.is_posix()
    if without == "platform":
        monkeypatch.setattr(sys, "platform", "win32")
    else:
        monkeypatch.delattr(os, "wait4")
    assert not posix.is_posix()
