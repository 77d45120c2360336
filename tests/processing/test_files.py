import json
import resource
import signal

import pytest

from processing.errors import UserError
from processing.files import new_folder, read_json, replacing, write_json, write_text


def test_writes_and_replaces(tmp_path):
    path = tmp_path / "new" / "ü.json"
    write_json(path, {"a": 1})
    write_json(path, {"a": "é"})
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": "é"}
    assert [p.name for p in path.parent.iterdir()] == ["ü.json"]


def test_json_comes_back_and_knows_its_file(tmp_path):
    path = tmp_path / "result.json"
    write_json(path, {"a": [1, "é"]})
    result = read_json(path)
    assert result == {"a": [1, "é"]}
    assert result.get("b") is None
    with pytest.raises(UserError, match="result.json is damaged: it lacks 'b'"):
        result["b"]


@pytest.mark.parametrize(
    "content", [b"", b'{"a": 1', b"[1]", b'{"a": "\xff"}', b"null"]
)
def test_what_is_no_json_object_is_damaged(tmp_path, content):
    path = tmp_path / "result.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match="result.json is damaged: "):
        read_json(path)


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
