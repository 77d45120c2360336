from types import SimpleNamespace

import numpy as np
import pytest

from methods.detector.judge import Verdict
from methods.pipeline.drifting import (
    WATCHED,
    Charts,
    FolderDrift,
    counts,
    watched_score,
)
from methods.pipeline.growing_table import Table
from processing.files import read_table

GOOD = np.random.default_rng(0).random(50)


@pytest.fixture
def judge():
    decision = SimpleNamespace(threshold=GOOD.max())
    detector = SimpleNamespace(image_shape=(8, 8, 3))
    words = {"decision": decision, "detector": detector, "name": "d1"}
    return SimpleNamespace(good_scores=list(GOOD), **words)


def verdict(critical, defective=False, score=7.0):
    mask = np.full((2, 2), defective)
    return Verdict(score, mask, mask, mask, None, None, critical)


def readings(count, seed=1, **means):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        normal = {name: rng.normal(means.get(name, 0), 1) for name in WATCHED}
        yield normal | {"critical": rng.random() * GOOD.max() * means.get("share", 1)}


def row(index, reading):
    drift = {"drift": None, "size": 5, "time": "t"}
    return {"file": f"{index}.png", **reading, **drift}


def test_what_counts(judge):
    assert counts(judge, verdict(0.1))
    assert not counts(judge, verdict(0.1, defective=True))
    assert not counts(judge, verdict(GOOD.max()))  # as the image that decided
    assert counts(judge, verdict(None))
    assert watched_score(verdict(0.25)) == 0.25
    assert watched_score(verdict(None)) == 7


def test_only_what_changes_alarms_and_once(judge):
    charts = Charts(judge, 0.01)
    assert len(charts.charts["critical"].bag.values) == 49
    found = [charts.add(x, f"{i}") for i, x in enumerate(readings(300))]
    found += [charts.add(x, f"b{i}") for i, x in enumerate(readings(60, 2, contrast=3))]
    assert found[:300] == [[]] * 300
    assert [x for x in found if x] == [["contrast"]]
    assert charts.alarms == {"contrast": found.index(["contrast"]) + 1}


def test_scores_that_differ_from_those_of_validation_alarm(judge):
    charts = Charts(judge, 0.01)
    for i, reading in enumerate(readings(120, share=0.3)):
        charts.add(reading, f"{i}")
    assert charts.alarms.keys() == {"critical"}


def test_a_folder_has_its_alarms_in_a_table_once(judge, tmp_path, caplog):
    scores = Table(tmp_path / "scores.csv")
    drift = FolderDrift(judge, 0.01, scores)
    photos = [*readings(80), *readings(60, 3, brightness=3)]
    for index, reading in enumerate(photos):
        scores.add(drift.counted(row(index, reading)))
    again = FolderDrift(judge, 0.01, Table(scores.path))
    assert again.charts.logs == drift.charts.logs
    [alarm] = read_table((tmp_path / "drift.csv").read_text())
    assert (alarm["quantity"], alarm["decision"]) == ("brightness", "d1")
    assert 80 < int(alarm["photos"]) <= 140
    assert caplog.text.count("warning: drift: brightness of") == 1
    (tmp_path / "drift.csv").unlink()  # as if killed before it was written
    FolderDrift(judge, 0.01, Table(scores.path))
    assert read_table((tmp_path / "drift.csv").read_text()) == [alarm]


def test_photos_that_do_not_count_have_empty_columns(judge, tmp_path):
    drift = FolderDrift(judge, 0.01, Table(tmp_path / "scores.csv"))
    columns = drift.columns(tmp_path / "x.png", verdict(0.1, defective=True))
    assert set(columns.values()) == {None}
    assert drift.counted(columns) == columns
    assert drift.charts.count == 0
