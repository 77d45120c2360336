"""Folders that are not laid out as expected: one line that says what is wrong."""

import numpy as np
import pytest
from PIL import Image

from processing.data.dataset import scan_category
from processing.errors import UsageError, UserError

SHAPE = (8, 8, 1)


def draw(path, value=100, size=(12, 10)):
    """Write a constant image of size (h, w)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(size, value, np.uint8)).save(path)
    return path


@pytest.fixture
def folder(tmp_path):
    """MVTec layout: 3 training images, 2 good and 2 defective ones with masks."""
    folder = tmp_path / "mvtec" / "capsule"
    for i in range(3):
        draw(folder / f"train/good/{i:03}.png")
    for i in range(2):
        draw(folder / f"test/good/{i:03}.png")
        draw(folder / f"test/crack/{i:03}.png")
        draw(folder / f"ground_truth/crack/{i:03}_mask.png", 255)
    return folder


def scan(folder):
    return scan_category(folder, image_shape=SHAPE)


def fails(folder, *parts, error=UserError):
    """Check that scanning fails with one line that holds each of `parts`."""
    with pytest.raises(error) as raised:
        scan(folder)
    message = str(raised.value)
    assert type(raised.value) is error
    assert "\n" not in message
    for part in parts:
        assert str(part) in message


def test_missing_folder(tmp_path):
    missing = tmp_path / "nowhere"
    fails(missing, missing, "no such", "train/good", error=UsageError)


def test_a_file_instead_of_a_folder(tmp_path):
    path = draw(tmp_path / "a.png")
    fails(path, f"{path} is a file", "train/good", error=UsageError)


def test_no_training_folder(folder):
    fails(folder.parent, folder.parent, "expected", "train/good", "found capsule")


def test_no_good_folder_in_train(tmp_path):
    draw(tmp_path / "train/part/a.png")
    fails(tmp_path, "no train/good", tmp_path, "or good beside bad", "found part")


def test_an_empty_folder(tmp_path):
    fails(tmp_path, "no train/good", "found nothing")


def test_no_training_images(tmp_path):
    good = tmp_path / "train/good"
    good.mkdir(parents=True)
    for i in range(8):
        (good / f"{i}.txt").write_text("x")
    fails(tmp_path, good, "expected .png, .jpg", "found 0.txt, 1.txt", "and 3 more")


def test_two_masks_for_one_image(folder):
    draw(folder / "ground_truth/crack/000.png")
    fails(folder, "two masks for", "000.png", "000_mask.png")


def test_mask_of_another_size(folder):
    mask = draw(folder / "ground_truth/crack/001_mask.png", size=(10, 12))
    fails(folder, mask, "is 10x12", "expected 12x10")


def test_size_of_a_turned_image(folder):
    exif = Image.Exif()
    exif[274] = 6
    path = folder / "test/crack/000.png"
    Image.fromarray(np.zeros((12, 10), np.uint8)).save(path, exif=exif)
    fails(folder, "is 12x10, expected 10x12")
    draw(folder / "ground_truth/crack/000_mask.png", size=(10, 12))
    assert len(scan(folder).test) == 4


def test_unreadable_mask(folder):
    mask = folder / "ground_truth/crack/001_mask.png"
    mask.write_text("not an image")
    fails(folder, f"{mask}: not a readable image")


@pytest.mark.parametrize("where", ["train/good", "test/crack"])
def test_two_images_of_one_name(folder, where):
    draw(folder / where / "000.jpg")
    fails(folder, "two images of one name", folder / where, "000.jpg and 000.png")
