from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from methods.detector.judge import Verdict
from methods.pipeline.false_regions import (
    PICTURE,
    FalseRegions,
    report_false_regions,
)
from processing.data.image_set import ImageSet
from processing.decision.decision import Decision
from processing.preprocessing.preparation import Preparation

COUNT, SIZE = 14, (32, 32)


@pytest.fixture
def judged(tmp_path, rng):
    """Return what writes the hint of regions of good images and of a defective one."""

    def judged(corners, texture=False, defect=None, **options):
        shape = 64, 128
        picture = np.full((*shape, 3), 250, np.uint8)
        cv2.rectangle(picture, (16, 6), (111, 57), (60,) * 3, -1)
        if texture:
            picture = rng.integers(0, 256, picture.shape, dtype=np.uint8)
        paths = [tmp_path / f"{i}.png" for i in range(COUNT + 1)]
        for path in paths:
            cv2.imwrite(str(path), picture)
        names, labels = [path.name for path in paths], [0] * COUNT + [1]
        mask = tmp_path / "mask.png"
        truth = np.zeros(shape, np.uint8)
        row, column = defect or (16, 16)
        truth[2 * row : 2 * row + 4, 4 * column : 4 * column + 8] = 255
        cv2.imwrite(str(mask), truth)
        images = ImageSet(
            **{"paths": paths, "names": names, "labels": labels},
            **{"classes": ["good"] * COUNT + ["hole"], "image_shape": (*SIZE, 3)},
            mask_paths=[()] * COUNT + [(mask,)],
        )
        regions = FalseRegions(images, Preparation(SIZE, 3, **options))
        for index, (top, left) in enumerate(corners):
            false = np.zeros(SIZE, bool)
            false[top : top + 2, left : left + 2] = True
            judged.maps[index] = np.float32(false)
            regions.add(index, Verdict(1, false, false, false, None, None), None)
        regions.add(COUNT, Verdict(1, *[truth] * 3, None, None), truth > 0)
        judged.images, judged.preparation = images, regions.preparation
        return regions.write(tmp_path)

    judged.maps = [None] * (COUNT + 1)  # that of the defective image is not looked at
    return judged


LEFT = [(i * 2, 0) for i in range(COUNT)]  # places along the left border
MIDDLE = [(9 + i, 22 - i) for i in range(COUNT)]


def test_regions_in_the_background_lead_to_the_foreground(judged, tmp_path):
    hint = judged(LEFT)
    assert hint.startswith(
        "14 of 14 false regions on good images lie in the background"
    )
    assert "train.py --mask foreground" in hint
    picture = cv2.imread(str(tmp_path / PICTURE))
    assert picture.shape == (*SIZE, 3)
    assert judged(MIDDLE) == ""
    assert not (tmp_path / PICTURE).exists()


def test_regions_at_a_border_of_a_texture_lead_to_a_rectangle(judged):
    assert "--mask 0,0,8,64 leaves" in judged(LEFT, texture=True)
    assert judged(MIDDLE, texture=True) == ""
    assert judged(LEFT, texture=True, defect=(30, 1)) == ""


def test_a_defect_in_the_background_forbids_to_leave_it_out(judged):
    assert "--mask 0,0,8,64 leaves" in judged(LEFT, defect=(16, 29))
    assert judged(LEFT, defect=(16, 1)) == ""


def test_images_that_decide_lead_to_the_same_hint(judged, tmp_path, caplog):
    caplog.set_level("INFO")
    expected = judged(LEFT)
    picture = cv2.imread(str(tmp_path / PICTURE))
    every = judged.images
    maps = dict(zip(every.names, judged.maps, strict=True))

    def curves(images):
        return (maps[name] for name in images.names)

    known = SimpleNamespace(detector=judged, maps=curves)
    half = every.subset(range(7)), every.subset(range(7, COUNT + 1))
    report_false_regions(
        tmp_path, Decision(0.5, 2), [(x, known) for x in half], every.names[:COUNT]
    )
    assert caplog.messages == [f"hint: {expected}"]
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / PICTURE)), picture)
    report_false_regions(
        tmp_path, Decision(0.5, 2), [(x, known) for x in half], every.names[:3]
    )
    assert len(caplog.messages) == 1
    assert not (tmp_path / PICTURE).exists()


def test_no_hint_at_what_cannot_help(judged):
    assert judged(LEFT[:4]) == ""  # too few
    assert judged(LEFT, mask="0,0,1,1") == ""
    assert judged(LEFT, texture=True, register="orb") == ""
