import json

import pytest

from methods.serve.audit import START, AuditFile, verify
from processing.errors import UserError


@pytest.fixture
def path(tmp_path):
    file = AuditFile(tmp_path / "audit.jsonl")
    assert [file.append({"new": x}) for x in ("good", "defective", "gut ü")] == [
        1,
        2,
        3,
    ]
    return file.path


def changed(path, change):
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(change(lines)))


def test_the_chain_is_whole_and_goes_on(path):
    AuditFile(path).append({"new": "good"})
    entries = list(verify(path))
    assert [entry["new"] for entry in entries] == ["good", "defective", "gut ü", "good"]
    assert entries[0]["previous"] == START


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda x: [x[0].replace(b"good", b"bad"), *x[1:]], 2),
        (lambda x: x[1:], 1),
        (lambda x: [x[0], x[2]], 2),
        (lambda x: [x[1], x[0], x[2]], 1),
        (lambda x: [x[0], b"no json\n", *x[1:]], 2),
        (lambda x: [x[0], json.dumps({"previous": START}).encode() + b"\n"], 2),
    ],
)
def test_a_changed_file_is_seen(path, change, line):
    changed(path, change)
    for look in (AuditFile, lambda x: list(verify(x))):
        with pytest.raises(UserError, match=f"line {line} "):
            look(path)


def test_a_line_that_was_cut_off_is_removed(path):
    path.write_bytes(path.read_bytes() + b'{"new": "go')
    AuditFile(path).append({"new": "next"})
    assert [x["new"] for x in verify(path)] == ["good", "defective", "gut ü", "next"]
