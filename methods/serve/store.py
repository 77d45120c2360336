"""The results of the station in SQLite, and the corrections of them."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from operator import itemgetter
from pathlib import Path
from typing import Any

from processing.errors import UserError

from .audit import PREVIOUS, AuditFile
from .database import Database
from .quarters import count

DATABASE, AUDIT = "station.sqlite", "audit.jsonl"
GOOD, DEFECTIVE = "good", "defective"
LARGEST_PAGE = 200  # results
_SEARCHED = ("id", "name", "part", "station", "comment")
_LAST = """SELECT line, old, before FROM corrections WHERE result = ? AND undoes IS NULL
AND line NOT IN (SELECT undoes FROM corrections WHERE result = ? AND undoes IS NOT NULL)
ORDER BY line DESC LIMIT 1"""
_KNOWN = """SELECT max(coalesce((SELECT max(line) FROM corrections), 0),
coalesce((SELECT max(line) FROM changes), 0))"""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What was answered for one photo.

    Attributes:
        id: of the result alone.
        time: of the answer, ISO 8601 in UTC.
        sha256: of the photo's bytes.
        name, part, station: what the client called them, perhaps "".
        verdict: "good" or "defective".
        score: of the image, higher = more anomalous.
        p_value: how likely a good image looks as bad; None if that is unknown.
        threshold: in the units of the score.
        regions: the defects, a record of `REGION_COLUMNS` each.
        decision, model: their ids.
        milliseconds: from the photo's arrival to the verdict.
        pictures: kind -> path in the station's folder.
        corrected: the verdict that a person gave instead, if any.
        comment: of the last correction.
    """

    id: str
    time: str
    sha256: str
    name: str
    part: str
    station: str
    verdict: str
    score: float
    p_value: float | None
    threshold: float
    regions: list[dict[str, Any]]
    decision: str
    model: str
    milliseconds: float
    pictures: dict[str, str]
    corrected: str | None = None
    comment: str = ""


_COLUMNS = tuple(field.name for field in fields(Result))
_TEXTS = ("regions", "pictures")  # are JSON in the table
_COUNTED = itemgetter("time", "station", "verdict", "corrected", "milliseconds")


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which results are asked for; what is None is not looked at.

    Attributes:
        verdict: in force: that of a person, if there is one.
        after, before: times, ISO 8601 in UTC; `after` itself is among them.
        part, station: as they are.
        search: what id, name, part, station or comment holds, in any case of ASCII.
    """

    verdict: str | None = None
    after: str | None = None
    before: str | None = None
    part: str | None = None
    station: str | None = None
    search: str | None = None

    @property
    def conditions(self) -> dict[str, str]:
        """SQL -> the value of its parameter."""
        found = {
            "coalesce(corrected, verdict) = ?": self.verdict,
            "time >= ?": self.after,
            "time < ?": self.before,
            "part = ?": self.part,
            "station = ?": self.station,
        }
        if self.search:
            text = self.search
            for special in "\\%_":
                text = text.replace(special, f"\\{special}")
            joined = " || char(10) || ".join(_SEARCHED)
            found[f"{joined} LIKE ? ESCAPE '\\'"] = f"%{text}%"
        return {sql: value for sql, value in found.items() if value is not None}


class Store:
    """The database of a station's folder and the audit file beside it.

    What `add`, `correct` and `record` have returned from is on the disk.

    Args:
        folder: of the station, in which one process works at a time.

    Raises:
        UserError: the folder cannot be written, or the audit file was changed.
    """

    def __init__(self, folder: Path):
        self.database = Database(folder / DATABASE)
        try:
            self.audit = AuditFile(folder / AUDIT)
            self._catch_up()
        except UserError:
            self.close()
            raise

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def add(
        self,
        results: Sequence[tuple[Result, str | None]],
        also: Iterable[Callable[[sqlite3.Connection], None]] = (),
    ) -> None:
        """Store results, all or none, each with the key of its request, if it has one.

        Args:
            results: and keys.
            also: write what belongs to them.

        Raises:
            UserError: they cannot be written, or a key is there already.
        """
        rows = []
        for result, request in results:
            row = asdict(result) | {"request": request}
            rows.append(row | {name: json.dumps(row[name]) for name in _TEXTS})
        names = (*_COLUMNS, "request")
        marks = ", ".join(f":{name}" for name in names)
        with self.database.change() as writer:
            writer.executemany(
                f"INSERT INTO results ({', '.join(names)}) VALUES ({marks})", rows
            )
            count(writer, map(_COUNTED, rows))
            for write in also:
                write(writer)

    def get(self, id_: str) -> Result | None:
        """Return the result of an id."""
        found = self.database.read("SELECT * FROM results WHERE id = ?", id_)
        return _result(found[0]) if found else None

    def of_request(self, request: str) -> Result | None:
        """Return the result of a request's key."""
        found = self.database.read("SELECT * FROM results WHERE request = ?", request)
        return _result(found[0]) if found else None

    def find(
        self, wanted: Filter, limit: int = 50, below: int | None = None
    ) -> tuple[list[Result], int, int | None]:
        """Return results, newest first.

        Args:
            wanted: which.
            limit: how many, at most `LARGEST_PAGE`.
            below: what the page before returned as its end.

        Returns:
            The results, how many there are in all, and the end of this page: None if it
            is the last.
        """
        conditions = wanted.conditions
        where = " AND ".join(f"({sql})" for sql in ["1", *conditions])
        values = [*conditions.values()]
        counted = f"SELECT count(*) FROM results WHERE {where}"
        [[total]] = self.database.read(counted, *values)
        if below is not None:
            where, values = f"{where} AND number < ?", [*values, str(below)]
        limit = min(max(limit, 1), LARGEST_PAGE)
        rows = self.database.read(
            f"SELECT * FROM results WHERE {where} ORDER BY number DESC LIMIT ?",
            *values,
            limit + 1,
        )
        end = rows[limit - 1]["number"] if len(rows) > limit else None
        return [_result(row) for row in rows[:limit]], total, end

    def correct(self, id_: str, new: str, who: str, reason: str = "") -> Result | None:
        """Give a result another verdict; None if there is no such result."""
        return self._correct(id_, who, lambda result: (new, reason, None))

    def undo(self, id_: str, who: str) -> Result | None:
        """Take the last correction of a result back, if there is one."""

        def before(_: Result) -> tuple[str | None, str, int | None] | None:
            last = self.database.read(_LAST, id_, id_)
            return (
                (last[0]["old"], last[0]["before"], last[0]["line"]) if last else None
            )

        return self._correct(id_, who, before)

    def _correct(self, id_: str, who: str, change: Any) -> Result | None:
        """Write a change of a result to the audit file, then into the database.

        `change` returns the new verdict, the reason, and the line that it undoes, of a
        result as it is while nobody else writes.
        """
        with self.database.writing:
            result = self.get(id_)
            if result is None or (changed := change(result)) is None:
                return result
            new, reason, undoes = changed
            entry = {
                "who": who,
                "when": now(),
                "result": id_,
                "image": result.sha256,
                "model": result.model,
                "decision": result.decision,
                "old": result.corrected,
                "new": new,
                "reason": reason,
                "before": result.comment,
                "undoes": undoes,
            }
            line = self.audit.append(entry)
            with self.database.change() as writer:
                _apply(writer, line, entry)
        return self.get(id_)

    def record(self, entry: Mapping[str, Any]) -> None:
        """Write a change of the station, which is no correction, to the audit file.

        Its "what" says which kind it is; "who" and "when" are its first keys.
        """
        with self.database.writing:
            line = self.audit.append(entry)
            with self.database.change() as writer:
                _apply(writer, line, entry)

    def changes(self) -> list[dict[str, Any]]:
        """Return what was recorded, the newest last."""
        rows = self.database.read("SELECT entry FROM changes ORDER BY line")
        return [json.loads(row["entry"]) for row in rows]

    def _catch_up(self) -> None:
        """Take over lines that a kill kept out of the database.

        Raises:
            UserError: the audit file lacks lines that the database has.
        """
        [[known]] = self.database.read(_KNOWN)
        entries = self.audit.entries
        if known > len(entries):
            raise UserError(
                f"{self.audit.path}: expected {known} lines, as the database has. "
                f"Received: {len(entries)}"
            )
        with self.database.change() as writer:
            for line, entry in enumerate(entries[known:], known + 1):
                _apply(writer, line, entry)


def now() -> str:
    """Return the time, ISO 8601 in UTC, with all its digits, so that texts sort."""
    return as_text(datetime.now(timezone.utc))


def as_text(time: datetime) -> str:
    """Return a time with a zone as the store has all: ISO 8601 in UTC."""
    return time.astimezone(timezone.utc).isoformat(timespec="microseconds")


def _apply(writer: sqlite3.Connection, line: int, entry: Mapping[str, Any]) -> None:
    """Write a line of the audit file into the database."""
    if "result" not in entry:
        text = json.dumps({x: entry[x] for x in entry if x != PREVIOUS})
        writer.execute("INSERT INTO changes VALUES (?, ?)", (line, text))
        return
    row = {**entry, "line": line}
    writer.execute(
        "INSERT INTO corrections VALUES (:line, :result, :when, :who, :old, :new, "
        ":reason, :before, :undoes)",
        row,
    )
    writer.execute(
        "UPDATE results SET corrected = :new, comment = :reason WHERE id = :result", row
    )


def _result(row: sqlite3.Row) -> Result:
    values = {name: row[name] for name in _COLUMNS}
    return Result(**values | {name: json.loads(row[name]) for name in _TEXTS})
