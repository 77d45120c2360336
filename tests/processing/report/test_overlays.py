import os
import unicodedata

import cv2
import numpy as np

from processing.report.overlays import overlay, picture_names, write_overlay, write_png


def test_only_regions_and_their_outlines_change(rng):
    image = rng.integers(0, 255, (64, 64, 3)).astype("uint8")
    mask = np.zeros((64, 64), bool)
    mask[20:40, 10:30] = True
    result = overlay(image, mask)
    changed = (result != image).any(axis=-1)
    assert changed[20:40, 10:30].mean() > 0.9
    near = cv2.dilate(mask.astype("uint8"), np.ones((5, 5))).astype(bool)
    assert not changed[~near].any()
    assert (overlay(image, np.zeros_like(mask)) == image).all()


def test_written_at_the_size_of_the_image(tmp_path):
    image = np.full((50, 80, 3), 200, np.uint8)
    mask = np.zeros((10, 10), bool)
    mask[:5] = True
    painted = np.zeros((10, 10, 3), np.uint8)
    painted[:5] = [20, 20, 250]
    write_overlay(tmp_path / "größe 1", "part", image, mask, painted)
    written = cv2.imread(str(tmp_path / "größe 1/part_seg.png"), cv2.IMREAD_UNCHANGED)
    assert written.shape == (50, 80)
    assert (written[:25] == 255).all()
    assert (written[25:] == 0).all()
    assert cv2.imread(str(tmp_path / "größe 1/part_overlay.png")).shape == (50, 80, 3)
    heat = cv2.imread(str(tmp_path / "größe 1/part_heatmap.png"))
    assert heat.shape == (50, 80, 3)
    assert heat[0, 0].tolist() == [20, 20, 250]


def test_no_copies_of_images_that_nobody_looks_at(tmp_path):
    image, mask = np.zeros((8, 8, 3), np.uint8), np.zeros((4, 4), bool)
    for painted, kinds in ((image, ["heatmap", "overlay", "seg"]), (None, ["seg"])):
        write_overlay(tmp_path, "part", image, mask, painted)
        names = sorted(path.stem for path in tmp_path.iterdir())
        assert names == [f"part_{kind}" for kind in kinds]


def test_png_keeps_colours(tmp_path):
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[..., 0] = 255  # red
    write_png(tmp_path / "red.png", pixels)
    assert cv2.imread(str(tmp_path / "red.png"))[0, 0].tolist() == [0, 0, 255]


def test_names_of_pictures():
    names = ["test/good/000.png", "test/hole/000.png", "a b/c.png"]
    assert picture_names(names) == ["good_000", "hole_000", "a b_c"]


def test_pictures_whose_names_differ_in_the_suffix_only():
    assert picture_names(["x.png", "x.jpg", "y.png"]) == ["x.png", "x.jpg", "y"]


def test_final_names_are_different_and_fit_into_any_folder(tmp_path):
    names = [
        "cam/001.png",
        "cam_001.png",
        "CAM_001.png",
        "test/x.png",
        "x.png",
        "x.jpg",
    ]
    names += ["caf\u00e9.png", "cafe\u0301.png", "a/a_2.png", "a_a.png", "a/a.png"]
    names += [f"{'部' * 200}{end}.png" for end in "12"] + [
        "d/" * 300 + "x.png",
        "#.png",
    ]
    names += ["\udcff.png"]
    written = picture_names(names)
    assert written[:3] == ["cam_001", "cam_001_2", "CAM_001_3"]
    folded = [unicodedata.normalize("NFC", name).casefold() for name in written]
    assert len({*folded}) == len(names)
    assert not any("/" in name for name in written)
    for name in written:
        path = tmp_path / f"{name}_inspection.png"
        write_png(path, np.zeros((1, 1), np.uint8))
        assert len(os.fsencode(path.name)) <= 230
    assert picture_names(names) == written
