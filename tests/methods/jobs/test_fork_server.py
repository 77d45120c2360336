"""Runs that are forks: each is alone, whatever becomes of it or of their server."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from methods.jobs import posix
from methods.jobs.child_process import ChildError
from methods.jobs.fork_server import ForkServer
from processing.files import locked

pytestmark = pytest.mark.skipif(not posix.can_fork(), reason="forks on Linux alone")
PROGRAM = """
import os, signal, sys, time
from pathlib import Path

import preloaded

what, *names = sys.argv[1:]
if __name__ == "__main__" and what == "write":
    preloaded.runs.append(what)
    seen = [__file__, os.getpid(), os.getppid(), preloaded.process, preloaded.runs]
    Path(names[0]).write_text(repr(seen))
    print("to stderr", file=sys.stderr)
elif what == "fail":
    sys.exit("warning: x\\nerror: this is broken")
elif what == "exit":
    sys.exit(int(names[0]))
elif what == "wait":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as scripts do
    try:
        Path(names[0]).write_text(str(os.getpid()))
        time.sleep(float(names[2]))
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        Path(names[1]).touch()
elif what == "die":
    os.kill(os.getpid(), signal.SIGKILL)
elif what == "orphan":
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)
"""
SWEEP = """
import signal, sys
from pathlib import Path
from methods.jobs.fork_server import ForkServer
from processing.files import locked

signal.signal(signal.SIGTERM, signal.default_int_handler)
sys.path.insert(0, {folder!r})
with locked(Path({folder!r}, "lock")) as lock:
    with ForkServer([{folder!r} + "/program.py"], ["preloaded"], [lock]) as server:
        server.run(["wait", *sys.argv[1:]])
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder with a program and a module to preload."""
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "preloaded.py").write_text("import os\nprocess, runs = os.getpid(), []")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.fixture
def server(folder):
    with ForkServer([str(folder / "program.py")], ["preloaded"], []) as server:
        yield server


def seen(server, path):
    """Return what a run sees: its file, itself, its parent, the importer, the runs."""
    server.run(["write", str(path)])
    return eval(path.read_text())


def test_runs_share_an_import_and_nothing_else(server, folder, capsys):
    first, second = (seen(server, folder / name) for name in "ab")
    file, process, parent, importer, runs = second
    assert file == str(folder / "program.py")
    assert parent == importer == first[3]
    assert len({process, first[1], parent, os.getpid()}) == 4
    assert runs == first[4] == ["write"]
    assert capsys.readouterr().err == "to stderr\nto stderr\n"


def test_a_module_is_run_as_python_runs_it(folder):
    with ForkServer(["-m", "program", "write"], ["preloaded"], []) as server:
        server.run([str(folder / "a")])
    assert eval((folder / "a").read_text())[0] == str(folder / "program.py")


def test_a_failure_a_crash_and_a_lost_server_cost_one_run_each(server, folder):
    for word, reason in (("fail", "this is broken"), ("die", "exit code -9")):
        with pytest.raises(ChildError) as failure:
            server.run([word])
        assert failure.value.reason.endswith(reason)
        importer = seen(server, folder / "a")[3]
    with pytest.raises(ChildError, match="exit code -9"):
        server.run(["orphan"])
    assert seen(server, folder / "a")[3] != importer


def test_a_run_says_its_peak_memory_and_interruption(server):
    assert server.run(["exit", "0"]).peak > 2**20
    with pytest.raises(KeyboardInterrupt):
        server.run(["exit", "130"])


def test_modules_that_cannot_be_imported_are_named(folder):
    with (
        ForkServer([str(folder / "program.py")], ["no_such_module"], []) as server,
        pytest.raises(ChildError) as failure,
    ):
        server.run(["fail"])
    assert "No module named 'no_such_module'" in failure.value.reason


def sweeping(folder, seconds):
    """Return a process with a run that waits, once it does."""
    code = textwrap.dedent(SWEEP.format(folder=str(folder)))
    names = [str(folder / name) for name in ("begun", "over")]
    process = subprocess.Popen([sys.executable, "-c", code, *names, str(seconds)])
    begun = folder / "begun"
    while not begun.exists() or not begun.read_text():
        assert process.poll() is None
        time.sleep(0.01)
    return process


def test_an_interruption_of_the_sweep_ends_its_run(folder):
    process = sweeping(folder, 60)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == -signal.SIGINT
    assert (folder / "over").exists()
    with locked(folder / "lock"):
        pass


def test_a_run_goes_on_after_its_sweep_was_killed_and_holds_its_lock(folder):
    process = sweeping(folder, 1)
    process.kill()
    process.wait()
    assert not (folder / "over").exists()
    with locked(folder / "lock"):  # waits
        assert (folder / "over").exists()


def test_memory_is_flat_over_50_runs(server, folder):
    importer = seen(server, folder / "a")[3]
    before = resident(importer)
    for _ in range(50):
        server.run(["exit", "0"])
    assert resident(importer) <= before + 256 * 1024


def resident(process):
    """Return the memory of a process in bytes."""
    with open(f"/proc/{process}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
