"""CSV tables that grow row by row, and survive a kill at any moment."""

import csv
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from processing.errors import UserError
from processing.files import read_table, table_line, write_table

Written = tuple[str, str]  # size and time of a file, as tables have them

log = logging.getLogger(__name__)


class Table:
    """A CSV table that grows; a row that a kill cut off is removed on opening.

    Attributes:
        written: size and time of the file of each row, by name; of several rows, the
            last one's.
        decisions: that the rows name.
        added: how many rows were.
    """

    def __init__(self, path: Path):
        self.path = path
        self.added = 0
        self.written: dict[str, Written] = {}
        data = path.read_bytes() if path.exists() else b""
        whole = data[: data.rfind(b"\n") + 1]
        while whole.count(b'"') % 2:  # the line break of a name
            whole = whole[: whole.rfind(b"\n", 0, -1) + 1]
        try:
            rows = read_table(whole.decode())
            for row in rows:
                self._note(row)
        except (ValueError, LookupError, csv.Error) as error:
            raise UserError(f"{path} is damaged: {error}") from error
        self.columns = list(rows[0]) if rows else []
        self.decisions = {row.get("decision", "") for row in rows}
        if not rows:  # the header comes again with the first row
            whole = b""
        if whole != data:
            os.truncate(path, len(whole))

    def add(self, row: Mapping[str, Any]) -> None:
        """Write a row to the disk; a `UserError` if that is not possible."""
        head = "" if self.columns else table_line(row)
        self.columns = self.columns or list(row)
        line = table_line(row.get(column) for column in self.columns)
        try:
            with self.path.open("ab") as file:
                file.write((head + line).encode("utf-8", "backslashreplace"))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise UserError(f"cannot write {self.path}: {error.strerror}") from error
        self._note(row)
        self.added += 1

    def discard(self, name: str) -> None:
        """Remove the rows of a name, if there are any."""
        if self.written.pop(name, None):
            rows = read_table(self.path.read_text("utf-8"))
            rows = [row for row in rows if row["file"] != name]
            write_table(self.path, rows, self.columns)

    def _note(self, row: Mapping[str, Any]) -> None:
        self.written[row["file"]] = str(row.get("size", "")), str(row.get("time", ""))


def open_scores(path: Path, decision: str) -> Table:
    """Return the table of scores of a decision.

    One with rows of another decision, or of an earlier version, which did not name it,
    gets another name, for no table to have verdicts of two decisions.
    """
    scores = Table(path)
    if not scores.written or scores.decisions == {decision}:
        return scores
    [name] = scores.decisions if len(scores.decisions) == 1 else [""]
    number, aside = 1, path.with_name(f"{path.stem}_{name or 'earlier'}.csv")
    while aside.exists():
        number += 1
        aside = aside.with_name(f"{path.stem}_{name or 'earlier'}_{number}.csv")
    path.replace(aside)
    log.info("another decision is in force: its scores are now in %s", aside)
    return Table(path)
