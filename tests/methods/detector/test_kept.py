"""What is kept of images: found by content, or made anew."""

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from methods.detector import kept as module
from methods.detector.kept import LIMIT, Kept
from processing.data.dataset import unlabelled
from processing.errors import UsageError
from tests.records import training_record

RECORD = replace(training_record("PaDiM"), id="one")
COUNT = 5


@pytest.fixture
def files(tmp_path):
    """Return image files, which nothing has to decode."""
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(COUNT):
        (folder / f"{i}.png").write_text(f"image {i}")
    return sorted(folder.iterdir())


@pytest.fixture
def run(files, tmp_path):
    """Return what gives the arrays of all files, and how many it had to make."""

    def run(record=RECORD, make=None):
        made = []

        def arrays(images):
            for path in images.paths:
                made.append(path.name)
                yield (make or arrays_of)(path)

        images = unlabelled({path.name: path for path in files}, (8, 8, 1))
        kept = Kept.of(record, tmp_path / "results")
        return list(kept.each(images, "maps_ssim", arrays)), made

    return run


def arrays_of(path: Path):
    rng = np.random.default_rng(len(path.read_bytes()) + int(path.stem))
    return {
        "map": rng.normal(size=(7, 9)).astype(np.float32),
        "levels": np.sort(rng.normal(size=30)),
        "areas": rng.integers(-5, 99, 30).astype(np.int32),
        "bytes": rng.integers(0, 256, 12).astype(np.uint8),
        "score": np.float32(rng.normal()),
        "none": np.zeros(0, np.float32),
    }


def assert_right(found, files):
    assert len(found) == len(files)
    for arrays, path in zip(found, files, strict=True):
        expected = arrays_of(path)
        assert list(arrays) == list(expected)
        for name, array in expected.items():
            assert arrays[name].dtype == array.dtype
            np.testing.assert_array_equal(arrays[name], array)


def entries(tmp_path):
    return sorted((tmp_path / "results").rglob("*.npz"))


def test_what_is_kept_is_not_made_again(run, files, caplog):
    caplog.set_level(logging.INFO)
    first, made = run()
    assert_right(first, files)
    assert len(made) == COUNT
    assert not caplog.messages
    again, made = run()
    assert_right(again, files)
    assert not made
    assert caplog.messages == ["5 of 5 images were judged before"]


def test_one_image_of_those_that_were_looked_for(run, files, tmp_path):
    run()
    kept = Kept(entries(tmp_path)[0].parents[1], room=2**20)
    images = unlabelled({path.name: path for path in files}, (8, 8, 1))
    assert kept.known(images, "curves") == set()
    for make in (arrays_of, None):  # the second time it is not called
        arrays = kept.one(files[0], "curves", lambda: make(files[0]))  # noqa: B023
        assert_right([arrays], files[:1])


def test_a_changed_image_alone_is_made_again(run, files):
    run()
    files[2].write_text("another image")
    found, made = run()
    assert made == ["2.png"]
    assert_right(found, files)


def test_a_touched_image_is_the_same(run, files):
    run()
    for file in files:
        shutil.copy(file, file.with_suffix(".copy"))
        file.with_suffix(".copy").replace(file)
    assert not run()[1]


def test_a_slice_is_not_its_volume(tmp_path):
    (tmp_path / "a.nii").write_text("a volume")
    names = ("a.nii", "a.nii#1", "a.nii#2")
    contents = {module._content(tmp_path / name) for name in names}
    assert len(contents - {""}) == len(names)


@pytest.mark.parametrize("changed", ["id", "versions", "backend", "format"])
def test_another_state_of_the_model_finds_nothing(run, monkeypatch, tmp_path, changed):
    run()
    record = replace(RECORD, id="two") if changed == "id" else RECORD
    if changed == "versions":
        monkeypatch.setattr(module, "versions", lambda: {"keras": "9"})
    if changed == "backend":
        monkeypatch.setattr(module, "chosen_backend", lambda: "another")
    if changed == "format":
        monkeypatch.setattr(module, "FORMAT", 0)
    assert len(run(record)[1]) == COUNT
    assert len(entries(tmp_path)) == COUNT  # what the earlier one kept is gone


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: b"\x93NUMPY" + content,
        lambda content: bytes(100),
        lambda content: content.replace(content[150:153], b"abc"),
    ],
)
def test_what_is_damaged_is_made_again(run, files, tmp_path, caplog, damage):
    caplog.set_level(logging.INFO)
    run()
    file = entries(tmp_path)[0]
    file.write_bytes(damage(file.read_bytes()))
    found, made = run()
    assert_right(found, files)
    assert len(made) == 1
    assert f"{file} is damaged, and judged anew" in caplog.text
    assert not run()[1]


def test_what_another_process_removes_is_made_again(run, files, tmp_path, monkeypatch):
    run()
    read = Kept._read

    def removed(kept, path, what):
        entries(tmp_path)[0].unlink(missing_ok=True)
        monkeypatch.setattr(Kept, "_read", read)
        return read(kept, path, what)

    monkeypatch.setattr(Kept, "_read", removed)
    found, made = run()
    assert_right(found, files)
    assert len(made) == 1


def test_an_image_that_changes_while_it_is_judged_is_not_kept(run, files, tmp_path):
    def change(path):
        arrays = arrays_of(path)
        path.write_text(f"changed {path.name}")
        return arrays

    run(make=change)
    assert not entries(tmp_path)


def test_the_limit_is_said_once_and_kept(run, files, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setenv(LIMIT, "2000")
    found, _ = run()
    assert_right(found, files)
    count = len(entries(tmp_path))
    assert 0 < count < COUNT
    assert [LIMIT in line for line in caplog.messages] == [True]
    found, made = run()
    assert_right(found, files)
    assert len(made) == COUNT - count
    monkeypatch.setenv(LIMIT, "0")
    assert len(run()[1]) == COUNT


def test_a_limit_that_is_none(run, monkeypatch):
    monkeypatch.setenv(LIMIT, "1 GB")
    with pytest.raises(UsageError, match="expected a number of bytes. Received: 1 GB"):
        run()


def test_nothing_is_kept_where_nothing_can_be_written(run, files, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    root = tmp_path / "results" / RECORD.run
    root.mkdir(parents=True)
    (root / "kept").write_text("a file")
    found, _ = run()
    assert_right(found, files)
    assert "nothing more is kept" in caplog.text


def test_nothing_is_kept_of_methods_that_are_not_ours(run, tmp_path):
    record = replace(RECORD, method="own:Method")
    run(record)
    assert len(run(record)[1]) == COUNT
    assert not entries(tmp_path)
