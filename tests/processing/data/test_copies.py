import os
from pathlib import Path

import pytest

from processing.data.copies import PROBE, copy_warnings, identical_files, joined
from processing.data.scan import assigned, scan
from processing.data.splits import split_finetuning, split_validation
from processing.data.tree import FoundImage
from tests.folders import make


def image(name, kind="good", split="train", group=""):
    return FoundImage(Path("/x") / name, name, kind, split, group=group)


def write(folder, **contents):
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def test_files_of_the_same_bytes(tmp_path):
    paths = write(tmp_path, a=b"12", b=b"34", c=b"12", d=b"5", e=b"34", f=b"12")
    assert identical_files(paths) == [[0, 2, 5], [1, 4]]
    assert identical_files([]) == []


@pytest.mark.parametrize("place", [0, 2 * PROBE, 3 * PROBE, 6 * PROBE, -1])
def test_files_that_differ_in_one_byte(tmp_path, place):
    content = bytearray(8 * PROBE)
    paths = write(tmp_path, a=bytes(content), b=bytes(content))
    assert identical_files(paths) == [[0, 1]]
    content[place] = 1
    paths[1].write_bytes(content)
    assert identical_files(paths) == []


def test_a_file_that_is_gone_is_no_copy(tmp_path):
    paths = write(tmp_path, a=b"1", b=b"1")
    assert identical_files([tmp_path / "gone", *paths]) == [[1, 2]]
    assert identical_files([tmp_path / "gone", tmp_path / "gone"]) == []


def test_without_files_of_one_size_nothing_is_read(tmp_path, monkeypatch):
    paths = write(tmp_path, a=b"1", b=b"12", c=b"123")
    monkeypatch.setattr(Path, "open", None)
    assert identical_files(paths) == []


def test_copies_join_the_groups_that_are_there():
    images = [image("a"), image("b", group="g"), image("c", group="g"), image("d")]
    images += [image("e", group="h"), image("f")]
    groups = [x.group for x in joined(images, [[0, 2], [3, 5]])]
    assert groups[0] == groups[1] == groups[2] != ""
    assert groups[3] == groups[5] not in ("", groups[0])
    assert groups[4] == "h"
    assert joined(images, []) == images


def test_one_warning_counts_copies_and_names_five():
    images = [image(f"train/{i}") for i in range(8)]
    images += [image(f"test/{i}", split="test") for i in range(8)]
    copies = [[i, 8 + i] for i in range(6)] + [[6, 7]]
    [line] = copy_warnings(images, copies)
    assert "6 test images among the training images, too (test/0 = train/0, " in line
    assert "test/4 = train/4 and 1 more)" in line
    assert "1 image there twice, which stay in one split (train/7 = train/6)" in line
    assert copy_warnings(images, []) == []


def test_copies_before_the_test_set_is_drawn_are_not_across():
    images = [image("a", split=""), image("b", split=""), image("c", split="")]
    [line] = copy_warnings(images, [[0, 1, 2]])
    assert line.startswith("copies, byte for byte: 2 images there twice")


def test_an_image_that_is_good_and_defective_is_named():
    images = [image("a"), image("b", "hole", "test")]
    across, labels = copy_warnings(images, [[0, 1]])
    assert "b = a" in across
    assert labels == "the same image is good and defective: a = b"


def copies_of(folder, *names):
    """Write over files so that every two of them are copies."""
    for one, other in zip(names[::2], names[1::2], strict=True):
        (folder / other).write_bytes((folder / one).read_bytes())


def test_copies_stay_in_one_part_of_every_split(tmp_path):
    make(tmp_path, "good/{16}.png", "bad/{8}.png")
    names = [f"good/{i:03}.png" for i in range(12)]
    copies_of(tmp_path, *names, "bad/000.png", "bad/005.png")
    found = scan(tmp_path)
    groups = [x.group or x.name for x in found.images]
    labels = [0 if x.good else 1 for x in found.images]
    kinds = [x.kind for x in found.images]
    for seed in range(20):
        drawn = assigned(found.images, seed)
        test = {i for i, split in enumerate(drawn) if split == "test"}
        parts = [test]
        options = {"seed": seed, "groups": groups}
        parts.append(set(split_validation(len(groups), 0.3, **options)[1]))
        parts.append(set(split_finetuning(labels, kinds, 0.3, **options)[0]))
        for part in parts:
            assert 0 < len(part) < len(groups)
            for same in found.copies:
                assert len(part & set(same)) in (0, len(same))
    assert len(found.copies) == 7


def test_splits_without_copies_stay_as_they_are(tmp_path):
    make(tmp_path, "train/good/{12}.png", "test/good/{6}.png", "test/hole/{6}.png")
    assert not any(x.group for x in scan(tmp_path).images)
    copies_of(tmp_path, "test/good/000.png", "test/good/001.png")
    groups = [x.group for x in scan(tmp_path).images if x.group]
    assert groups == ["test/good/000.png"] * 2


def test_links_to_one_file_are_copies(tmp_path):
    make(tmp_path, "train/good/{3}.png")
    os.symlink(tmp_path / "train/good/000.png", tmp_path / "train/good/link.png")
    assert scan(tmp_path).copies == ((0, 3),)
