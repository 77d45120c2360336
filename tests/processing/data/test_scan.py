import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processing.data.ground_truth import without_ending
from processing.data.listing import bare_name
from processing.data.scan import (
    assigned,
    find_categories,
    is_category,
    scan,
)
from processing.data.tree import FoundImage, is_good, mask_key
from processing.errors import UsageError, UserError
from tests.folders import make


def image(name, kind="good", split="", group=""):
    return FoundImage(Path("/x") / name, name, kind, split, group=group)


def test_paths_that_are_no_category(tmp_path):
    make(tmp_path, "a.png")
    with pytest.raises(UsageError, match="no such file or folder: .*nowhere; expected"):
        scan(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="a.png is a file, expected a category folder"):
        scan(tmp_path / "a.png")
    with pytest.raises(UserError, match="no train/good in .*; found nothing"):
        scan(make(tmp_path / "empty"))


def test_two_images_of_one_name_in_any_layout(tmp_path):
    make(tmp_path, "good/sub/1.png", "good/sub/1.jpg", "bad/1.png")
    with pytest.raises(
        UserError, match="two images of one name in .*good/sub: .*1.jpg"
    ):
        scan(tmp_path)


def test_a_split_that_is_there_is_kept():
    images = [
        image("0", split="train"),
        image("1", "x", "test"),
        image("2", "x", "train"),
    ]
    assert assigned(images, seed=1) == ["train", "test", "train"]


def test_a_split_that_is_not_there_is_drawn_with_the_seed():
    images = [image(str(i)) for i in range(20)] + [image("bad", "x")]
    splits = assigned(images, seed=1)
    assert splits == assigned(images, seed=1) != assigned(images, seed=2)
    assert splits.count("test") == 5
    assert splits[-1] == "test"


def test_a_recorded_split_is_repeated():
    """Images that came later are neither judged nor learned from as defects."""
    images = [image("0"), image("1"), image("2", "x"), image("later", "x")]
    images += [image("more"), image("given", split="test"), image("v.nii", "x")]
    splits = assigned(images, seed=1, test=["1", "2", "v.nii#000", "v.nii#001"])
    assert splits == ["train", "test", "test", "unused", "train", "unused", "test"]
    with pytest.raises(UserError, match="2 of the test images .* gone, such as 1"):
        assigned(images[2:], seed=1, test=["1", "2", "8"])


@pytest.fixture
def dataset(tmp_path):
    make(tmp_path, "b/train/good/{2}.png", "a10/ok/{2}.png", "a2/NG/x/S1/{2}.jpg")
    make(tmp_path, "a2/OK/S1/{2}.jpg", "docs/1.png", "test/good/1.png", "odd/x/1.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "readme.txt").touch()
    return tmp_path


def test_categories_of_a_data_set(dataset):
    folders, others = find_categories(dataset)
    assert [folder.name for folder in folders] == ["a2", "a10", "b"]
    assert others == ["docs", "odd"]


def test_a_data_set_of_folders_of_photos(tmp_path):
    make(tmp_path, "nut/{2}.png", "bolt/{2}.png")
    folders, others = find_categories(tmp_path)
    assert [folder.name for folder in folders] == ["bolt", "nut"]
    assert others == []


def test_a_category_is_no_data_set(dataset):
    for name in ("a10", "b", "a2", "docs", "empty", "nowhere"):
        assert find_categories(dataset / name) == ([], [])
    make(dataset / "broken", "test/good/{2}.png", "test/x/{2}.png", "masks/1.png")
    assert find_categories(dataset / "broken") == ([], [])
    assert not is_category(dataset / "broken")


def test_a_category_that_cannot_be_listed_is_named(dataset, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if "/secret" in str(path):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    (dataset / "secret").mkdir()
    monkeypatch.setattr(os, "scandir", refuse)
    assert find_categories(dataset)[1] == ["docs", "odd", "secret"]


def test_categories_behind_links(dataset, tmp_path):
    os.symlink(dataset / "b", dataset / "c")
    assert [x.name for x in find_categories(dataset)[0]] == ["a2", "a10", "b", "c"]


FOLDERS = ["train", "test", "good", "OK", "NG", "scratch", "masks", "Data", "Images"]
PLACES = st.lists(st.sampled_from([*FOLDERS, "ground_truth", "S1"]), max_size=3)
NAMES = st.sampled_from(["1.png", "1.jpg", "2.png", "1_mask.png", "2_GT.bmp", "3.heic"])


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(files=st.sets(st.tuples(PLACES.map("/".join), NAMES), max_size=8))
def test_no_file_is_lost_whatever_the_folder(files):
    """Each is an image, the mask of one, a mask of good images, or named as neither."""
    with tempfile.TemporaryDirectory() as name:
        for place, file in files:
            (Path(name) / place).mkdir(parents=True, exist_ok=True)
            (Path(name) / place / file).touch()
        try:
            found = scan(Path(name))
        except UserError:
            return
    named = [x.name for x in (*found.images, *found.left_out)]
    assert len(set(named)) == len(named)
    masks = {m for x in found.images for m in x.masks}
    known = {bare_name(x) for x in named}
    for place, file in files:
        name = f"{place}/{file}".lstrip("/")
        if name in named or found.folder / name in masks:
            continue
        key = mask_key(tuple(name.split("/")))
        of_good = is_good(key.split("/")[0]) or (key and "/" not in key)
        assert of_good or without_ending(bare_name(name)) in known, name
