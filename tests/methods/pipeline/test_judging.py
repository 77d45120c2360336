"""Rows of verdicts, and the tables that test.py writes of them."""

import threading
import time
from functools import partial

import numpy as np
import pandas as pd
import pytest

from methods.detector.judge import Verdict
from methods.pipeline import testing
from methods.pipeline.judging import REGIONS, region_rows, score_row, without
from methods.pipeline.testing import Options
from processing.data.image_set import ImageSet

MAP = np.arange(16.0).reshape(4, 4)
MASK = MAP % 4 < 2


@pytest.fixture
def images(tmp_path):
    return ImageSet(
        [tmp_path / "a.png", tmp_path / "b.png"],
        names=["a.png", "b.png"],
        labels=[1, -1],
        classes=["hole", "unknown"],
        image_shape=(4, 4, 1),
    )


def test_a_row_says_only_what_is_known(images):
    row = score_row(images, 0, Verdict(1.5, MAP, MAP, MASK, 0.25, True))
    assert row == {
        **{"file": "a.png", "class": "hole", "label": "defective"},
        **{"verdict": "defective", "score": 1.5, "defect_area": 8},
        **{"p_value": 0.25, "registered": True},
    }
    row = score_row(images, 1, Verdict(1.5, MAP, MAP, MASK & False, None, None))
    assert list(row) == [*("file", "class", "label", "verdict", "score", "defect_area")]
    assert (row["label"], row["verdict"], row["defect_area"]) == ("", "good", 0)


def test_a_row_for_each_region():
    mask = MASK.copy()
    mask[1] = False
    rows = region_rows("a.png", Verdict(1.5, MAP, MAP, mask, None, None))
    assert [list(row.values()) for row in rows] == [
        ["a.png", 1, 0, 0, 1, 2, 2, 0, 0.5, 1],
        ["a.png", 2, 2, 0, 4, 2, 4, 2.5, 0.5, 13],
    ]
    assert list(rows[0]) == REGIONS
    assert region_rows("a.png", Verdict(0, MAP, MAP, mask & False, None, None)) == []


def test_some_images_are_left_out(images):
    assert list(without(images, {"a.png"}).names) == ["b.png"]


def test_the_tables_of_a_test(model, samples):
    """What is called defective has regions, which make up its area."""
    path, results = model
    [judged] = testing.test(path, Options(results=results, report=False))
    scores = pd.read_csv(judged.folder / "scores.csv", float_precision="round_trip")
    assert scores.to_dict("records") == judged.rows
    regions = pd.read_csv(judged.folder / "regions.csv")
    assert list(regions.columns) == REGIONS
    areas = regions.groupby("file")["area"].sum()
    defective = scores[scores["verdict"] == "defective"].set_index("file")
    assert len(defective)
    assert areas.to_dict() == defective["defect_area"].to_dict()
    highest = regions.groupby("file")["highest"].max()
    assert (highest <= defective["score"] + 1e-5).all()
    assert (regions[["top", "left"]].to_numpy() >= 0).all()
    assert (regions[["bottom", "right"]].to_numpy() <= 64).all()


def test_one_process_at_a_time_writes_a_folder(tmp_path, monkeypatch):
    events = []

    def judge_alone(*_):
        events.append("in")
        time.sleep(0.1)
        events.append("out")

    monkeypatch.setattr(testing, "_judge_alone", judge_alone)
    judge = partial(testing._judge, tmp_path, None, None, None, None)
    threads = [threading.Thread(target=judge) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert events == ["in", "out"] * 2
