"""Watching a folder: what is judged when, and that nothing is judged twice."""

import copy
import gzip
import os
import shutil
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path
from unittest.mock import Mock

import pytest

import test as script
from methods.detector.decisions import load_decided, read_results, write_decision
from methods.detector.model_file import read_record
from methods.pipeline import arrivals, watching
from methods.pipeline.drifting import FolderDrift
from methods.pipeline.growing_table import Table
from methods.pipeline.judging import NOT_JUDGED
from methods.pipeline.testing import Options
from methods.pipeline.watching import Watcher, watch
from processing.decoding import decode
from processing.errors import UsageError, UserError
from processing.files import read_table

ROOT = Path(__file__).parents[3]


@pytest.fixture
def photos(samples):
    return [
        path.read_bytes() for path in sorted((samples / "washer/train").rglob("*.png"))
    ]


@pytest.fixture(scope="module")
def decided(model):
    return load_decided(model[0], None, model[1], None, None)


@pytest.fixture
def watched(model, decided, monkeypatch, tmp_path):
    """Return a function that watches, one of its arguments at each pause."""
    folder = tmp_path / "arriving"
    folder.mkdir()

    def run(*steps):
        waiting = list(steps)

        def pause(_):
            if not waiting:
                raise KeyboardInterrupt
            waiting.pop(0)()

        monkeypatch.setattr(watching.time, "sleep", pause)
        monkeypatch.setattr(watching, "load_decided", lambda *_: run.decided)
        return watch(model[0], Options(images=folder, results=results), run.drift)

    results = tmp_path / "results"
    run.folder, run.decided, run.drift = folder, decided, 0
    (tmp_path / "results").symlink_to(model[1])
    yield run
    for path in model[1].rglob("watch/arriving/*"):
        path.unlink()


def names(table):
    """Return the files in a table of scores."""
    return [row["file"] for row in read_table(table.read_text())]


def lines(table):
    """Return the reasons in the table of what was not judged, by name."""
    text = (table.parent / NOT_JUDGED).read_text()
    rows = read_table(text)
    assert len({row["file"] for row in rows}) == len(rows)
    return {row["file"]: row["reason"] for row in rows}


def nothing():
    pass


def test_images_are_judged_once_they_are_whole(watched, photos, caplog):
    new, sub = watched.folder / "b.png", watched.folder / "sub/c.png"
    (watched.folder / "a.png").write_bytes(photos[0])
    sub.parent.mkdir()

    def half():
        new.write_bytes(photos[1][:500])

    def whole():
        new.write_bytes(photos[1])
        sub.write_bytes(photos[2])

    table, count = watched(nothing, half, nothing, nothing, whole, nothing)
    assert names(table) == ["a.png", "b.png", "sub/c.png"]
    assert count == 3
    assert caplog.text.count("not judged") == 1
    assert lines(table) == {}
    table, count = watched(nothing)
    assert (len(names(table)), count) == (3, 0)


def test_the_decision_that_is_named_judges(model, photos, tmp_path, monkeypatch):
    path, results = model
    here = tmp_path / "results"
    shutil.copytree(results, here, ignore=shutil.ignore_patterns("watch"))
    record = read_record(path)
    [(folder, older)] = read_results(record, here, None, None)
    write_decision(record, here, "newer", older)
    (tmp_path / "a.png").write_bytes(photos[0])
    monkeypatch.setattr(
        watching.time, "sleep", Mock(side_effect=[0, KeyboardInterrupt])
    )
    options = Options(images=tmp_path, results=here, decision=folder.name)
    table, _ = watch(path, options)
    assert {row["decision"] for row in read_table(table.read_text())} == {older.id}


def test_a_file_that_still_changes_is_left_alone(watched, photos):
    path = watched.folder / "a.png"

    def grow():
        path.write_bytes(photos[0] + bytes(len(path.read_bytes()) % 7 + 1))

    path.write_bytes(photos[0])
    table, count = watched(grow, grow, grow)
    assert count == 0
    assert not table.exists()


def test_a_file_that_vanishes_stops_nothing(watched, photos, monkeypatch):
    first, second = watched.folder / "a.png", watched.folder / "b.png"
    first.write_bytes(photos[0])
    second.write_bytes(photos[1])
    is_file = Watcher._is_file

    def vanishing(self, path):
        found = is_file(self, path)
        first.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(Watcher, "_is_file", vanishing)

    def back():
        first.write_bytes(photos[0])

    table, count = watched(nothing, nothing)
    assert names(table) == ["b.png"]
    assert count == 1
    assert lines(table) == {"a.png": "not a readable image (No such file or directory)"}
    monkeypatch.setattr(Watcher, "_is_file", is_file)
    table, _ = watched(back, nothing, nothing)
    assert names(table) == ["b.png", "a.png"]
    assert lines(table) == {}


def test_scores_are_those_of_test(watched, model, photos):
    from methods.pipeline import testing

    for index in (0, 5, 11):
        (watched.folder / f"{index}.png").write_bytes(photos[index])
    table, _ = watched(nothing)
    rows = read_table(table.read_text())
    assert [int(row.pop("size")) for row in rows] == [
        len(photos[i]) for i in (0, 5, 11)
    ]
    assert all(row.pop("time").endswith("Z") for row in rows)
    options = Options(images=watched.folder, results=model[1], report=False)
    expected = testing.predict(model[0], options).rows
    for row, one in zip(rows, expected, strict=True):
        assert float(row.pop("score")) == pytest.approx(one.pop("score"), rel=1e-5)
        assert row == {key: str(value) for key, value in one.items()}


def damaged_gzip(data):
    return gzip.compress(data)[:40]


BAD = {  # name -> content; None for a folder
    "cut.png": lambda photo: photo[:500],
    "empty.jpg": lambda photo: b"",
    "text.png": lambda photo: b"no image",
    "poison.png": lambda photo: poison(photo),
    "damaged.nii.gz": damaged_gzip,
    "damaged.nii": lambda photo: b"n+1" * 200,
    "image.dcm": lambda photo: photo,
    "folder.png": None,
}


def poison(photo):
    """Return a PNG whose checksums are right and whose stream is not."""
    start = photo.index(b"IDAT") - 4
    length = int.from_bytes(photo[start : start + 4], "big")
    chunk = b"IDAT" + bytes(length)
    crc = zlib.crc32(chunk).to_bytes(4, "big")
    return photo[: start + 4] + chunk + crc + photo[start + 12 + length :]


def test_what_cannot_be_judged_is_listed_once_and_stops_nothing(
    watched, photos, caplog
):
    for name, make in BAD.items():
        path = watched.folder / name
        path.write_bytes(make(photos[0])) if make else path.mkdir()
    for index, photo in enumerate(photos[:4]):
        (watched.folder / f"{index}.png").write_bytes(photo)
    (watched.folder / "link.png").symlink_to("nowhere")
    os.mkfifo(watched.folder / "pipe.png")
    (watched.folder / "caf\udce9.png").write_bytes(photos[4])
    (watched.folder / "a\nb.png").write_bytes(photos[5])
    table, count = watched(nothing, nothing, nothing)
    good = ["0.png", "1.png", "2.png", "3.png", "a\nb.png", "caf\\udce9.png"]
    assert sorted(names(table)) == good
    assert count == 6
    assert lines(table).keys() == {*BAD, "link.png", "pipe.png"}
    assert all(lines(table).values())
    assert caplog.text.count("not judged: ") == 10
    before = (table.parent / NOT_JUDGED).read_bytes()
    table, count = watched(nothing, nothing)  # the next start
    assert (sorted(names(table)), count) == (good, 0)
    assert (table.parent / NOT_JUDGED).read_bytes() == before
    assert caplog.text.count("not judged: ") == 10


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("so"), EOFError("x")])
def test_whatever_a_decoder_raises(watched, photos, monkeypatch, error):
    for name in ("a.png", "b.png", "c.png"):
        (watched.folder / name).write_bytes(photos[0])
    read = decode.read_pixels

    def failing(path, *arguments):
        if path.name == "b.png":
            raise error
        return read(path, *arguments)

    monkeypatch.setattr("processing.preprocessing.preparation.read_pixels", failing)
    table, _ = watched(nothing, nothing)
    assert names(table) == ["a.png", "c.png"]
    assert lines(table)["b.png"].startswith(type(error).__name__)


def test_drift_is_counted_once_across_starts(watched, photos):
    watched.drift = 0.05
    for index, photo in enumerate(photos[:8]):
        (watched.folder / f"{index}.png").write_bytes(photo)
    table, _ = watched(nothing)
    (watched.folder / "8.png").write_bytes(photos[8])
    table, count = watched(nothing)
    rows = read_table(table.read_text())
    counted = [row for row in rows if row["drift"]]
    assert (len(rows), count) == (9, 1)
    assert len(counted) >= 3
    assert all(float(row["brightness"]) > 0 for row in counted)
    assert all(row["critical"] == "" for row in rows if row not in counted)
    apart = table.with_name("other.csv")
    apart.write_text(table.read_text())
    charts = FolderDrift(watched.decided.judge, 0.05, Table(apart)).charts
    assert charts.count == len(counted)
    assert max(charts.logs.values()) == pytest.approx(float(counted[-1]["drift"]))


def test_drift_needs_a_table_of_its_own(watched, photos):
    (watched.folder / "a.png").write_bytes(photos[0])
    watched(nothing)
    watched.drift = 0.05
    with pytest.raises(UsageError, match="without --drift: expected another --results"):
        watched(nothing)


def test_a_file_that_is_renewed_is_judged_again(watched, photos):
    path = watched.folder / "last.png"
    path.write_bytes(photos[0])

    def renew():
        path.write_bytes(photos[1])

    def touch():
        os.utime(path, ns=(10**18, 10**18))

    table, count = watched(nothing, nothing, renew, nothing, nothing)
    assert names(table) == ["last.png"] * 2
    table, count = watched(nothing, nothing)
    assert count == 0
    touch()  # while nobody watches
    table, count = watched(nothing, nothing)
    rows = read_table(table.read_text())
    assert count == 1
    assert rows[-1]["time"] == "2001-09-09T01:46:40.000000Z"
    assert rows[0]["score"] != rows[1]["score"] == rows[2]["score"]


def test_a_listed_file_that_is_mended_is_judged(watched, photos):
    path = watched.folder / "a.png"
    path.write_bytes(photos[0][:300])

    def mend():
        path.write_bytes(photos[0])

    table, count = watched(nothing, mend, nothing, nothing)
    assert (names(table), count) == (["a.png"], 1)
    assert lines(table) == {}


def test_a_folder_that_cannot_be_listed(watched, photos, monkeypatch):
    listed = arrivals.entries

    def denied(folder):
        if folder.name == "private":
            raise UserError(f"cannot list {folder}: Permission denied")
        return listed(folder)

    monkeypatch.setattr(arrivals, "entries", denied)
    (watched.folder / "private").mkdir()
    (watched.folder / "z.png").write_bytes(photos[0])
    table, _ = watched(nothing, nothing)
    assert names(table) == ["z.png"]
    assert "Permission denied" in lines(table)["private"]


def test_another_decision_judges_all_images_again(watched, decided, photos):
    (watched.folder / "a.png").write_bytes(photos[0])
    table, _ = watched(nothing)
    [before] = read_table(table.read_text())
    watched.decided = decided._replace(judge=copy.copy(decided.judge))
    watched.decided.judge.name = "another"
    table, count = watched(nothing)
    assert count == 1
    assert read_table(table.read_text()) == [before | {"decision": "another"}]
    kept = table.with_name(f"scores_{before['decision']}.csv")
    assert read_table(kept.read_text()) == [before]


def test_two_folders_of_one_name_do_not_mix(watched, model, tmp_path):
    watched()
    other = tmp_path / "elsewhere/arriving"
    other.mkdir(parents=True)
    with pytest.raises(UsageError, match="holds the scores of .*another --results"):
        watch(model[0], Options(images=other, results=model[1]))
    with pytest.raises(UsageError, match="--watch: expected a folder"):
        watch(model[0], Options(images=tmp_path / "no", results=model[1]))


@pytest.mark.parametrize("options", [["--watch"], ["--watch", "-d", "x", "-s"]])
def test_options_that_do_not_go_together(options, capsys):
    with pytest.raises(SystemExit) as stop:
        script.main(["-p", "x", *options])
    assert stop.value.code == 2
    assert "--watch needs -d FOLDER" in capsys.readouterr().err


def interruptible():
    """Undo what a shell does to programs in its background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.nightly
def test_killed_and_started_again(watched, model, photos):
    """A real process: killed after the first rows, then ended by Ctrl-C."""
    words = ["test.py", "-p", model[0], "-d", watched.folder, "--watch"]
    command = [sys.executable, *map(str, words), "--results", str(model[1])]
    for end, arrived in ((signal.SIGKILL, 6), (signal.SIGINT, len(photos))):
        there = len(list(watched.folder.iterdir()))
        for index in range(there, arrived):
            (watched.folder / f"{index:02}.png").write_bytes(photos[index])
        expected = 1 if end == signal.SIGKILL else arrived
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            preexec_fn=interruptible,
        )
        judged = []
        while len(judged) < expected and process.poll() is None:
            tables = list(model[1].rglob("watch/arriving/scores.csv"))
            judged = names(tables[0]) if tables else []
            time.sleep(0.01)
        process.send_signal(end)
        printed = process.communicate(timeout=60)[0].decode()
    assert process.returncode == 0
    assert "judged: " in printed
    assert sorted(judged) == sorted(path.name for path in watched.folder.iterdir())
