"""The SQLite file of a station: its tables, version by version."""

import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from processing.errors import UserError

from . import quarters

MIGRATIONS = (  # each leads to the next version, which PRAGMA user_version is
    """
CREATE TABLE IF NOT EXISTS results (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
    request TEXT UNIQUE, time TEXT NOT NULL, sha256 TEXT NOT NULL, name TEXT NOT NULL,
    part TEXT NOT NULL, station TEXT NOT NULL, verdict TEXT NOT NULL,
    score REAL NOT NULL, p_value REAL, threshold REAL NOT NULL, regions TEXT NOT NULL,
    decision TEXT NOT NULL, model TEXT NOT NULL, milliseconds REAL NOT NULL,
    pictures TEXT NOT NULL, corrected TEXT, comment TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS by_time ON results (time);
CREATE INDEX IF NOT EXISTS by_part ON results (part);
CREATE TABLE IF NOT EXISTS corrections (
    line INTEGER PRIMARY KEY, result TEXT NOT NULL, time TEXT NOT NULL,
    who TEXT NOT NULL, old TEXT, new TEXT, reason TEXT NOT NULL,
    before TEXT NOT NULL, undoes INTEGER);
CREATE INDEX IF NOT EXISTS by_result ON corrections (result);
""",
    """
CREATE TABLE changes (line INTEGER PRIMARY KEY, entry TEXT NOT NULL);
""",
    """
DROP INDEX by_time;
CREATE INDEX by_hour ON results (time, station, verdict, corrected, milliseconds);
CREATE INDEX labelled ON results (number) WHERE corrected IS NOT NULL;
CREATE TABLE curves (
    model TEXT NOT NULL, maps TEXT NOT NULL, sha256 TEXT NOT NULL, score REAL NOT NULL,
    levels BLOB NOT NULL, areas BLOB NOT NULL,
    PRIMARY KEY (model, maps, sha256)) WITHOUT ROWID;
""",
    """
CREATE TABLE readings (
    number INTEGER PRIMARY KEY, critical REAL NOT NULL, brightness REAL NOT NULL,
    contrast REAL NOT NULL, sharpness REAL NOT NULL);
CREATE TABLE streams (
    id TEXT PRIMARY KEY, model TEXT NOT NULL, decision TEXT NOT NULL,
    station TEXT NOT NULL, since INTEGER NOT NULL, number INTEGER NOT NULL,
    state BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE alarms (
    stream TEXT NOT NULL, since INTEGER NOT NULL, quantity TEXT NOT NULL,
    id TEXT NOT NULL, time TEXT NOT NULL, photos INTEGER NOT NULL, log10 REAL NOT NULL,
    PRIMARY KEY (stream, since, quantity)) WITHOUT ROWID;
CREATE TABLE spool (
    number INTEGER PRIMARY KEY AUTOINCREMENT, receiver TEXT NOT NULL, id TEXT NOT NULL,
    kind TEXT NOT NULL, time TEXT NOT NULL, body TEXT NOT NULL,
    released INTEGER NOT NULL DEFAULT 0);
CREATE INDEX by_receiver ON spool (receiver, number);
CREATE INDEX kept ON results (number) WHERE pictures != '{}';
CREATE INDEX by_photo ON results (sha256);
""",
    f"""
{quarters.TABLE}
DROP INDEX by_hour;
CREATE INDEX by_time ON results (time);
CREATE TABLE refused (
    number INTEGER PRIMARY KEY, receiver TEXT NOT NULL, id TEXT NOT NULL,
    kind TEXT NOT NULL, time TEXT NOT NULL, body TEXT NOT NULL, reason TEXT NOT NULL);
""",
)
_COUNTS = 5  # the version in which results are counted


class Database:
    """One connection that writes, behind a lock, and another that reads.

    What a change has ended with is on the disk.

    Args:
        path: of the file, with which one process works at a time.

    Raises:
        UserError: it cannot be opened, or a later version wrote it.
    """

    def __init__(self, path: Path):
        self.path = path
        with ExitStack() as opened:  # closes them after an error
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._writer, self._reader = (
                    opened.enter_context(closing(_connected(path))) for _ in range(2)
                )
                self._writer.execute("PRAGMA journal_mode = WAL")
                self._writer.execute("PRAGMA synchronous = FULL")
                self._migrate(path)
            except (OSError, sqlite3.Error) as error:
                raise UserError(f"cannot open {path}: {error}") from error
            opened.pop_all()
        self._reader.row_factory = sqlite3.Row
        self.writing, self._reading = threading.RLock(), threading.Lock()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()
        self._reader.close()

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection that writes; what is done with it is done, or not."""
        try:
            with self.writing, self._writer:
                yield self._writer
        except sqlite3.Error as error:
            raise UserError(f"cannot write the station's results: {error}") from error

    def read(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Return the rows of a query."""
        with self._reading:
            return self._reader.execute(sql, values).fetchall()

    def read_long(self, sql: str, values: Mapping[str, Any]) -> list[sqlite3.Row]:
        """Return the rows of a query that may take seconds, and lets no other wait."""
        with closing(sqlite3.connect(self.path)) as connection:
            connection.row_factory = sqlite3.Row
            return connection.execute(sql, values).fetchall()

    def _migrate(self, path: Path) -> None:
        """Bring the tables to this version, in steps that are done whole or not."""
        [[version]] = self._writer.execute("PRAGMA user_version")
        if version > len(MIGRATIONS):
            raise UserError(
                f"{path}: expected version {len(MIGRATIONS)} at most. Received: "
                f"{version}, which a later keras-anomaly wrote"
            )
        for number, script in enumerate(MIGRATIONS[version:], version + 1):
            pragma = f"PRAGMA user_version = {number};"
            with self._writer:  # takes back what an error leaves half done
                self._writer.executescript(f"BEGIN; {script}")
                if number == _COUNTS:
                    quarters.build(self._writer)
                self._writer.execute(pragma)


def _connected(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, check_same_thread=False)
