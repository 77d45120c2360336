"""Job queues on a Ray cluster of several nodes, which are processes of this machine."""

import _thread
import re
import signal
import threading
import time
from functools import partial

import pytest

from methods.jobs import ray_tasks
from methods.jobs.queue import Task, run_queue
from processing.errors import UserError
from processing.files import locked

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.slow
PROGRAM = """
import os, sys, time
from pathlib import Path

name, seconds, code = sys.argv[1:]
folder = Path(__file__).parent
(folder / f"{name}-{os.getpid()}.begun").touch()
time.sleep(float(seconds))
if code != "0":
    sys.exit(f"error: {name} is broken")
(folder / f"{name}-{os.getpid()}.done").touch()
"""


def task(folder, name, seconds, code=0):
    """Return a run of `PROGRAM`."""
    again = partial(task, folder, name, seconds, code)
    completed = any(folder.glob(f"{name}-*.done"))
    return Task(name, [name, str(seconds), str(code)], "k", completed, again=again)


def names(folder, suffix):
    return sorted(path.name.split("-")[0] for path in folder.glob(f"*.{suffix}"))


def run(folder, tasks, address):
    script = folder / "program.py"
    script.write_text(PROGRAM)
    with locked(folder / "lock") as lock:
        return run_queue([str(script)], tasks, lock, address)


def test_a_queue_survives_a_node(nodes, tmp_path, caplog):
    """What the node was at is begun again elsewhere; nothing is done twice."""
    caplog.set_level("INFO")
    tasks = [task(tmp_path, name, 1.5) for name in "abcde"]
    tasks.append(task(tmp_path, "broken", 0, 1))
    (tmp_path / "a-0.done").touch()  # by an earlier start
    tasks[0] = task(tmp_path, "a", 1.5)
    dying = nodes.list_all_nodes()[-1]

    def kill():
        while len(names(tmp_path, "begun")) < 3:
            time.sleep(0.05)
        nodes.remove_node(dying)

    killer = threading.Thread(target=kill)
    killer.start()
    failures = run(tmp_path, tasks, nodes.address)
    killer.join()
    assert failures == [("broken", "broken is broken")]
    assert names(tmp_path, "done") == list("abcde")
    assert len(names(tmp_path, "begun")) == 6  # one of b to e twice, and the broken one
    assert "3 nodes, 3 runs at once" in caplog.text
    assert re.search("c: done in [2-9] s", caplog.text)


def test_an_interruption_ends_all_runs(nodes, tmp_path):
    # A shell lets the programs in its background ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt():
        while len(names(tmp_path, "begun")) < 2:
            time.sleep(0.05)
        _thread.interrupt_main()

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, [task(tmp_path, name, 3) for name in "ab"], nodes.address)
    signal.signal(signal.SIGINT, before)
    time.sleep(3.5)
    assert names(tmp_path, "done") == []


def twice(number):
    """Return 2 x number, that of 1 last."""
    time.sleep(0.5 if number == 1 else 0)
    if number == 3:
        raise UserError("3 is too much")
    return 2 * number


def test_results_in_order(nodes):
    at_once, results = ray_tasks.started(
        twice, [1, 2, 3, 4], nodes.address, ordered=True
    )
    assert at_once == 3
    assert list(results) == [(1, 2), (2, 4), (3, "3 is too much"), (4, 8)]


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nonsense", "ray://127.0.0.1:1"])
def test_no_such_cluster(tmp_path, address):
    with pytest.raises(UserError, match=f"--ray {address}: expected host:port of "):
        run(tmp_path, [task(tmp_path, "a", 0)], address)
