import json

import numpy as np

from benchmarks import precisions
from methods.jobs.child_process import run as run_child


def judging(offset):
    """Return what opens a graph whose maps are the red channel and an offset."""

    def run(batch):
        maps = batch[..., 0] + offset
        return maps, maps.max(axis=(1, 2))

    return lambda graph, good: run


def test_rows_of_a_run(samples, tmp_path, monkeypatch):
    """A precision whose maps are 2 higher calls all defective, and ranks them alike."""
    run = tmp_path / "washer" / "PaDiM" / "net" / "1"
    graph = run / "kept" / "graph_openvino_distance" / "distance.xml"
    graph.parent.mkdir(parents=True)
    graph.touch()
    decided = {"best_threshold": 1.5, "best_min_area": 1}
    (run / "finetuning_result.json").write_text(json.dumps(decided))
    monkeypatch.setattr(precisions, "shape_of", lambda graph: (32, 32, 3))
    runners = {precisions.FLOAT32: judging(0), precisions.INT8: judging(2)}
    monkeypatch.setattr(precisions, "RUNNERS", runners)
    exact, coarse = precisions.measure(samples / "washer", run, 1)
    assert exact[:2] == ("PaDiM 32x32", "float32")
    assert exact[5] == coarse[5]
    images = exact[7].partition(" of ")[2]
    assert exact[6:] == ("0e+00", f"0 of {images}")
    assert coarse[7] == f"{images} of {images}"
    assert np.isclose(float(coarse[6]), 2, atol=1)


def test_it_starts_without_keras():
    code = "import sys, benchmarks.precisions; print('keras' in sys.modules)"
    assert run_child(["-c", code]).output.split() == ["False"]
