import cv2
import numpy as np
import pytest

from processing.errors import UsageError, UserError
from processing.samples import DEFECTS, NOTICEABLE, draw_sample, main, write_samples

FEW = {"train": 2, "good": 1, "defects": 2, "size": 32}
KINDS = [(category, kind) for category in DEFECTS for kind in DEFECTS[category]]


def contents(folder):
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.mark.parametrize("category", sorted(DEFECTS))
def test_layout_is_complete(tmp_path, category):
    (folder,) = write_samples(tmp_path / "new" / "set", **FEW, categories=[category])
    assert folder == tmp_path / "new" / "set" / category
    expected = {"train/good/000.png", "train/good/001.png", "test/good/000.png"}
    for kind in DEFECTS[category]:
        expected |= {f"test/{kind}/{index}.png" for index in ("000", "001")}
        expected |= {f"ground_truth/{kind}/{i}_mask.png" for i in ("000", "001")}
    assert set(contents(folder)) == expected
    assert len(DEFECTS[category]) >= 4


def test_files_hold_the_drawn_sample(tmp_path):
    (folder,) = write_samples(tmp_path, **FEW, seed=3, categories=["washer"])
    sample = draw_sample("washer", "test/stain", 1, seed=3, size=32)
    image = cv2.imread(str(folder / "test/stain/001.png"), cv2.IMREAD_UNCHANGED)
    mask = cv2.imread(
        str(folder / "ground_truth/stain/001_mask.png"), cv2.IMREAD_UNCHANGED
    )
    np.testing.assert_array_equal(image[..., ::-1], sample.image)
    np.testing.assert_array_equal(mask, sample.mask)


def test_same_seed_same_files_whatever_the_other_counts(tmp_path):
    numbers = {"train": 3, "good": 2, "defects": 1, "size": 32}
    write_samples(tmp_path / "a", **FEW)
    write_samples(tmp_path / "b", **numbers, categories=("fabric", "washer"))
    write_samples(tmp_path / "c", **FEW, seed=1)
    a, b, c = (contents(tmp_path / name) for name in "abc")
    common = a.keys() & b.keys()
    assert len(common) == 2 * (2 + 1 + 4 * 2)
    assert all(a[name] == b[name] for name in common)
    assert all(a[name] != c[name] for name in a if "ground_truth" not in name)


@pytest.mark.parametrize("size", [32, 64, 128])
@pytest.mark.parametrize(("category", "kind"), KINDS)
def test_a_defect_is_visible_and_only_inside_its_mask(category, kind, size):
    for index in range(4):
        sample = draw_sample(category, f"test/{kind}", index, size=size)
        assert sample.image.shape == sample.clean.shape == (size, size, 3)
        assert sample.image.dtype == sample.mask.dtype == np.uint8
        assert set(np.unique(sample.mask)) == {0, 255}
        change = cv2.absdiff(sample.image, sample.clean)
        assert change[sample.mask == 0].max() <= NOTICEABLE
        assert change[sample.mask > 0].max() > 2 * NOTICEABLE
        assert 0.0005 < (sample.mask > 0).mean() < 0.15


@pytest.mark.parametrize("category", sorted(DEFECTS))
def test_good_images_vary_a_little(category):
    first, second = (draw_sample(category, "train/good", i, size=64) for i in (0, 1))
    assert not first.mask.any()
    np.testing.assert_array_equal(first.image, first.clean)
    assert 1 < cv2.absdiff(first.image, second.image).mean() < 40


def test_main_prints_the_folders(tmp_path, capsys):
    options = ["--train=1", "--good=0", "--defects=1", "--size=32", "--seed=5"]
    assert main([str(tmp_path), *options]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed == [str(tmp_path / "washer"), str(tmp_path / "fabric")]
    assert not (tmp_path / "washer/test/good").exists()
    assert len(contents(tmp_path)) == 2 * (1 + 4 + 4)


@pytest.mark.parametrize("option", ["seed", "train", "good", "defects", "size"])
def test_main_rejects_a_negative_number(tmp_path, capsys, option):
    assert main([str(tmp_path), f"--{option}", "-1"]) == 2
    assert f"`{option}` must be >= " in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_main_fails_where_the_folder_is_a_file(tmp_path, capsys):
    file = tmp_path / "file"
    file.write_text("here first")
    assert main([str(file), "--size", "32"]) == 1
    assert str(file) in capsys.readouterr().err
    with pytest.raises(UserError, match="cannot write"):
        write_samples(file, **FEW)


def test_an_unknown_category_lists_the_known(tmp_path):
    with pytest.raises(UsageError, match=r"gear.*fabric.*washer"):
        write_samples(tmp_path, categories=["gear"])
