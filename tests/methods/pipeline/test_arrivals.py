import os
import subprocess

import pytest

from methods.pipeline.arrivals import Arrivals, candidates, check_file
from processing.errors import UserError


def test_deep_folders(tmp_path):
    """Deeper than Python calls itself."""
    top = tmp_path / "deep"
    path = top.joinpath(*["d"] * 1100)
    subprocess.run(["mkdir", "-p", path], check=True)
    (path / "a.png").touch()
    assert list(candidates(top)) == [path / "a.png"]
    subprocess.run(["rm", "-r", top], check=True)  # Python's own would not


def test_files_are_whole_once_they_rest_and_new_until_they_are_settled(tmp_path):
    path, arrivals = tmp_path / "a.png", Arrivals(tmp_path)
    path.write_bytes(b"1")
    (tmp_path / "notes.txt").write_bytes(b"1")
    assert arrivals.look() == []
    path.write_bytes(b"12")
    assert arrivals.look() == []
    assert arrivals.look() == arrivals.look() == [path]
    assert not arrivals.changed(path)
    arrivals.settle(path)
    assert arrivals.look() == []
    path.write_bytes(b"123")
    assert arrivals.changed(path)
    assert [arrivals.look(), arrivals.look()] == [[], [path]]
    path.unlink()
    assert not arrivals.changed(path)
    assert [arrivals.look(), arrivals.settled] == [[], {}]


def test_what_is_no_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    for name in ("pipe.png", "folder.png"):
        with pytest.raises(UserError, match="expected an image file"):
            check_file(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        check_file(tmp_path / "no.png")
