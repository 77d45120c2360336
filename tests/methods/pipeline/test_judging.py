"""Rows of verdicts, and the tables that test.py writes of them."""

import os
import threading
import time
from functools import partial

import cv2
import numpy as np
import pandas as pd
import pytest

from methods.detector.judge import Verdict
from methods.pipeline import testing
from methods.pipeline.judging import (
    NOT_JUDGED,
    NOT_JUDGED_COLUMNS,
    REGIONS,
    file_time,
    isolate_errors,
    not_judged_row,
    region_rows,
    score_row,
    without,
    write_left_out,
)
from methods.pipeline.testing import Options
from processing.data.dataset import scan_images
from processing.data.image_set import ImageSet
from processing.data.listing import LeftOut
from processing.errors import UserError
from processing.files import read_table

MAP = np.arange(16.0).reshape(4, 4)
MASK = MAP % 4 < 2
FIRST, NONE = {"decision": "first", "asked": 0.1}, {"decision": ""}


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
    row = score_row(images, 0, Verdict(1.5, MAP, MAP, MASK, 0.25, True), FIRST)
    assert row == {
        **{"file": "a.png", "class": "hole", "label": "defective"},
        **{"verdict": "defective", "score": 1.5, "defect_area": 8},
        **{"p_value": 0.25, "registered": True, "decision": "first", "asked": 0.1},
    }
    row = score_row(images, 1, Verdict(1.5, MAP, MAP, MASK & False, None, None), NONE)
    always = ("file", "class", "label", "verdict", "score", "defect_area", "decision")
    assert tuple(row) == always
    assert (row["label"], row["verdict"], row["defect_area"]) == ("", "good", 0)


@pytest.mark.parametrize("score", [np.nan, np.inf])
def test_a_score_that_is_no_number_names_its_image(images, score):
    with pytest.raises(UserError, match=r"a.png: its score is (nan|inf)"):
        score_row(images, 0, Verdict(score, MAP, MAP, MASK, None, None), NONE)


def test_errors_are_isolated():
    """A batch that fails is worked on one by one, and what fails alone is told."""
    seen = []

    def work(batch):
        seen.append(batch)
        return [1 / number for number in batch]

    def run(batch):
        results = isolate_errors(work, batch, lambda batch: [[x] for x in batch])
        return [(part, repr(result)) for part, result in results]

    assert run([1, 2]) == [([1, 2], "[1.0, 0.5]")]
    zero = "ZeroDivisionError('division by zero')"
    assert run([1, 0, 2]) == [([1], "[1.0]"), ([0], zero), ([2], "[0.5]")]
    assert run([0]) == [([0], zero)]
    assert seen == [[1, 2], [1, 0, 2], [1], [0], [2], [0]]


def test_a_line_of_what_was_not_judged(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"xyz")
    os.utime(path, ns=(0, 1_500_000_000_123_456_789))
    assert not_judged_row("a.png", UserError("it is\nred"), path.stat()) == {
        "file": "a.png",
        "reason": "it is red",
        "size": 3,
        "time": "2017-07-14T02:40:00.123456Z",
    }
    row = not_judged_row("a.png", MemoryError(), None)
    assert list(row) == NOT_JUDGED_COLUMNS
    assert (row["reason"], row["size"]) == ("MemoryError", None)
    assert file_time(10**30) == file_time(10**31)  # far beyond any clock


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


def test_what_is_left_out_is_listed(tmp_path):
    for name in ("a.png", "c.png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((8, 8), np.uint8))
    (tmp_path / "b.png").write_bytes(b"no image")
    images = scan_images(tmp_path, (8, 8, 1))
    readable = without(images, {"b.png", "c.png"})  # one has been mended since
    not_taken = [LeftOut("d\udce9.heic", "a format that is not read")]
    write_left_out(tmp_path, images, readable, not_taken)
    first, row = read_table((tmp_path / NOT_JUDGED).read_text())
    assert (first["file"], first["size"]) == (r"d\udce9.heic", "")
    assert (row["file"], row["size"]) == ("b.png", "8")
    assert "not a readable image" in row["reason"]
    write_left_out(tmp_path, images, images)
    assert not (tmp_path / NOT_JUDGED).exists()


def test_the_tables_of_a_test(model, samples, caplog):
    """What is called defective has regions, which make up its area."""
    caplog.set_level("INFO")
    path, results = model
    [judged] = testing.test(path, Options(results=results, report=False))
    assert "decision: distance_float64_max, number 1 of 20" in caplog.text
    assert {row["decision"] for row in judged.rows} == {judged.result.decision_id}
    scores = pd.read_csv(judged.folder / "scores.csv", float_precision="round_trip")
    written = scores.astype(object).where(scores.notna(), None)
    assert written.to_dict("records") == judged.rows
    regions = pd.read_csv(judged.folder / "regions.csv")
    assert list(regions.columns) == REGIONS
    areas = regions.groupby("file")["area"].sum()
    defective = scores[scores["verdict"] == "defective"].set_index("file")
    assert len(defective)
    assert areas.to_dict() == defective["defect_area"].to_dict()
    highest = regions.groupby("file")["highest"].max()
    assert (highest >= defective["score"] - 1e-5).all()  # a mean of highest values
    assert (regions[["top", "left"]].to_numpy() >= 0).all()
    assert (regions[["bottom", "right"]].to_numpy() <= 64).all()


def test_one_process_at_a_time_writes_a_folder(tmp_path, monkeypatch):
    events = []

    def judge_alone(*_):
        events.append("in")
        time.sleep(0.1)
        events.append("out")

    monkeypatch.setattr(testing, "_judge_alone", judge_alone)
    judge = partial(testing._judge, tmp_path, *[None] * 5)
    threads = [threading.Thread(target=judge) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert events == ["in", "out"] * 2
