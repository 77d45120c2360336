import json
import resource
import signal

import pytest

from processing.errors import UserError
from processing.files import new_folder, replacing, write_json, write_text


def test_writes_and_replaces(tmp_path):
    path = tmp_path / "new" / "ü.json"
    write_json(path, {"a": 1})
    write_json(path, {"a": "é"})
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": "é"}
    assert [p.name for p in path.parent.iterdir()] == ["ü.json"]


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
