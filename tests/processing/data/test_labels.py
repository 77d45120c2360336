import logging
import shutil
from pathlib import Path

import pytest

from processing.data.dataset import scan_category
from processing.data.labels import labels_of, relabelled, report_labels
from processing.data.scan import scan
from processing.errors import UserError
from tests.folders import make

NAMES = ("train/good/{4}.png", "test/good/9.png", "test/dent/{2}.png")


@pytest.fixture
def category(tmp_path):
    return make(tmp_path / "set", *NAMES)


def table(folder, *rows):
    path = folder / "table.csv"
    path.write_text("\n".join(["path,label,mask,split", *rows]))
    return path


def parts(category, labels):
    """Return the names of the images to train on, to test with, and beside them."""
    found = scan_category(category, image_shape=(8, 8, 1), labels=labels)
    return found.train.names, found.test.names, found.defective.names


def test_good_images_join_the_training_and_others_leave_it(category, tmp_path, caplog):
    make(tmp_path, "more/new.png", "more/old.png")
    rows = "set/test/dent/000.png,ok,,", "set/train/good/001.png,crack,,"
    rows += "more/new.png,good,,", "more/old.png,dent,,", "set/test/dent/001.png,hole,,"
    found = scan(category)
    labels = labels_of(table(tmp_path, *rows), found)
    new = str(tmp_path / "more/new.png")
    assert labels == {
        "test/dent/000.png": {"label": "good", "split": "train"},
        "train/good/001.png": {"label": "crack", "split": "train"},
        new: {"label": "good", "split": "train"},
        "test/dent/001.png": {"label": "hole", "split": "test"},
    }
    train, test, beside = parts(category, labels)
    good = [f"train/good/00{i}.png" for i in (0, 2, 3)]
    assert sorted(train) == sorted([*good, "test/dent/000.png", new])
    assert test == ("test/dent/001.png", "test/good/9.png")
    assert beside == ("train/good/001.png",)
    caplog.set_level(logging.INFO)
    report_labels(found, labels)
    assert caplog.messages == [
        "labels: 2 images added to the good ones, 1 no longer among them, 1 taken out "
        "of the test set"
    ]


def test_a_table_may_be_named_from_the_folder_one_is_in(
    category, tmp_path, monkeypatch
):
    make(tmp_path, "more/0.png", marked=["more/mask.png"])
    path = table(tmp_path, "more/0.png,dent,more/mask.png,train")
    wanted = labels_of(path, scan(category))
    assert {*wanted} == {str(tmp_path / "more/0.png")}
    monkeypatch.chdir(tmp_path)
    assert labels_of(Path("table.csv"), scan(Path("set"))) == wanted


def test_defects_that_are_learned_from_leave_the_test_set(category, tmp_path):
    make(tmp_path, "more/0.png", marked=["more/mask.png"])
    rows = "set/test/dent/000.png,dent,more/mask.png,", "more/0.png,dent,,"
    labels = labels_of(table(tmp_path, *rows), scan(category), learned=True)
    _, test, beside = parts(category, labels)
    assert test == ("test/dent/001.png", "test/good/9.png")
    assert beside == ("test/dent/000.png", str(tmp_path / "more/0.png"))
    first, *_ = (x for x in relabelled(scan(category), labels).images if x.masks)
    assert first.masks == (tmp_path / "more/mask.png",)


def test_images_are_known_by_their_content(category, tmp_path):
    """Copies elsewhere are those of the category, and one of two others is taken."""
    shutil.copy(category / "test/dent/000.png", tmp_path / "copy.png")
    make(tmp_path, "new.png")
    shutil.copy(tmp_path / "new.png", tmp_path / "again.png")
    rows = "copy.png,good,,", "new.png,good,,", "again.png,good,,"
    labels = labels_of(table(tmp_path, *rows), scan(category))
    assert [*labels] == ["test/dent/000.png", str(tmp_path / "new.png")]


def test_a_split_that_the_table_names(category, tmp_path):
    rows = "set/train/good/000.png,good,,test", "set/train/good/001.png,good,,Valid"
    labels = labels_of(table(tmp_path, *rows), scan(category))
    assert [row["split"] for row in labels.values()] == ["test", "validation"]


def test_what_is_gone_is_left_out_later(category, tmp_path):
    make(tmp_path, "new.png")
    labels = labels_of(table(tmp_path, "new.png,good,,"), scan(category))
    (tmp_path / "new.png").unlink()
    assert relabelled(scan(category), labels) == scan(category)


def test_tables_that_are_wrong(category, tmp_path):
    shutil.copy(category / "test/dent/000.png", tmp_path / "copy.png")
    rows = "copy.png,good,,", "set/test/dent/000.png,dent,,"
    with pytest.raises(UserError, match="one label for test/dent/000.png and its cop"):
        labels_of(table(tmp_path, *rows), scan(category))
    missing = table(tmp_path, "nowhere.png,good,,")
    with pytest.raises(UserError, match=r"nowhere.png \(no such file\)"):
        labels_of(missing, scan(category))
    assert labels_of(missing, scan(category), skip_unreadable=True) == {}
