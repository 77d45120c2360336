import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pytest

from processing.errors import UserError
from processing.files import (
    locked,
    new_folder,
    read_json,
    replacing,
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
    "content",
    [
        b"",
        b'{"a": 1',
        b"[1]",
        b'{"a": "\xff"}',
        b"null",
        b"[" * 99_999,
        b'{"a": 1, "a": 2}',
        b'{"b": {"a": 1, "a": 1}}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b"\xef\xbb\xbf",
        b"\0",
    ],
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
