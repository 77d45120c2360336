from methods.serve.kept_bytes import KeptBytes


def test_what_comes_while_files_are_counted_counts_once(tmp_path):
    for name in "ab":
        (tmp_path / name).write_bytes(b"12345")
    kept = KeptBytes()
    counting = kept.count([tmp_path])
    next(counting)
    for name, size in (("c", 7), ("c", 7)):
        kept.add(tmp_path / name, size)
        (tmp_path / name).write_bytes(b"1234567")
    assert {path.name for path in counting} <= {"a", "b"}
    assert kept.bytes == 17
    kept.add(tmp_path / "d", 3)
    kept.subtract(5)
    assert kept.bytes == 15


def test_a_file_that_was_announced_before_it_is_seen(tmp_path):
    kept = KeptBytes()
    kept.add(tmp_path / "a", 3)
    (tmp_path / "a").write_bytes(b"123")
    assert list(kept.count([tmp_path])) == []
    assert kept.bytes == 3
