"""Watching a folder: what is judged when, and that nothing is judged twice."""

import csv
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import test as script
from methods.pipeline import watching
from methods.pipeline.testing import Options
from methods.pipeline.watching import Scores, watch
from processing.errors import UsageError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def photos(samples):
    return [
        path.read_bytes() for path in sorted((samples / "washer/train").rglob("*.png"))
    ]


@pytest.fixture
def watched(model, monkeypatch, tmp_path):
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
        return watch(model[0], Options(images=folder, results=results))

    results = tmp_path / "results"
    run.folder = folder
    (tmp_path / "results").symlink_to(model[1])
    yield run
    for path in model[1].rglob("watch/arriving/*"):
        path.unlink()


def names(table):
    """Return the files in a table of scores."""
    return [row["file"] for row in csv.DictReader(table.read_text().splitlines())]


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
    assert caplog.text.count("not judged yet") == 1
    table, count = watched(nothing)
    assert (len(names(table)), count) == (3, 0)


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
    fault = watching.fault

    def vanishing(path):
        reason = fault(path)
        first.unlink(missing_ok=True)
        return reason

    monkeypatch.setattr(watching, "fault", vanishing)
    table, count = watched(nothing, nothing)
    assert names(table) == ["b.png"]
    assert count == 1


def test_scores_are_those_of_test(watched, model, photos):
    from methods.pipeline import testing

    for index in (0, 5, 11):
        (watched.folder / f"{index}.png").write_bytes(photos[index])
    table, _ = watched(nothing)
    rows = list(csv.DictReader(table.read_text().splitlines()))
    options = Options(images=watched.folder, results=model[1], report=False)
    expected = testing.predict(model[0], options).rows
    assert [{key: str(value) for key, value in row.items()} for row in expected] == rows


def test_a_row_that_was_cut_off_is_made_again(tmp_path):
    path = tmp_path / "scores.csv"
    Scores(path).add({"file": "a, ü.png", "score": 1.5})
    Scores(path).add({"file": "b.png", "score": 2.5, "other": 1})
    whole = path.read_bytes()
    path.write_bytes(whole[:-2])
    scores = Scores(path)
    assert scores.names == {"a, ü.png"}
    scores.add({"score": 2.5, "file": "b.png"})
    assert path.read_bytes() == whole
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        again = Scores(path)
        for name, score in (("a, ü.png", 1.5), ("b.png", 2.5)):
            if name not in again.names:
                again.add({"file": name, "score": score})
        assert path.read_bytes() == whole


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


@pytest.mark.slow
def test_killed_and_started_again(watched, model, photos):
    """A real process: killed after the first rows, then ended by Ctrl-C."""
    words = ["test.py", "-p", model[0], "-d", watched.folder, "--watch"]
    command = [sys.executable, *map(str, words), "--results", str(model[1])]
    for end, arrived in ((signal.SIGKILL, 6), (signal.SIGINT, len(photos))):
        for index, photo in enumerate(photos[:arrived]):
            (watched.folder / f"{index:02}.png").write_bytes(photo)
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
