import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from processing.data.listing import LeftOut
from processing.data.scan import Scan, scan
from processing.data.survey import LOOKED_AT, Survey, report
from processing.data.tree import FoundImage
from processing.errors import UserError
from tests.folders import SIZE, make

USUAL = ("train/good/{10}.png", "test/good/{2}.png", "test/hole/{2}.png")


def image(name, kind="good", split="", group=""):
    return FoundImage(Path("/x") / name, name, kind, split, group=group)


def survey(folder):
    return Survey(scan(folder), masks=True)


def warned(folder):
    return list(survey(folder).warnings())


def save(path, shape=SIZE, value=0, dtype=np.uint8):
    Image.fromarray(np.full(shape, value, dtype)).save(path)


def test_a_usual_category_is_counted_and_nothing_said(tmp_path, caplog):
    make(tmp_path, *USUAL, marked=["ground_truth/hole/{2}.png"])
    looked = survey(tmp_path)
    counts = {key: group.images for key, group in looked.groups.items()}
    assert counts == {
        ("train", "good"): 10,
        ("test", "good"): 2,
        ("test", "hole"): 2,
    }
    group = looked.groups["test", "hole"]
    assert (set(group.sizes), group.pixels) == ({SIZE}, {"8-bit grey"})
    assert group.masks == {"found": 2}
    assert looked.groups["train", "good"].masks == {"missing": 10}
    assert list(looked.warnings()) == []
    report(looked.scan)
    assert caplog.messages == []


def test_each_state_of_a_mask(tmp_path):
    make(tmp_path, *USUAL[:2], "test/hole/{6}.png", marked=["masks/hole/000.png"])
    make(tmp_path, blank=["masks/hole/001.png"])
    save(tmp_path / "masks/hole/002.png", value=255)
    save(tmp_path / "masks/hole/003.png", (5, 5), 255)
    (tmp_path / "masks/hole/004.png").write_bytes(b"no image")
    states = ("found", "empty", "large", "of another size", "unreadable", "missing")
    assert survey(tmp_path).groups["test", "hole"].masks == dict.fromkeys(states, 1)
    assert warned(tmp_path) == [
        "masks of 1 image mark nothing: hole",
        "masks of 1 image are of another size than their images: hole",
        "masks of 1 image mark more than half of their images: hole",
        "masks of 1 image cannot be read: hole",
        "1 defective image without a mask: hole",
    ]


def test_masks_that_lie_over_one_another_are_not_counted_twice(tmp_path):
    mask = np.zeros(SIZE, np.uint8)
    mask[:5] = 255  # 5 of 12 rows
    make(tmp_path, *USUAL)
    (tmp_path / "ground_truth/hole/000").mkdir(parents=True)
    for name in ("a.png", "b.png"):
        Image.fromarray(mask).save(tmp_path / "ground_truth/hole/000" / name)
    assert survey(tmp_path).groups["test", "hole"].masks["found"] == 1


def test_images_that_cannot_be_read_are_counted(tmp_path):
    make(tmp_path, *USUAL)
    (tmp_path / "train/good/000.png").write_bytes(b"no image")
    group = survey(tmp_path).groups["train", "good"]
    assert (group.images, group.unreadable) == (10, 1)


def test_few_good_images_are_those_to_train_on(tmp_path):
    make(tmp_path, "train/good/{9}.png", "test/good/{9}.png", "test/hole/{2}.png")
    assert warned(tmp_path) == ["few good images to train on: 9, expected 10 or more"]


def test_grey_and_colour(tmp_path):
    make(tmp_path, *USUAL)
    save(tmp_path / "test/hole/000.png", (*SIZE, 3))
    assert warned(tmp_path) == [
        "images of different kinds: 8-bit colour, 8-bit grey",
    ]


@pytest.mark.parametrize(("value", "bits"), [(4095, 12), (1000, 10), (40000, 16)])
def test_bits_that_are_not_used(tmp_path, value, bits):
    make(tmp_path, *USUAL)
    for i, path in enumerate(sorted(tmp_path.glob("*/*/*.png"))):
        pixels = np.zeros(SIZE, np.uint16)
        pixels.flat[: i + 1] = value
        Image.fromarray(pixels).save(path)
    text = f"images of 16 bits that use {bits}: they look dark, expected --range 0,"
    assert warned(tmp_path) == ([f"{text}{2**bits - 1}"] if bits < 16 else [])


def test_the_bits_of_a_few_images_are_looked_at(tmp_path, monkeypatch):
    make(tmp_path, "train/good/{12}.png")
    read = []

    def read_pixels(path, channels):
        read.append(path)
        return np.full((2, 2, 1), 4095, np.uint16)

    monkeypatch.setattr("processing.data.survey.read_pixels", read_pixels)
    assert warned(tmp_path) == []
    assert read == []
    for i, path in enumerate(sorted(tmp_path.glob("*/*/*.png"))):
        save(path, value=i, dtype=np.uint16)
    assert "use 12" in warned(tmp_path)[0]
    assert len(read) == LOOKED_AT


@pytest.mark.parametrize(
    ("split", "text"),
    [
        ("train", "images of different shapes, 10-40x10-40 (height x width): see"),
        (
            "test",
            "test images of another shape, 10x40, than the training images, 12x10",
        ),
    ],
)
def test_shapes_that_differ(tmp_path, split, text):
    make(tmp_path, *USUAL)
    for i, path in enumerate(sorted((tmp_path / split).glob("*/*.png"))):
        upright = split == "train" and i < 5
        save(path, (40, 10) if upright else (10, 40), i)
    [line] = warned(tmp_path)
    assert line.startswith(text)


def test_copies_are_said(tmp_path):
    make(tmp_path, *USUAL)
    copy = tmp_path / "test/good/000.png"
    copy.write_bytes((tmp_path / "train/good/003.png").read_bytes())
    [line] = warned(tmp_path)
    assert "1 test image among the training images, too (test/good/000.png = " in line


def test_the_size_is_that_of_the_training_images(tmp_path):
    make(tmp_path, *USUAL)
    for i, path in enumerate((tmp_path / "train/good").glob("*.png")):
        save(path, (50, 20), i)
    assert survey(tmp_path).size() == (416, 160)
    assert survey(tmp_path).size(128, 64) == (192, 64)


def test_report_names_what_is_left_out_in_one_warning(caplog):
    left_out = [LeftOut(f"{i}.gif", "a format that is not read") for i in range(7)]
    good = tuple(image(f"{i}.png") for i in range(10))
    caplog.set_level(logging.INFO)
    with pytest.warns(
        UserWarning, match="not taken: 7 files in /x: 0.gif .a form"
    ) as seen:
        report(Scan(Path("/x"), "", good, tuple(left_out), ("as good",)))
    assert len(seen) == 1
    assert str(seen[0].message).count(".gif") == 5
    assert str(seen[0].message).endswith("and 2 more")
    assert caplog.messages == ["note: /x: as good"]


def test_report_of_what_cannot_be_read():
    left_out = (LeftOut("a", "cannot be listed: Permission denied", fault=True),)
    good = tuple(image(f"{i}.png") for i in range(10))
    found = Scan(Path("/x"), "", good, left_out)
    message = "1 file or folder in /x cannot be taken: a .*Permission denied"
    with pytest.raises(UserError, match=f"{message}.*--skip-unreadable"):
        report(found)
    with pytest.warns(UserWarning, match="not taken: 1 file in /x: a .cannot be l"):
        report(found, skip_unreadable=True)


@pytest.mark.parametrize("split", ["test", ""])
def test_report_of_a_test_set_without_good_images(split, caplog):
    train = tuple(image(f"{i}.png", split="train") for i in range(10))
    bad = image("bad.png", "dent", split)
    report(Scan(Path("/x"), "", (*train, bad)))
    [line] = caplog.messages
    assert line.startswith("warning: /x: no good images to test with: false alarms")
    report(Scan(Path("/x"), "", train))
    report(Scan(Path("/x"), "", (*train, bad, image("good.png", split=split))))
    assert caplog.messages == [line]


def test_neither_keras_nor_scipy_is_imported():
    code = "import sys, processing.data.survey as _; "
    code += "print({'keras', 'tensorflow', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("side", "defect", "text"),
    [
        (
            600,
            20,
            "half of the defects mark 73 pixels or fewer of the 256x256 that are "
            "judged by default: see --size 480x480 --tile 256",
        ),
        (600, 40, ""),  # large enough
        (250, 10, ""),  # no image holds more than is judged
    ],
)
def test_small_defects_are_to_be_judged_in_tiles(tmp_path, side, defect, text):
    make(tmp_path, *USUAL)
    for i, path in enumerate(sorted(tmp_path.glob("*/*/*.png"))):
        save(path, (side, side), i)
    assert warned(tmp_path) == []  # nothing is known of masks
    mask = np.zeros((side, side), np.uint8)
    mask[:defect, :defect] = 255
    (tmp_path / "ground_truth/hole").mkdir(parents=True)
    for name in ("000.png", "001.png"):
        Image.fromarray(mask).save(tmp_path / "ground_truth/hole" / name)
    assert warned(tmp_path) == ([text] if text else [])


def test_parts_that_lie_in_different_directions_are_said(tmp_path, caplog):
    make(tmp_path, USUAL[0])
    for i, path in enumerate(sorted(tmp_path.glob("train/good/*.png"))):
        pixels = np.full((40, 40), i, np.uint8)
        pixels[5:30, 8:14], pixels[5:12, 8:30] = 200, 90
        Image.fromarray(np.rot90(pixels, i)).save(path)
    report(scan(tmp_path))
    [line] = caplog.messages
    assert "good images show the part in different directions: see --reg" in line
