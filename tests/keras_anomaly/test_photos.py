from pathlib import Path

import cv2
import numpy as np
import pytest

from keras_anomaly.photos import check_photos, is_defective, rows_of, written_table
from processing.data.scan import scan
from processing.errors import UsageError


class Lazy:
    """Photos that are made when they are asked for, and not kept."""

    def __init__(self, make, count):
        self.make, self.count, self.asked = make, count, []

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        self.asked.append(index)
        return self.make(index)


def test_photos_become_a_table_one_by_one(tmp_path, rng):
    pixels = rng.integers(0, 256, (3, 20, 30, 3), np.uint8)
    photos = Lazy(lambda index: pixels[index], 3)
    rows = rows_of(photos, None, None, tmp_path, learned=False)
    assert photos.asked == [0, 1, 2]
    found = scan(written_table(rows, tmp_path))
    assert [(x.kind, x.split) for x in found.images] == [("good", "train")] * 3
    for image, expected in zip(found.images, pixels, strict=True):
        stored = cv2.imread(str(image.path), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(stored[..., ::-1], expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_photos_stay_grey(tmp_path, rng, dtype):
    pixels = rng.integers(0, 256, (2, 20, 30), dtype) * np.iinfo(dtype).max // 255
    rows = rows_of(pixels[..., None], None, None, tmp_path, learned=False)
    stored = cv2.imread(rows[1]["path"], cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(stored, pixels[1])


def test_labels_and_masks(tmp_path, rng):
    photos = [Path("a.png"), "b.png", *rng.integers(0, 256, (2, 9, 9), np.uint8)]
    masks = [None, "b_mask.png", None, np.eye(9, dtype=bool)]
    rows = rows_of(photos, ["good", "hole", 0, 1], masks, tmp_path, learned=False)
    assert [row["label"] for row in rows] == ["good", "hole", "good", "defective"]
    assert [row["split"] for row in rows] == ["train", "test", "train", "test"]
    assert rows[1]["path"] == str(Path("b.png").absolute())
    assert rows[1]["mask"] == str(Path("b_mask.png").absolute())
    assert (cv2.imread(rows[3]["mask"], 0) == 255 * np.eye(9)).all()
    rows = rows_of(photos, np.array([0, 1, 0, 1]), None, tmp_path, learned=True)
    assert {row["split"] for row in rows} == {"train"}
    assert is_defective(["OK", "scratch", True, 0.0], 4) == [False, True, True, False]


GREY = np.zeros((2, 8, 8), np.uint8)


@pytest.mark.parametrize(
    ("photos", "y", "masks", "message"),
    [
        (GREY / 255, None, None, "photo 0: expected an image .* Received: .*float64"),
        ([GREY[0], (GREY[1], 0)], None, None, "photo 1: .* Received: tuple"),
        ([GREY[0], None], None, None, "photo 1: expected an image"),
        (GREY, [0], None, "expected 2 labels in y. Received: 1"),
        (GREY, [0, -1], None, "y: expected 0 or good, 1 .* Received: -1"),
        (GREY, [0, ""], None, "y: expected 0 or good"),
        (GREY, None, [None], "expected 2 masks. Received: 1"),
    ],
)
def test_what_is_no_photo_label_or_mask(tmp_path, photos, y, masks, message):
    with pytest.raises(UsageError, match=message):
        rows_of(photos, y, masks, tmp_path, learned=False)


@pytest.mark.parametrize("photos", [GREY[0], np.zeros((8, 8, 3), np.uint8), 3, "a.png"])
def test_what_holds_no_photos(photos):
    with pytest.raises(UsageError, match="expected paths, or uint8 photos"):
        check_photos(photos)
