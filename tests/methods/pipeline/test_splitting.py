from types import SimpleNamespace

import pytest

from methods.pipeline.splitting import known_defects, split
from processing.data.dataset import scan_category
from processing.errors import UsageError, UserError
from tests.folders import make

METHOD = SimpleNamespace(seed=42, needs=())


def scan(folder):
    return scan_category(folder, image_shape=(8, 8, 1))


def test_validation_images_of_a_layout_are_taken(tmp_path):
    make(tmp_path, "train/good/{9}.png", "validation/good/{3}.png")
    category = scan(tmp_path)
    splits = split(METHOD, category.train, category)
    assert splits.fit == [f"train/good/{i:03}.png" for i in range(9)]
    assert splits.validation == [f"validation/good/{i:03}.png" for i in range(3)]
    assert splits.test == []


def test_another_share_of_validation_images(tmp_path):
    category = scan(make(tmp_path / "one", "train/good/{20}.png"))
    splits = split(METHOD, category.train, category, 0.3)
    assert (len(splits.fit), len(splits.validation)) == (14, 6)
    own = make(tmp_path / "own", "train/good/{9}.png", "validation/good/{3}.png")
    category = scan(own)
    with pytest.raises(UsageError, match="has 3 validation images of its own"):
        split(METHOD, category.train, category, 0.3)


def test_a_drawn_test_set_is_recorded(tmp_path):
    make(tmp_path, "good/{20}.png", "dent/{2}.png")
    category = scan(tmp_path)
    splits = split(METHOD, category.train, category)
    assert splits.test == list(category.test.names)
    assert (len(splits.fit), len(splits.validation), len(splits.test)) == (14, 2, 6)
    names = {*splits.fit, *splits.validation, *splits.test}
    assert len(names) == 22


def test_groups_are_in_one_split(tmp_path):
    make(tmp_path, *(f"OK/S{i}/{{5}}.jpg" for i in range(20)), "NG/AK/S1/{5}.jpg")
    category = scan(tmp_path)
    splits = split(METHOD, category.train, category)
    parts = (splits.fit, splits.validation, splits.test)
    samples = [{name.rpartition("/")[0] for name in part} for part in parts]
    assert sum(map(len, samples)) == len(set.union(*samples)) == 21


def test_defects_of_groups_that_are_trained_on(tmp_path):
    """As of KolektorSDD: those outside of the test set, for supervised methods."""
    items = [f"kos{i}/Part" for i in range(6)]
    make(tmp_path, *(f"{item}{{3}}.jpg" for item in items))
    make(tmp_path, blank=[f"{item}{{3}}_label.bmp" for item in items])
    make(tmp_path, marked=[f"{item}001_label.bmp" for item in items])
    category = scan(tmp_path)
    assert (len(category.train), len(category.test)) == (6, 9)
    assert len(known_defects(category, 42)) == 3
    tested = {name[:4] for name in category.test.names}
    assert not tested & {name[:4] for name in category.defective.names}


def test_a_single_good_image(tmp_path):
    category = scan(make(tmp_path, "train/good/0.png"))
    with pytest.raises(UserError, match="needs at least 2 good images .* Received: 1"):
        split(METHOD, category.train, category)


def test_no_good_image(tmp_path):
    make(tmp_path, "1.png", marked=["1_mask.png"])
    with pytest.raises(UserError, match="no good images .*masks beside.*of defective"):
        scan(tmp_path)
