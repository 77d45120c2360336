"""Which category of a model of several is judged."""

from pathlib import Path

import pytest

from methods.detector import categories
from methods.detector.categories import categories_in, load_category
from methods.detector.detector import Detector
from methods.fewshot.unified import Unified
from processing.errors import UsageError, UserError
from tests.methods.detector.test_records import ONE, SEVERAL

MODEL = Path("model.hdf5")


@pytest.fixture
def chosen(monkeypatch):
    """Let every model be of several categories; return the list of those chosen."""
    names = []
    monkeypatch.setattr(Unified, "choose", lambda _, name: names.append(name))
    method = Unified(image_shape=(64, 64, 3), weights="random", levels="stage2")
    loaded = Detector(method), SEVERAL
    monkeypatch.setattr(categories, "load_model", lambda _: loaded)
    return names


def test_each_category_unless_one_is_named():
    assert categories_in(SEVERAL, None) == [Path("bottle"), Path("nut")]
    assert categories_in(SEVERAL, Path("nut")) == [Path("nut")]
    assert categories_in(ONE, None) == [None]


def test_a_category_by_its_name_or_folder(chosen, tmp_path):
    (tmp_path / "nut").mkdir()
    _, by_name = load_category(MODEL, Path("nut"))
    _, by_folder = load_category(MODEL, tmp_path / "nut")
    assert chosen == ["nut", "nut"]
    assert (by_name.category, by_name.folder) == ("nut", "/mvtec/nut")
    assert by_folder.folder == str(tmp_path / "nut")


@pytest.mark.parametrize("folder", [None, Path("screw")])
def test_a_category_that_the_model_does_not_know(chosen, folder):
    with pytest.raises(UsageError, match="expected --category .* one of bottle, nut"):
        load_category(MODEL, folder)
    assert not chosen


def test_a_category_whose_memory_is_missing(chosen, monkeypatch):
    monkeypatch.setattr(Unified, "choose", lambda self, name: self.arrays[name])
    with pytest.raises(UserError, match="model.hdf5 is damaged: it lacks .*'nut'"):
        load_category(MODEL, Path("nut"))


def test_another_folder_of_one_category(monkeypatch):
    monkeypatch.setattr(categories, "load_model", lambda _: (None, ONE))
    assert load_category(MODEL, Path("elsewhere"))[1].folder == "elsewhere"
    assert load_category(MODEL)[1] == ONE
