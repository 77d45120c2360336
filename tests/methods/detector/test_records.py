"""Records of trainings: whatever is damaged is one line that names the key."""

from dataclasses import replace
from pathlib import Path

import pytest

from methods.detector.records import CategoryRecord, Splits, TrainingRecord
from processing.errors import UsageError, UserError
from tests.records import training_record

SPLITS = Splits(fit=["a.png", "b.png"], validation=["c.png"], shots=["a.png"])
ONE = training_record(
    "fewshot",
    config={"seed": 1},
    preparation={"size": [64, 64], "channels": 3},
    splits=replace(
        SPLITS,
        defective=["d.png"],
        labels={"d.png": {"label": "dent", "split": "train", "mask": "e.png"}},
    ),
    options={"shots": 1},
    versions={"python": "3.11"},
    added=Splits(fit=["b.png"], validation=[]),
    updated_from="/old.hdf5",
    adapted_from="/other.hdf5",
    training={"seconds": 1.5},
)
CATEGORIES = {
    "bottle": CategoryRecord(folder="/mvtec/bottle", splits=SPLITS),
    "nut": CategoryRecord(folder="/mvtec/nut", splits=SPLITS),
}
SEVERAL = replace(
    ONE,
    category="",
    folder="",
    splits=Splits(fit=[], validation=[]),
    categories=CATEGORIES,
    run="mvtec/several/unified/default/01-02-2026_00-00-00",
    id="0123abcd",
)


@pytest.mark.parametrize("record", [ONE, SEVERAL, training_record("PaDiM")])
def test_a_record_is_read_as_it_was_written(record):
    content = record.to_json()
    assert TrainingRecord.from_json(content, "x") == record
    assert TrainingRecord.from_json(content, "x").to_json() == content


def test_what_one_category_does_not_have_is_not_written():
    written = training_record("PaDiM").to_json()
    assert not written.keys() & {"categories", "added", "updated_from", "adapted_from"}
    assert written["splits"].keys() == {"fit", "validation"}
    assert not SEVERAL.to_json().keys() & {"category", "folder", "splits"}


def test_keys_of_other_versions_are_kept():
    content = {**ONE.to_json(), "colour of the wall": "green"}
    assert TrainingRecord.from_json(content, "x").to_json() == content


@pytest.mark.parametrize(
    "run",
    [
        "",
        "/etc/b/c/d/01-02-2026_00-00-00",
        "../../a/b/c/01-02-2026_00-00-00",
        "a/b/../c/d/01-02-2026_00-00-00",
        "a/./b/c/01-02-2026_00-00-00",
        "a//b/c/01-02-2026_00-00-00",
        "a/b/c/d\\..\\..\\e/01-02-2026_00-00-00",
        "a/b/c/d\0/01-02-2026_00-00-00",
        "a/b/01-02-2026_00-00-00",
        "a/b/c/d/yesterday",
        "C:/b/c/d/01-02-2026_00-00-00",
        "a/D:b/c/d/01-02-2026_00-00-00",
        "a/b/c/d\ne/01-02-2026_00-00-00",
    ],
)
def test_a_run_that_leads_out_of_the_folder_of_results(run):
    with pytest.raises(UserError, match="^m.hdf5 is damaged: run: "):
        TrainingRecord.from_json({**ONE.to_json(), "run": run}, "m.hdf5")


@pytest.mark.parametrize("name", ["", "..", "a/b", "/a", "a\\b", "a\0b", "C:", "a\r"])
def test_categories_whose_names_are_paths(name):
    content = {**SEVERAL.to_json(), "categories": {name: CATEGORIES["nut"].to_json()}}
    with pytest.raises(UserError, match="^m.hdf5 is damaged: categories: "):
        TrainingRecord.from_json(content, Path("m.hdf5"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"validation": ["a.png"]}, "validation: 'a.png' is in 'fit' already"),
        ({"fit": ["a.png", "a.png"]}, "fit: 'a.png' is in 'fit' already"),
        ({"defective": ["c.png"]}, "defective: 'c.png' is in 'validation' already"),
        ({"shots": ["c.png"]}, "shots: expected images of 'fit'"),
        ({"shots": ["a.png", "a.png"]}, "shots: 'a.png' is in 'shots' already"),
        ({"labels": {"e.png": {}}}, "labels.'e.png': expected a label and a split"),
    ],
)
def test_splits_that_share_images(change, message):
    content = ONE.to_json()
    content["splits"] = {**content["splits"], **change}
    with pytest.raises(UserError, match=f"^m is damaged: {message}"):
        TrainingRecord.from_json(content, "m")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"added": {"fit": ["z.png"], "validation": []}}, "added.fit: expected images"),
        ({"training": {"seconds": -1}}, "training.seconds: expected at least 0"),
        ({"training": {"seconds": "1"}}, "training.seconds: expected a finite number"),
    ],
)
def test_values_that_do_not_go_together(change, message):
    with pytest.raises(UserError, match=f"^m is damaged: {message}"):
        TrainingRecord.from_json({**ONE.to_json(), **change}, "m")


def test_a_record_of_several_seen_as_one_of_each():
    assert ONE.views == [ONE]
    bottle, nut = SEVERAL.views
    assert nut.category == "nut"
    assert nut.folder == "/mvtec/nut"
    assert nut.splits == SPLITS
    assert nut.run == "mvtec/nut/unified/default/01-02-2026_00-00-00"
    assert nut.id == "0123abcd/nut"  # a decision for one is for no other
    assert not nut.categories
    assert bottle == SEVERAL.of_category("bottle")
    with pytest.raises(UsageError, match="one of bottle, nut. Received: none"):
        SEVERAL.of_category("")


def test_when_a_training_started():
    assert str(replace(ONE, run=f"{ONE.run}_2").started) == "2026-02-01 00:00:00"
