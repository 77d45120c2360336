import sqlite3

import pytest

from methods.serve.audit import AuditFile
from methods.serve.database import MIGRATIONS, Database
from methods.serve.store import AUDIT, DATABASE, Filter, Store
from processing.errors import UserError

FIRST = """
CREATE TABLE results (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
    request TEXT UNIQUE, time TEXT NOT NULL, sha256 TEXT NOT NULL, name TEXT NOT NULL,
    part TEXT NOT NULL, station TEXT NOT NULL, verdict TEXT NOT NULL,
    score REAL NOT NULL, p_value REAL, threshold REAL NOT NULL, regions TEXT NOT NULL,
    decision TEXT NOT NULL, model TEXT NOT NULL, milliseconds REAL NOT NULL,
    pictures TEXT NOT NULL, corrected TEXT, comment TEXT NOT NULL);
CREATE TABLE corrections (
    line INTEGER PRIMARY KEY, result TEXT NOT NULL, time TEXT NOT NULL,
    who TEXT NOT NULL, old TEXT, new TEXT, reason TEXT NOT NULL,
    before TEXT NOT NULL, undoes INTEGER);
INSERT INTO results VALUES (1, 'a', NULL, '2026-11-29', 'ab', 'a.png', '', '', 'good',
    0.25, NULL, 0.5, '[]', 'd1', 'm1', 12.5, '{}', NULL, '');
"""  # as the first version of the station made them


def version(path):
    with sqlite3.connect(path) as database:
        [[found]] = database.execute("PRAGMA user_version")
    database.close()
    return found


def test_a_folder_of_the_first_version_is_opened(tmp_path):
    with sqlite3.connect(tmp_path / DATABASE) as database:
        database.executescript(FIRST)
    database.close()
    store = Store(tmp_path)
    assert store.correct("a", "defective", "eve").corrected == "defective"
    assert [x.corrected for x in store.find(Filter())[0]] == ["defective"]
    assert store.changes() == []
    store.close()
    assert version(tmp_path / DATABASE) == len(MIGRATIONS)


def test_a_folder_of_a_later_version_is_refused(tmp_path):
    Database(tmp_path / DATABASE).close()
    with sqlite3.connect(tmp_path / DATABASE) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(UserError, match=r"expected version \d+ at most. Received: 99"):
        Store(tmp_path)


def test_a_step_that_fails_leaves_nothing(tmp_path, monkeypatch):
    Database(tmp_path / DATABASE).close()
    path, known = "methods.serve.database.MIGRATIONS", len(MIGRATIONS)
    wrong = "CREATE TABLE new (x); INSERT INTO nowhere VALUES (1);"
    monkeypatch.setattr(path, (*MIGRATIONS, wrong))
    with pytest.raises(UserError, match="no such table: nowhere"):
        Database(tmp_path / DATABASE)
    monkeypatch.setattr(path, (*MIGRATIONS, "CREATE TABLE new (x);"))
    Database(tmp_path / DATABASE).close()
    assert version(tmp_path / DATABASE) == known + 1


def test_a_change_that_a_kill_kept_out_of_the_database_is_taken_over(tmp_path, result):
    store = Store(tmp_path)
    store.add([(result("a"), None)])
    store.record({"who": "eve", "when": "now", "what": "decision", "new": "d2"})
    store.correct("a", "defective", "eve")
    store.close()
    log = AuditFile(tmp_path / AUDIT)  # the station is killed behind this line
    log.append({"who": "bob", "when": "then", "what": "decision", "new": "d3"})
    store = Store(tmp_path)
    assert [(x["who"], x["new"]) for x in store.changes()] == [
        ("eve", "d2"),
        ("bob", "d3"),
    ]
    assert store.get("a").corrected == "defective"
    store.close()
    (tmp_path / AUDIT).write_bytes(b"")
    with pytest.raises(UserError, match="expected 3 lines.*Received: 0"):
        Store(tmp_path)
