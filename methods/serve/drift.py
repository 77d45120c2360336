"""The drift of a station: alarms when photos that are judged good change."""

import logging
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from methods.detector.judge import Judge
from methods.pipeline.drifting import (
    CRITICAL,
    WATCHED,
    WORDS,
    counts,
    watched_score,
)
from processing.decoding.appearance import QUANTITIES, appearance
from processing.errors import UserError, reason
from processing.wording import printable

from .spool import DRIFT, Spool
from .station import Judged, Station
from .store import now
from .streams import Key, Stream, begun, restored

RESET = "drift"  # what a line of the audit file is about
MOST = 100  # streams: clients name their stations as they like
SAVED = 500  # photos of a stream that a start after a kill counts again at most
_INSERT = f"""INSERT INTO readings (number, {", ".join(WATCHED)}) SELECT number,
{", ".join(f":{name}" for name in WATCHED)} FROM results WHERE id = :id"""
_READ = f"""SELECT number, id, time, model, decision, station, {", ".join(WATCHED)}
FROM readings JOIN results USING (number) WHERE number > ? AND number <= ?"""
_OF_STREAM = " AND model = ? AND decision = ? AND station = ?"
ALL = 2**62  # no result has a higher number

log = logging.getLogger(__name__)

Tell = Callable[[str, Mapping[str, Any]], None]


class Drift:
    """The streams of a station, a follower of it.

    They follow from the results alone: chance is drawn from their ids. What people say
    of a photo later changes nothing, or those they look at would no longer be
    exchangeable with the others.

    Args:
        station: that is followed.
        alpha: see `Charts`, of each stream, each time that it is begun anew.
        tell: browsers of a kind of event, and what it is.
        spool: of what is sent out.
    """

    def __init__(self, station: Station, alpha: float, tell: Tell, spool: Spool):
        self.station = station
        self.alpha = alpha
        self.tell = tell
        self.spool = spool
        station.measure = appearance
        self.streams: dict[Key, Stream] = {}
        self.lock = threading.RLock()
        self._database = station.store.database
        self._full = False
        [[last]] = self._database.read("SELECT coalesce(max(number), 0) FROM results")
        self._number: int = last  # of the last result that is counted
        for row in self._database.read("SELECT model, decision, station FROM streams"):
            key = Key(*row)
            if (judge := self._judge(key)) and len(self.streams) < MOST:
                self.streams[key] = self._loaded(key, judge)

    def close(self) -> None:
        """Keep the states of all streams."""
        with self.lock:
            for stream in self.streams.values():
                self._save(stream)

    def write(self, writer: sqlite3.Connection, judged: Sequence[Judged]) -> None:
        """Write what is known of the photos that count; see `counts`."""
        for x in judged:
            if counts(x.model.judge, x.verdict):
                look = {name: x.photo.look[name] for name in QUANTITIES}
                score = {CRITICAL: watched_score(x.verdict)}
                writer.execute(_INSERT, {"id": x.result.id, **score, **look})

    def written(self, judged: Sequence[Judged]) -> None:
        """Count the photos."""
        judges = {Key(x.model.id, x.result.decision, x.result.station): x.model.judge
                  for x in judged}  # fmt: skip
        with self.lock:
            try:
                for row in self._database.read(
                    f"{_READ} ORDER BY number", self._number, ALL
                ):
                    key = Key(row["model"], row["decision"], row["station"])
                    if stream := self._stream(key, judges):
                        self._count(stream, row)
                    self._number = row["number"]
            except (
                UserError,
                sqlite3.Error,
            ) as error:  # counted, and the alarm is noted, after a start
                log.warning("warning: drift: %s", reason(error))

    def find(self, id_: str) -> Stream | None:
        """Return the stream of an id."""
        with self.lock:
            return next((x for x in self.streams.values() if x.key.id == id_), None)

    def reset(self, id_: str, who: str, why: str) -> Stream | None:
        """Begin a stream anew, with a line in the audit file; None if there is none."""
        with self.lock:
            stream = self.find(id_)
            if stream is None:
                return None
            key, judge = stream.key, stream.charts.judge
            entry: dict[str, Any] = {
                "who": who,
                "when": now(),
                "what": RESET,
                "model": key.model,
            }
            entry |= {"decision": key.decision, "station": key.station}
            entry |= {"number": self._number, "alarms": sorted(stream.charts.alarms)}
            self.station.store.record(entry | {"reason": why})
            stream = begun(key, self._number, judge, self.alpha)
            self.streams[key] = stream
            self._save(stream)
        self.tell(DRIFT, {"stream": id_})
        return stream

    def alarm_counts(self) -> dict[str, int]:
        """Return how many alarms there have been, by quantity."""
        sql = "SELECT quantity, count(*) FROM alarms GROUP BY quantity"
        found = dict(map(tuple, self._database.read(sql)))
        return {word: found.get(name, 0) for name, word in WORDS.items()}

    def _judge(self, key: Key) -> Judge | None:
        """Return the judge of a stream, if its decision is in force."""
        for model in self.station.models.values():
            if (model.id, model.decided.finetuned.name) == (key.model, key.decision):
                return model.judge
        return None

    def _stream(self, key: Key, judges: Mapping[Key, Judge]) -> Stream | None:
        """Return a stream, loaded or begun; None if there are too many."""
        if key not in self.streams and (judge := judges.get(key)):
            if not self._has_room():
                if not self._full:
                    name = printable(key.station)
                    log.warning("warning: drift: %d stations: %s is not watched, nor "
                                "are further ones", MOST, name)  # fmt: skip
                self._full = True
                return None
            self.streams[key] = self._loaded(key, judge)
        return self.streams.get(key)

    def _has_room(self) -> bool:
        """Return whether one more stream can be, perhaps in the place of an old one."""
        if len(self.streams) < MOST:
            return True
        old = [key for key in self.streams if self._judge(key) is None]
        for key in old:
            self._save(self.streams.pop(key))
        return bool(old)

    def _loaded(self, key: Key, judge: Judge) -> Stream:
        """Return a stream as it was, from its state and the results since then."""
        since = self._since(key)
        found = self._database.read(
            "SELECT number, state FROM streams WHERE id = ? AND since = ?",
            key.id,
            since,
        )
        words = key, since, judge, self.alpha
        stream = restored(*words, found[0]["state"]) if found else begun(*words)
        number = found[0]["number"] if found else since
        rows = self._database.read(
            "SELECT quantity, photos FROM alarms WHERE stream = ? AND since = ?",
            key.id,
            since,
        )
        stream.charts.alarms = {row["quantity"]: row["photos"] for row in rows}
        about = key.model, key.decision, key.station
        sql = f"{_READ}{_OF_STREAM} ORDER BY number"
        for row in self._database.read(sql, number, self._number, *about):
            self._count(stream, row)
        self._save(stream)
        return stream

    def _since(self, key: Key) -> int:
        """Return the number of the result after which a stream was begun anew last."""
        about = {"what": RESET, "model": key.model, "decision": key.decision}
        about["station"] = key.station
        changes = self.station.store.changes()
        found = [x["number"] for x in changes if about.items() <= x.items()]
        return int(found[-1]) if found else 0

    def _count(self, stream: Stream, row: sqlite3.Row) -> None:
        if row["number"] <= stream.since:
            return
        reading = {name: row[name] for name in WATCHED}
        seconds = datetime.fromisoformat(row["time"]).timestamp()
        for name in stream.add(row["id"], seconds, reading):
            self._alarm(stream, name, row)
        if stream.charts.count % SAVED == 0:
            self._save(stream, row["number"])

    def _alarm(self, stream: Stream, name: str, row: sqlite3.Row) -> None:
        """Note an alarm, once, and let everybody know."""
        key, photos = stream.key, stream.charts.count
        id_ = f"{key.id}-{stream.since}-{name}"
        capital = stream.charts.logs[name]
        values = key.id, stream.since, name, id_, row["time"], photos, capital
        content: dict[str, Any] = {"id": id_, "stream": key.id, "model": key.model}
        content |= {"decision": key.decision, "station": key.station}
        content |= {"quantity": WORDS[name], "time": row["time"], "photos": photos}
        content |= {"log10": capital, "line": stream.charts.line}
        with self._database.change() as writer:
            marks = ", ".join("?" * len(values))
            sql = f"INSERT OR IGNORE INTO alarms VALUES ({marks})"
            new = writer.execute(sql, values).rowcount
            if new:
                self.spool.write(writer, DRIFT, id_, row["time"], content)
        if new:
            where = f" of station {printable(key.station)}" if key.station else ""
            log.warning("warning: drift: %s%s changed", WORDS[name], where)
            self.spool.wake()
            self.tell(DRIFT, content)

    def _save(self, stream: Stream, number: int | None = None) -> None:
        key = stream.key
        last = self._number if number is None else number
        values = key.id, key.model, key.decision, key.station, stream.since, last
        with self._database.change() as writer:
            sql = "INSERT OR REPLACE INTO streams VALUES (?, ?, ?, ?, ?, ?, ?)"
            writer.execute(sql, (*values, stream.state()))
