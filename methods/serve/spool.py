"""What receivers outside are still to be told, kept in the database until they are."""

import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Protocol

from processing.errors import reason

from .database import Database
from .pauses import pause
from .station import Judged, answer

VERDICT, DRIFT = "verdict", "drift"  # kinds of messages
MOST = 100_000  # messages that wait for one receiver; then the oldest are dropped
TABLES = "spool", "refused"
TRIMMED = 1000  # messages between two looks at how many there are

_PUT_ASIDE = """INSERT INTO refused
SELECT number, receiver, id, kind, time, body, ? FROM spool WHERE number = ?"""

log = logging.getLogger(__name__)


class Undelivered(Exception):
    """A message was not taken, in words."""


class NeverTaken(Undelivered):
    """A message was refused for good: another attempt would not help."""


@dataclass(frozen=True)
class Message:
    """What one receiver is to be told.

    Attributes:
        number: order, and place in the spool.
        id: of the result or alarm, the same at each attempt.
        kind: `VERDICT` or `DRIFT`.
        body: JSON.
        released: whether the receiver has it, and only its leave to go on is missing.
    """

    number: int
    id: str
    kind: str
    body: str
    released: bool


Release = Callable[[], None]  # notes on the disk that a message is `released`


class Receiver(Protocol):
    """Where messages go."""

    name: str  # in the spool

    def deliver(self, message: Message, release: Release) -> None:
        """Deliver a message.

        Raises:
            NeverTaken: it was refused, and so it will be.
            Undelivered: it may not have arrived.
        """

    def close(self) -> None:
        """End the connection, if there is one."""


class Spool:
    """The messages of all receivers.

    Args:
        database: of the station.
        receivers: each told everything, in order, by a thread of its own.

    Attributes:
        dropped: messages that were too many or too old, by receiver.
    """

    def __init__(self, database: Database, receivers: Sequence[Receiver]):
        self.database = database
        self.dropped = {receiver.name: 0 for receiver in receivers}
        self._couriers = [Courier(self, receiver) for receiver in receivers]
        self._written = 0

    def start(self) -> None:
        """Begin to deliver what waits."""
        for courier in self._couriers:
            courier.start()

    def close(self) -> None:
        """End after the attempts being made; what is left stays on the disk."""
        for courier in self._couriers:
            courier.stop()
        for courier in self._couriers:
            courier.join()

    def write(
        self,
        writer: sqlite3.Connection,
        kind: str,
        id_: str,
        time: str,
        content: Mapping[str, Any],
    ) -> None:
        """Put a message to every receiver into the spool."""
        body = json.dumps({"id": id_, "kind": kind, "time": time, kind: content})
        rows = [(name, id_, kind, time, body) for name in self.dropped]
        sql = (
            "INSERT INTO spool (receiver, id, kind, time, body) VALUES (?, ?, ?, ?, ?)"
        )
        writer.executemany(sql, rows)
        self._written += 1
        if self._written % TRIMMED == 1:
            self._trim(writer)

    def wake(self) -> None:
        """Let the couriers look for messages."""
        for courier in self._couriers:
            courier.wake()

    def waiting(self) -> dict[str, int]:
        """Return how many messages wait for each receiver."""
        sql = "SELECT count(*) FROM spool WHERE receiver = ?"
        return {name: self.database.read(sql, name)[0][0] for name in self.dropped}

    def first(self, name: str) -> Message | None:
        """Return the oldest message to a receiver."""
        sql = "SELECT * FROM spool WHERE receiver = ? ORDER BY number LIMIT 1"
        for row in self.database.read(sql, name):
            released = bool(row["released"])
            return Message(row["number"], row["id"], row["kind"], row["body"], released)
        return None

    def release(self, message: Message) -> None:
        """Note that a message is released."""
        with self.database.change() as writer:
            sql = "UPDATE spool SET released = 1 WHERE number = ?"
            writer.execute(sql, (message.number,))

    def done(self, message: Message) -> None:
        """Forget a message that was delivered."""
        with self.database.change() as writer:
            writer.execute("DELETE FROM spool WHERE number = ?", (message.number,))

    def put_aside(self, message: Message, why: str) -> None:
        """Keep a message apart that its receiver refused for good."""
        with self.database.change() as writer:
            writer.execute(_PUT_ASIDE, (why, message.number))
            writer.execute("DELETE FROM spool WHERE number = ?", (message.number,))

    def refused(self) -> dict[str, int]:
        """Return how many messages each receiver refused for good."""
        sql = "SELECT count(*) FROM refused WHERE receiver = ?"
        return {name: self.database.read(sql, name)[0][0] for name in self.dropped}

    def drop_before(self, time: str) -> None:
        """Drop the messages from before a time."""
        with self.database.change() as writer:
            for name, table in product(self.dropped, TABLES):
                self._drop(writer, table, name, "time < ?", time)

    def _trim(self, writer: sqlite3.Connection) -> None:
        for name, table in product(self.dropped, TABLES):
            sql = f"SELECT number FROM {table} WHERE receiver = ? ORDER BY number DESC"
            last = writer.execute(f"{sql} LIMIT 1 OFFSET ?", (name, MOST)).fetchone()
            if last:
                self._drop(writer, table, name, "number <= ?", last[0])

    def _drop(
        self, writer: sqlite3.Connection, table: str, name: str, which: str, value: Any
    ) -> None:
        sql = f"DELETE FROM {table} WHERE receiver = ? AND {which}"
        count = writer.execute(sql, (name, value)).rowcount
        if count:
            self.dropped[name] += count
            log.warning("warning: %s: %d messages were dropped", name, count)


class Verdicts:
    """Writes every verdict into a spool, a follower of the station."""

    def __init__(self, spool: Spool):
        self.spool = spool

    def write(self, writer: sqlite3.Connection, judged: Sequence[Judged]) -> None:
        """Write the verdicts, with the results."""
        for x in judged:
            about = x.result.id, x.result.time, answer(x.result)
            self.spool.write(writer, VERDICT, *about)

    def written(self, judged: Sequence[Judged]) -> None:
        """Let the couriers know."""
        self.spool.wake()


class Courier(threading.Thread):
    """Delivers the messages to one receiver, in order, each until it is taken."""

    def __init__(self, spool: Spool, receiver: Receiver):
        super().__init__(name=receiver.name, daemon=True)
        self._spool = spool
        self._receiver = receiver
        self._ended = threading.Event()
        self._news = threading.Event()

    def wake(self) -> None:
        """Let it look for messages."""
        self._news.set()

    def stop(self) -> None:
        """Let it end."""
        self._ended.set()
        self._news.set()

    def run(self) -> None:
        """Deliver until `stop`."""
        attempts = 0
        while not self._ended.is_set():
            self._news.clear()
            try:
                delivered = self._deliver_first()
            except Exception as error:  # whatever it is, the next attempt may do
                if attempts == 0:
                    why = str(error) or reason(error)
                    log.warning("warning: %s: %s; trying again", self.name, why)
                self._ended.wait(pause(attempts))
                attempts += 1
                continue
            if delivered and attempts:
                log.info("%s: delivered again", self.name)
            attempts = 0
            if not delivered:
                self._news.wait()
        self._receiver.close()

    def _deliver_first(self) -> bool:
        """Deliver the oldest message, if there is one."""
        message = self._spool.first(self._receiver.name)
        if message is None:
            return False
        try:
            self._receiver.deliver(message, lambda: self._spool.release(message))
        except NeverTaken as error:
            self._spool.put_aside(message, str(error))
            about = f"{message.kind} {message.id}"
            log.warning("warning: %s: %s: %s is put aside", self.name, error, about)
            return True
        self._spool.done(message)
        return True
