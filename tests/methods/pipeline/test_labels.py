import shutil
from types import SimpleNamespace

import pytest

from methods.detector.records import Splits
from methods.pipeline.labels import read_labels, report_labels, with_labels
from processing.data.dataset import scan_category
from processing.data.image_set import ANOMALOUS, GOOD
from processing.errors import UsageError, UserError
from tests.folders import make

FIT = [f"train/good/00{i}.png" for i in range(4)]
VALIDATION = ["train/good/004.png", "train/good/005.png"]
DRAWN = [f"test/{kind}/00{i}.png" for kind in ("dent", "good") for i in range(2)]


def write(table, rows):
    lines = [f"{path},{label}" for path, label in rows]
    table.write_text("\n".join(["path,label", *lines]))
    return table


@pytest.fixture
def decide(tmp_path):
    """Return a function that makes the images of a decision with labels of images."""
    names = ("train/good/{6}.png", "test/good/{4}.png", "test/dent/{4}.png")
    folder = make(tmp_path / "nut", *names)
    make(tmp_path / "new", "{3}.png", "hand-held.png")
    shutil.copy(folder / "test/dent/003.png", tmp_path / "new/copy.png")

    def decide(labels, good=VALIDATION, drawn=DRAWN, **splits):
        category = scan_category(folder, image_shape=(8, 8, 1))
        train, test = category.train, category.test
        table = write(tmp_path / "labels.csv", labels)
        splits = Splits(fit=FIT, validation=VALIDATION, **splits)
        found = with_labels(
            table,
            category,
            splits,
            train.subset([train.names.index(name) for name in good]),
            test.subset([test.names.index(name) for name in drawn]),
        )
        sets = found.good, found.finetuning
        kinds = [
            {kind: [n for n, x in zip(s.names, s.labels, strict=True) if x == kind]}
            for s, kind in zip((sets[1], sets[1]), (GOOD, ANOMALOUS), strict=True)
        ]
        assert (sets[0].labels == GOOD).all()
        report_labels(found.record)
        return SimpleNamespace(
            good=list(sets[0].names),
            searched_good=kinds[0][GOOD],
            defective=kinds[1][ANOMALOUS],
            record=found.record,
        )

    decide.folder = tmp_path
    return decide


def test_new_images_decide_as_they_are_labelled(decide):
    found = decide([("new/000.png", "OK"), ("new/001.png", "dent")])
    first, second = (str(decide.folder / f"new/00{i}.png") for i in range(2))
    assert found.good == [*VALIDATION, first]
    assert found.searched_good == DRAWN[2:]
    assert found.defective == [*DRAWN[:2], second]
    record = found.record
    assert (record.good, record.defective, record.corrected) == (1, 1, 0)
    assert record.path == str(decide.folder / "labels.csv")
    assert len(record.sha256) == 64
    assert str(record) == "2 labels of labels.csv"


def test_labels_of_the_data_set_are_corrected(decide):
    rows = [(DRAWN[0], "good"), ("test/good/003.png", "scratch"), (DRAWN[2], "good")]
    found = decide([(f"nut/{name}", label) for name, label in rows])
    assert found.good == VALIDATION
    assert found.searched_good == [DRAWN[3], DRAWN[0], DRAWN[2]]
    assert found.defective == [DRAWN[1], "test/good/003.png"]
    assert found.record.corrected == 2
    assert found.record.test_files == [*sorted([DRAWN[0], DRAWN[2]]), rows[1][0]]


def test_an_image_is_known_by_its_bytes_and_counts_once(decide):
    rows = [("new/copy.png", "good"), ("nut/test/dent/003.png", "good")]
    found = decide(rows)
    assert found.good == [*VALIDATION, "test/dent/003.png"]
    assert found.record.good == found.record.corrected == 1
    assert found.record.test_files == ["test/dent/003.png"]


def test_what_the_model_learned_from_does_not_decide(decide, caplog):
    caplog.set_level("INFO")
    rows = [(FIT[0], "good"), (FIT[1], "dent"), (VALIDATION[0], "dent")]
    found = decide([(f"nut/{name}", label) for name, label in rows])
    assert found.good == VALIDATION[1:]
    assert found.defective == [*DRAWN[:2], VALIDATION[0]]
    assert (found.record.good, found.record.defective) == (0, 1)
    assert found.record.learned == found.record.corrected == 2
    assert found.record.contradicted == [FIT[1], VALIDATION[0]]
    assert "2 labelled images left out, for the model learned" in caplog.text
    assert f"contradict ({FIT[1]}, {VALIDATION[0]}): train" in caplog.text


def test_with_folds_good_training_images_stay_in_their_place(decide):
    rows = [(FIT[0], "good"), (FIT[1], "dent"), ("test/good/003.png", "good")]
    rows = [(f"nut/{name}", label) for name, label in rows]
    found = decide(rows, good=[*FIT, *VALIDATION], drawn=[])
    assert found.good == [FIT[0], *FIT[2:], *VALIDATION, "test/good/003.png"]
    assert (found.record.good, found.record.learned) == (2, 1)
    assert found.defective == []


def test_defects_that_were_learned_from_and_are_good(decide):
    found = decide([(f"nut/{DRAWN[0]}", "good")], defective=[DRAWN[0]])
    assert found.record.contradicted == [DRAWN[0]]
    assert DRAWN[0] not in [*found.good, *found.searched_good, *found.defective]


def test_images_of_one_part_are_not_tested(tmp_path):
    folder = make(tmp_path, *(f"{kind}/{i}.png" for kind in "ab" for i in range(4)))
    rows = [f"{k}/{i}.png,{['good', 'dent'][i > 1]},{k}{i % 2}" for k in "ab" for i in
            range(4)]  # fmt: skip
    (folder / "all.csv").write_text("\n".join(["path,label,group", *rows]))
    category = scan_category(folder / "all.csv", image_shape=(8, 8, 1))
    table = write(folder / "labels.csv", [("b/2.png", "good")])
    test, fit = category.test, list(category.train.names)
    splits = Splits(fit=fit, validation=[])
    found = with_labels(table, category, splits, category.train, test.subset([]))
    expected = [x for x in test.names if x in ("b/0.png", "b/2.png")]
    assert found.record.test_files == expected
    assert len(expected) == 2


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("no.csv", UsageError, "columns path and label.*no.csv"),
        ("nut", UsageError, "columns path and label.*nut"),
        ("empty.csv", UserError, "names no images"),
        ("torn.csv", UserError, "good and defective: new/copy.png = nut/test/dent/003"),
        ("gone.csv", UserError, "lost.png .no such file"),
    ],
)
def test_tables_that_cannot_be_used(decide, name, error, message):
    folder = decide.folder
    write(folder / "empty.csv", [])
    both = [("new/copy.png", "good"), ("nut/test/dent/003.png", "dent")]
    write(folder / "torn.csv", both)
    write(folder / "gone.csv", [("lost.png", "good"), both[0]])
    with pytest.raises(error, match=message):
        read_labels(folder / name)
    if name == "gone.csv":
        assert len(read_labels(folder / name, skip_unreadable=True)) == 1


def test_volumes_have_no_label(tmp_path, monkeypatch):
    make(tmp_path, "scan.png")
    table = write(tmp_path / "labels.csv", [("scan.png", "good")])
    monkeypatch.setattr("methods.pipeline.labels.parts_of", lambda path: [path, path])
    with pytest.raises(UserError, match="images of one slice. Received: .*scan.png"):
        read_labels(table)
