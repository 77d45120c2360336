import os
from pathlib import Path

import pytest

from processing.data.listing import bare_name, existing, list_images, some
from processing.errors import UsageError
from tests.folders import make


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("photo 1.png", "photo 1"),
        ("a.b.PNG", "a.b"),
        ("scan.nii.gz", "scan"),
        ("scan.nii.gz#012", "scan_012"),
        ("test/lesion/scan.dcm#3", "test/lesion/scan_3"),
        ("part #3.jpg", "part #3"),
        ("notes", "notes"),
    ],
)
def test_names_without_their_suffix(name, bare):
    assert bare_name(name) == bare


def test_first_names_and_how_many_more():
    assert some("abc") == "a, b, c"
    assert some("abcdefg", "; ") == "a; b; c; d; e and 2 more"


def names(left_out):
    return [str(item) for item in left_out]


def test_what_is_in_a_folder(tmp_path):
    make(tmp_path, "2.png", "10.png", "a/1.jpg", "a/b/c/1.bmp", ".hidden/1.png")
    make(tmp_path, "__MACOSX/1.png", ".2.png")
    for name in ("notes.txt", "a/Thumbs.db", ".DS_Store", "photo.heic"):
        (tmp_path / name).touch()
    found = list_images(tmp_path)
    assert found.images == ("2.png", "10.png", "a/1.jpg", "a/b/c/1.bmp")
    assert sorted(found.others) == ["a/Thumbs.db", "notes.txt"]
    assert names(found.left_out) == ["photo.heic (a format that is not read)"]


def test_links_are_followed_once_and_in_no_circle(tmp_path):
    make(tmp_path / "elsewhere", "1.png", "sub/2.png")
    folder = make(tmp_path / "set", "a/1.png")
    os.symlink(tmp_path / "elsewhere", folder / "b")
    os.symlink(tmp_path / "elsewhere", folder / "c")
    os.symlink(folder, folder / "a/all")
    os.symlink(tmp_path / "set", tmp_path / "elsewhere/back")
    os.symlink("nowhere", folder / "gone.png")
    os.symlink("itself", folder / "itself")
    os.symlink(tmp_path / "elsewhere/1.png", folder / "linked.png")
    os.mkfifo(folder / "pipe.png")
    found = list_images(folder)
    assert found.images == ("a/1.png", "b/1.png", "b/sub/2.png", "linked.png")
    reasons = {item.name: item.reason for item in found.left_out}
    assert reasons.pop("itself").startswith("cannot be read: Too many levels")
    assert reasons == {
        "c": "a second link to a folder",
        "gone.png": "a link to nowhere",
        "pipe.png": "not a regular file",
    }


def test_names_that_are_no_utf8(tmp_path):
    make(tmp_path, "1.png")
    for name in (b"f\xfcr.png", b"t\xfcr", b"n\xf6.txt"):
        path = os.fsencode(tmp_path) + b"/" + name
        os.mkdir(path) if name == b"t\xfcr" else open(path, "wb").close()
    found = list_images(tmp_path)
    assert found.images == ("1.png",)
    assert names(found.left_out) == [
        r"f\udcfcr.png (its name is no UTF-8)",
        r"t\udcfcr (its name is no UTF-8)",
    ]
    assert all(item.fault for item in found.left_out)
    with pytest.raises(UsageError, match=r"no UTF-8, rename it first: .*f.udcfcr.png"):
        existing(tmp_path / os.fsdecode(b"f\xfcr.png"), "")


def test_a_folder_that_vanishes_or_cannot_be_listed(tmp_path, monkeypatch):
    """Whoever runs this may be allowed everything, so `scandir` is told to refuse."""
    make(tmp_path, "a/1.png", "b/1.png", "c/1.png")
    scandir = os.scandir
    errors = {
        "a": PermissionError(13, "Permission denied"),
        "b": FileNotFoundError(2, "No"),
    }

    def refuse(path):
        error = errors.get(Path(path).name)
        if error:
            raise error
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = list_images(tmp_path)
    assert found.images == ("c/1.png",)
    assert names(found.left_out) == [
        "a (cannot be listed: Permission denied)",
        "b (cannot be listed: No)",
    ]
    assert all(item.fault for item in found.left_out)


@pytest.mark.parametrize(
    ("name", "depth", "found"), [("d", 1200, 2), ("d" * 99, 50, 1)]
)
def test_folders_nested_too_deep(tmp_path, monkeypatch, name, depth, found):
    """Python cannot recurse so deep, and Linux takes no path above 4,096 bytes."""
    make(tmp_path, "1.png")
    monkeypatch.chdir(tmp_path)
    for _ in range(depth):
        os.mkdir(name)
        os.chdir(name)
    make(Path(), "2.png")
    listing = list_images(tmp_path)
    assert len(listing.images) == found
    assert len(listing.left_out) == 2 - found
    assert all(len(str(item)) < 300 and item.fault for item in listing.left_out)
    os.unlink("2.png")
    for _ in range(depth):  # pytest would take long, or fail
        os.chdir("..")
        os.rmdir(name)
