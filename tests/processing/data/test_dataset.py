import os
import re

import numpy as np
import pytest
from PIL import Image

from processing.data.dataset import check_readable, scan_category, scan_images
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


def test_layout(folder):
    category = scan(folder)
    assert (category.dataset, category.name) == ("mvtec", "capsule")
    train, test = category.train, category.test
    assert train.names == tuple(f"train/good/{i:03}.png" for i in range(3))
    assert train.labels.tolist() == [0, 0, 0]
    assert test.names == (
        "test/crack/000.png",
        "test/crack/001.png",
        "test/good/000.png",
        "test/good/001.png",
    )
    assert test.classes == ("crack", "crack", "good", "good")
    assert test.labels.tolist() == [1, 1, 0, 0]
    assert test.mask_paths[0] == (folder / "ground_truth/crack/000_mask.png",)
    assert test.mask(0).all()
    assert not test.mask(2).any()
    assert train.image_shape == test.image_shape == SHAPE


def test_training_and_test_files_are_disjoint(folder):
    category = scan(folder)
    assert not set(category.train.paths) & set(category.test.paths)


@pytest.mark.parametrize(
    "typed",
    [
        "mvtec/capsule",
        "mvtec/capsule/",
        "./mvtec/../mvtec/capsule/.",
        "{root}/mvtec/capsule",
        "{root}/mvtec/capsule/",
    ],
)
def test_names_do_not_depend_on_how_the_path_is_typed(folder, monkeypatch, typed):
    root = folder.parent.parent
    monkeypatch.chdir(root)
    category = scan(typed.format(root=root))
    assert (category.dataset, category.name) == ("mvtec", "capsule")
    assert category.train.names[0] == "train/good/000.png"


def test_names_from_within_and_from_beside(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    assert scan("capsule").dataset == "mvtec"
    (folder.parent / "x").mkdir()
    monkeypatch.chdir(folder.parent / "x")
    assert scan("../../mvtec/capsule/.").dataset == "mvtec"
    monkeypatch.chdir(folder)
    assert (scan(".").dataset, scan(".").name) == ("mvtec", "capsule")


def test_names_of_a_link_are_the_link_s(folder, tmp_path):
    (tmp_path / "links").mkdir()
    os.symlink(folder, tmp_path / "links" / "part")
    category = scan(tmp_path / "links" / "part")
    assert (category.dataset, category.name) == ("links", "part")


def test_defects_beside_the_good_training_images(folder):
    assert len(scan(folder).defective) == 0
    draw(folder / "train/crack/1.png")
    category = scan(folder)
    assert category.defective.names == ("train/crack/1.png",)
    assert category.defective.labels.tolist() == [1]
    assert "train/crack/1.png" not in category.train.names


def test_without_masks(tmp_path):
    draw(tmp_path / "train/good/a.png")
    draw(tmp_path / "test/good/b.png")
    draw(tmp_path / "test/defect/c.png")
    test = scan(tmp_path).test
    assert test.labels.tolist() == [1, 0]
    assert test.mask_paths == ((), ())


def test_without_a_test_folder(tmp_path):
    draw(tmp_path / "train/good/a.png")
    draw(tmp_path / "ground_truth/crack/c_mask.png")
    category = scan(tmp_path)
    assert (len(category.train), len(category.test)) == (1, 0)


def test_one_class_with_masks_and_one_without(folder):
    draw(folder / "test/dent/000.png")
    test = scan(folder).test
    assert [len(masks) for masks in test.mask_paths] == [1, 1, 0, 0, 0]


@pytest.mark.parametrize("mask", ["000.png", "000_mask.BMP", "000.tif"])
def test_names_of_masks(tmp_path, mask):
    draw(tmp_path / "train/good/a.png")
    draw(tmp_path / "test/crack/000.jpg")
    path = draw(tmp_path / "ground_truth/crack" / mask)
    assert scan(tmp_path).test.mask_paths == ((path,),)


def test_masks_of_good_images_are_not_needed(folder):
    draw(folder / "ground_truth/good/000_mask.png", 0)
    test = scan(folder).test
    assert [len(masks) for masks in test.mask_paths] == [1, 1, 0, 0]


def test_what_is_not_an_image_is_left_out(folder):
    for name in (".DS_Store", "Thumbs.db", "readme.txt", ".hidden.png", "desktop.ini"):
        (folder / "train/good" / name).write_text("x")
        (folder / "test" / name).write_text("x")
        (folder / "ground_truth" / name).write_text("x")
        (folder / "ground_truth/crack" / name).write_text("x")
    (folder / "train/good/folder.png").mkdir()
    (folder / "test/empty").mkdir()
    (folder / "test/.cache").mkdir()
    category = scan(folder)
    assert (len(category.train), len(category.test)) == (3, 4)


def test_order_is_natural_and_suffixes_of_any_case(tmp_path):
    names = ["img1.PNG", "img2.Jpg", "img10.tiff", "Img11.bmp", "x.WEBP"]
    for name in reversed(names):
        draw(tmp_path / "train/good" / name)
    train = scan(tmp_path).train
    assert [path.name for path in train.paths] == names


def test_an_unreadable_image_is_left_to_the_check(folder):
    (folder / "test/crack/001.png").write_text("not an image")
    test = scan(folder).test
    with pytest.raises(UserError, match="1 of 4 images cannot be read"):
        check_readable(test)


def test_scan_a_bare_folder(tmp_path):
    for name in ("2.png", "10.png", "sub/1.png", "sub/deep/1.jpg", ".hidden/1.png"):
        draw(tmp_path / name)
    (tmp_path / "notes.txt").write_text("x")
    os.symlink(tmp_path, tmp_path / "loop")
    images = scan_images(tmp_path, SHAPE)
    assert images.names == ("2.png", "10.png", "sub/1.png", "sub/deep/1.jpg")
    assert set(images.labels.tolist()) == {-1}
    assert set(images.classes) == {"unknown"}
    assert images.load([0]).shape == (1, *SHAPE)


def test_scan_a_single_file(tmp_path, monkeypatch):
    draw(tmp_path / "part 1.png")
    monkeypatch.chdir(tmp_path)
    images = scan_images("part 1.png", SHAPE)
    assert images.names == ("part 1.png",)
    assert images.labels.tolist() == [-1]


def test_scan_a_table(tmp_path):
    for name in ("a.png", "b.png", "c.png", "mask.png"):
        draw(tmp_path / name)
    rows = "a.png,ok,,", "b.png,dent,mask.png,test", "c.png,good,,train"
    table = tmp_path / "some.csv"
    table.write_text("\n".join(["path,label,mask,split", *rows]))
    images = scan_images(table, SHAPE)
    assert images.names == ("a.png", "b.png")
    assert images.classes == ("good", "dent")
    assert images.labels.tolist() == [0, 1]
    assert images.mask_paths == ((), (tmp_path / "mask.png",))
    table.write_text("\n".join(["path,label,mask,split", rows[2]]))
    with pytest.raises(UserError, match="names no images to test with"):
        scan_images(table, SHAPE)


def test_scan_nothing(tmp_path):
    with pytest.raises(UsageError, match="no such file or folder: .*nowhere; expected"):
        scan_images(tmp_path / "nowhere", SHAPE)
    with pytest.raises(UserError, match="no images in .*expected .png.*found nothing"):
        scan_images(tmp_path, SHAPE)
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(UsageError, match="notes.txt is not an image, expected .png"):
        scan_images(tmp_path / "notes.txt", SHAPE)


def test_readable_images_are_returned_decoded(folder):
    train = scan(folder).train
    assert check_readable(train) is train
    for path in train.paths:
        path.unlink()
    assert train.load(range(3)).shape == (3, *SHAPE)


def test_unreadable_images_are_one_error(folder):
    for i in range(10, 17):
        (folder / f"train/good/{i:03}.png").write_text("not an image")
    with pytest.raises(UserError) as raised:
        check_readable(scan(folder).train)
    message = str(raised.value)
    assert message.startswith("7 of 10 images cannot be read")
    assert re.findall(r"\d+\.png", message) == [f"{i:03}.png" for i in range(10, 15)]
    assert "and 2 more" in message
    assert "--skip-unreadable" in message
    assert "\n" not in message


def test_unreadable_images_are_skipped_with_a_warning(folder):
    (folder / "train/good/001.png").write_text("not an image")
    train = scan(folder).train
    with pytest.warns(UserWarning, match=r"left out 1 of 3 images .*001.png"):
        kept = check_readable(train, skip_unreadable=True)
    assert kept.names == ("train/good/000.png", "train/good/002.png")


def test_nothing_readable(folder):
    for path in (folder / "train/good").iterdir():
        path.write_text("not an image")
    with pytest.raises(UserError, match="3 of 3 images .* none are left"):
        check_readable(scan(folder).train, skip_unreadable=True)
