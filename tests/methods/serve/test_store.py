import json
import os
import sqlite3
import subprocess
import sys

import pytest

from methods.serve.audit import verify
from methods.serve.store import AUDIT, DATABASE, Filter, Store
from processing.errors import UserError
from tests.rooms import ROOT


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path)
    yield opened
    opened.close()


def ids(found):
    return [result.id for result in found[0]]


def test_results_come_back_as_they_were(store, result):
    full = result("a", p_value=0.1, regions=[{"top": 1}], pictures={"map": "p/a.jpg"})
    store.add([(full, "key"), (result("b"), None), (result("c"), None)])
    assert store.get("a") == store.of_request("key") == full
    assert store.get("x") is store.of_request("x") is None


def test_results_are_found_newest_first_in_pages(store, result):
    store.add([(result(x), None) for x in "abcde"])
    rows, total, end = store.find(Filter(), limit=2)
    assert ([x.id for x in rows], total) == (["e", "d"], 5)
    assert ids(store.find(Filter(), limit=2, below=end)) == ["c", "b"]
    assert store.find(Filter(), limit=5)[2] is None
    assert len(ids(store.find(Filter(), limit=0))) == 1


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"verdict": "defective"}, "c"),
        ({"after": "2026-02-02", "before": "2026-03-03"}, "b"),
        ({"part": "7"}, "b"),
        ({"station": "left"}, "a"),
        ({"search": "50%_\\"}, "c"),
        ({"search": "A.PNG"}, "a"),
        ({"search": "%"}, "c"),
        ({"search": "'; DROP TABLE results"}, ""),
    ],
)
def test_filters(store, result, wanted, found):
    first = result("a", time="2026-01-01T00:00", station="left")
    second = result("b", time="2026-02-02T00:00", part="7")
    third = result("c", time="2026-03-03T00:00", name="50%_\\", verdict="defective")
    store.add([(x, None) for x in (first, second, third)])
    assert ids(store.find(Filter(**wanted))) == list(found)


def test_of_a_request_there_is_one_result(store, result):
    store.add([(result("a"), "key")])
    with pytest.raises(UserError, match="UNIQUE"):
        store.add([(result("b"), None), (result("c"), "key")])
    assert ids(store.find(Filter())) == ["a"]


def test_corrections_and_undo(store, result):
    store.add([(result("a"), None)])
    assert store.undo("a", "eve").corrected is None
    assert store.correct("a", "defective", "eve", "scratch").comment == "scratch"
    assert ids(store.find(Filter(verdict="good"))) == []
    assert store.correct("a", "good", "eve").corrected == "good"
    back = store.undo("a", "bob")
    assert (back.corrected, back.comment) == ("defective", "scratch")
    assert store.undo("a", "bob").corrected is None
    assert store.undo("a", "bob").corrected is None
    assert store.correct("x", "good", "eve") is store.undo("x", "eve") is None
    entries = list(verify(store.audit.path))
    assert [(x["old"], x["new"], x["who"]) for x in entries] == [
        (None, "defective", "eve"),
        ("defective", "good", "eve"),
        ("good", "defective", "bob"),
        ("defective", None, "bob"),
    ]
    assert {x["image"] for x in entries} == {"ab" * 32}


def test_a_correction_that_a_kill_kept_out_of_the_database_is_taken_over(
    tmp_path, result
):
    store = Store(tmp_path)
    store.add([(result("a"), None)])
    store.correct("a", "defective", "eve")
    store.close()
    with sqlite3.connect(tmp_path / DATABASE) as database:
        database.execute("DELETE FROM corrections")
        database.execute("UPDATE results SET corrected = NULL")
    database.close()
    store = Store(tmp_path)
    assert store.get("a").corrected == "defective"
    store.close()


def test_lines_that_the_audit_file_lost_are_missed(tmp_path, result):
    store = Store(tmp_path)
    store.add([(result("a"), None)])
    store.correct("a", "defective", "eve")
    store.close()
    (tmp_path / AUDIT).write_bytes(b"")
    with pytest.raises(UserError, match="expected 1 lines.*Received: 0"):
        Store(tmp_path)


def test_a_folder_that_is_none(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot open"):
        Store(tmp_path / "file")


KILLED = """
import itertools, os, sys
from pathlib import Path
from methods.serve.store import Result, Store, now
import json
values = json.loads(sys.argv[2])
store = Store(Path(sys.argv[1]))
for i in itertools.count():
    store.add([(Result(**values | {"id": str(i)}), str(i))])
    print(i, flush=True)
    if i == 20:
        os.kill(os.getpid(), 9)
"""


def test_a_kill_loses_nothing_that_was_answered(tmp_path, result):
    values = json.dumps(vars(result("a")))
    words = [sys.executable, "-c", KILLED, str(tmp_path), values]
    done = subprocess.run(
        words, capture_output=True, text=True, cwd=ROOT, env=os.environ
    )
    assert done.returncode == -9
    store = Store(tmp_path)
    assert ids(store.find(Filter(), limit=200)) == done.stdout.split()[::-1]
    store.close()
