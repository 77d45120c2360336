import errno
import fcntl
import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pytest

from processing import files
from processing.errors import UserError
from processing.files import (
    check_writable,
    locked,
    new_folder,
    read_json,
    read_table,
    remove_leftovers,
    replacing,
    temporary_folder,
    working_in,
    write_json,
    write_table,
    write_text,
)


def test_writes_and_replaces(tmp_path):
    path = tmp_path / "new" / "ü.json"
    write_json(path, {"a": 1})
    write_json(path, {"a": "é"})
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": "é"}
    assert [p.name for p in path.parent.iterdir()] == ["ü.json"]


def test_json_comes_back(tmp_path):
    path = tmp_path / "result.json"
    write_json(path, {"a": [1, "é"]})
    assert read_json(path) == {"a": [1, "é"]}


@pytest.mark.parametrize(
    "content", [b"", b'{"a": 1', b"[1]", b'{"a": "\xff"}', b"null", b"[" * 99_999]
)
def test_what_is_no_json_object_is_damaged(tmp_path, content):
    path = tmp_path / "result.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match="result.json is damaged: "):
        read_json(path)


def test_what_is_synced_could_be_written(tmp_path, monkeypatch):
    """As Windows demands."""
    modes = []

    def sync(descriptor):
        modes.append(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE)

    monkeypatch.setattr(os, "fsync", sync)
    write_text(tmp_path / "file.txt", "new")
    assert modes == [os.O_RDWR]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "old")

    def write_half():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_full_disk_is_one_clear_error(tmp_path):
    """A limit on file sizes fails a write as a full disk does."""
    path = tmp_path / "large.txt"
    write_text(path, "old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(
            UserError, match=r"cannot write .*large\.txt: File too large"
        ):
            write_text(path, "x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_text() == "old"


def test_new_folders_have_new_names(tmp_path):
    names = [new_folder(tmp_path / "run").name for _ in range(3)]
    assert names == ["run", "run_2", "run_3"]


def test_a_table_has_a_column_for_every_key(tmp_path):
    path = tmp_path / "rows.csv"
    write_table(path, [{"a": 1, "b": "x,y"}, {"c": None, "a": 2}])
    assert path.read_text() == 'a,b,c\n1,"x,y",\n2,,\n'


HOLDER = """
import sys, time
from pathlib import Path
from processing.files import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_is_waited_for_and_free_once_its_holder_is_killed(tmp_path, caplog):
    caplog.set_level("INFO")
    path = tmp_path / "new" / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE
    )
    assert holder.stdout.readline() == b"held\n"
    timer = threading.Timer(0.3, holder.kill)
    timer.start()
    with locked(path):
        assert holder.wait() == -signal.SIGKILL
    assert "waiting for another process to finish its work in " in caplog.text
    holder.stdout.close()
    caplog.clear()
    with locked(path):
        pass
    assert caplog.text == ""


def test_tables_are_read_back_with_all_digits(tmp_path, rng):
    rows = [
        {"file": f'{i}, "ü".png', "score": float(x), "known": bool(i)}
        for i, x in enumerate(rng.random(50, np.float32))
    ]
    write_table(tmp_path / "t.csv", [*rows, {"file": "x.png"}])
    lines = (tmp_path / "t.csv").read_text().splitlines()
    assert lines[0] == "file,score,known"
    assert [float(line.split(",")[-2]) for line in lines[1:-1]] == [
        row["score"] for row in rows
    ]
    assert lines[-1] == "x.png,,"
    table = pd.read_csv(tmp_path / "t.csv")
    assert list(table["file"][:50]) == [row["file"] for row in rows]
    np.testing.assert_allclose(table["score"][:50], [row["score"] for row in rows])


def test_a_table_without_rows_has_its_columns(tmp_path):
    write_table(tmp_path / "t.csv", [], ["a", "b"])
    assert (tmp_path / "t.csv").read_text() == "a,b\n"
    assert pd.read_csv(tmp_path / "t.csv").empty


NAMES = ["a.png", "=cmd|' /C calc'!A0.png", "-1.png", "'-1.png", "''=x", "'a", "@x"]
NAMES += ["+1", "\tx", "a\rb.png", "a\nb.png", "\r\nx", "\uff1dx", 'a","b', "", "ü '"]


def test_names_in_tables_are_text(tmp_path):
    """No reader cuts them, no spreadsheet runs them, and they come back."""
    path = tmp_path / "t.csv"
    write_table(path, [{"file": name, "score": -1.5} for name in NAMES])
    text = path.read_bytes().decode()
    assert [row["file"] for row in read_table(text)] == NAMES
    cells = pd.read_csv(path, keep_default_na=False)
    assert cells["score"].tolist() == [-1.5] * len(NAMES)
    assert not any(re.match(r"[=+\-@\t\r\n\uff1d]", cell) for cell in cells["file"])
    unmarked = cells["file"].str.replace(r"^'(?='*[=+\-@\t\r\n\uff1d])", "", regex=True)
    assert unmarked.tolist() == NAMES


def test_names_of_no_encoding_are_written_escaped(tmp_path):
    write_json(tmp_path / "x.json", {"name": "\udcff.png"})
    assert read_json(tmp_path / "x.json") == {"name": "\udcff.png"}
    write_table(tmp_path / "x.csv", [{"name": "\udcff.png"}])
    assert (tmp_path / "x.csv").read_text() == "name\n\\udcff.png\n"


KILLED = """
import os, sys
from pathlib import Path
from processing.files import replacing, temporary_folder
folder = Path(sys.argv[1])
with replacing(folder / "sub/scores.csv") as one, temporary_folder(folder, "export"):
    one.write_text("half")
    os.kill(os.getpid(), 9)
"""


def test_what_a_killed_process_left_is_removed(tmp_path):
    write_text(tmp_path / "sub/.own-notes-00000000-note.txt", "mine")
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)])
    assert len(list(tmp_path.rglob(".*-*-*-*"))) == 3
    with (
        replacing(tmp_path / "sub/scores.csv") as mine,
        temporary_folder(tmp_path, "export") as folder,
    ):
        with working_in(tmp_path / "sub"):
            pass
        assert {*tmp_path.rglob(".*-*-*-*")} == {
            mine,
            folder,
            tmp_path / "sub/.own-notes-00000000-note.txt",
        }
    assert (tmp_path / "sub/scores.csv").exists()


def test_what_another_machine_may_need_stays_for_a_day(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_machine", lambda: "0a0a0a0a")
    with replacing(tmp_path / "scores.csv") as temporary:
        monkeypatch.undo()
        remove_leftovers(tmp_path)
        assert temporary.exists()
        os.utime(temporary, (0, 0))
        remove_leftovers(tmp_path, "regions")
        assert temporary.exists()
        remove_leftovers(tmp_path, "scores")
        assert not temporary.exists()
        temporary.touch()


def test_the_longest_names_can_be_written(tmp_path):
    path = tmp_path / ("ü" * 125 + ".txt")
    write_text(path, "x")
    assert path.read_text() == "x"


def test_folders_that_can_be_written_to(tmp_path, monkeypatch):
    check_writable(tmp_path / "new/folder")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(
        UserError, match=r"cannot write to .*/x \(in .*file\): Not a dir"
    ):
        check_writable(tmp_path / "file/x")

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match="cannot write to .*: No space left on device"):
        check_writable(tmp_path)
