"""What the runs of a sweep import once may start nothing that a fork lacks."""

import subprocess
import sys

import pytest

from methods.engine.runtimes import ONNX
from methods.pipeline import sweeps

LOOK = """
import importlib, os, sys

for name in sys.argv[1:]:
    importlib.import_module(name)
if os.fork():
    os.wait()
    print(len(os.listdir("/proc/self/task")))
    from tensorflow.python.eager import context
    print(context._context is not None and context._context._initialized)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="runs fork on Linux alone")
def test_what_runs_share_is_imported_and_not_started():
    """TensorFlow's threads and devices begin with its context; OpenBLAS' own end."""
    modules = {*sweeps.preloaded(sweeps.TRAINING), *sweeps.preloaded(sweeps.JUDGING)}
    command = [sys.executable, "-c", LOOK, *sorted(modules)]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    assert process.stdout.split() == ["1", "False"]


def test_without_tensorflow_nothing_is_shared(monkeypatch):
    assert sweeps.preloaded(["a"], ONNX) == ["a"]
    assert sweeps.preloaded(["a"]) == [sweeps.IMPORTS_KERAS, "a"]
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert sweeps.preloaded(["a"]) == ()
