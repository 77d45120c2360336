import json
import threading

import pytest

from methods.serve import spool as module
from methods.serve.database import Database
from methods.serve.spool import Spool, Undelivered

from .conftest import until


class Receiver:
    """Takes what it is not told to fail for."""

    name = "there"

    def __init__(self, failures=0):
        self.failures = failures
        self.taken = []
        self.attempts = 0

    def deliver(self, message, release):
        self.attempts += 1
        if self.failures:
            self.failures -= 1
            raise Undelivered("no")
        self.taken.append(json.loads(message.body)["verdict"])

    def close(self):
        self.closed = True


@pytest.fixture
def database(tmp_path):
    opened = Database(tmp_path / "x.sqlite")
    yield opened
    opened.close()


def written(spool, *contents, time="2026"):
    with spool.database.change() as writer:
        for content in contents:
            spool.write(writer, "verdict", f"id{content}", time, content)
    spool.wake()


def test_everything_arrives_in_order_whatever_fails(database, monkeypatch):
    monkeypatch.setattr(module, "pause", lambda attempts: 0.001)
    receiver = Receiver(failures=3)
    spool = Spool(database, [receiver])
    written(spool, 1, 2)
    spool.start()
    until(lambda: receiver.taken == [1, 2])
    receiver.failures = 2
    written(spool, 3)
    until(lambda: receiver.taken == [1, 2, 3])
    until(lambda: spool.waiting() == {"there": 0})
    spool.close()
    assert receiver.attempts == 8
    assert receiver.closed


def test_what_is_not_taken_waits_for_the_next_start(database, monkeypatch, caplog):
    monkeypatch.setattr(module, "pause", lambda attempts: 0.001)
    first = Spool(database, [away := Receiver(failures=10**9)])
    written(first, 1, 2)
    first.start()
    until(lambda: away.attempts > 3)
    first.close()
    assert caplog.text.count("warning: there: no; trying again") == 1
    again = Spool(database, [receiver := Receiver()])
    assert again.waiting() == {"there": 2}
    again.start()
    until(lambda: receiver.taken == [1, 2])
    again.close()


def test_a_rollback_takes_the_message_back(database):
    spool = Spool(database, [Receiver()])

    def fail():
        with database.change() as writer:
            spool.write(writer, "verdict", "a", "2026", 1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert spool.first("there") is None


def test_the_oldest_are_dropped(database, monkeypatch, caplog):
    monkeypatch.setattr(module, "MOST", 3)
    monkeypatch.setattr(module, "TRIMMED", 2)
    spool = Spool(database, [Receiver()])
    written(spool, *range(7))
    assert (spool.first("there").id, spool.dropped) == ("id4", {"there": 4})
    written(spool, 8, time="2027")
    spool.drop_before("2026-06")
    assert (spool.first("there").id, spool.waiting()) == ("id8", {"there": 1})
    assert "warning: there: 3 messages were dropped" in caplog.text


def test_two_receivers_do_not_wait_for_each_other(database):
    away, here = Receiver(failures=10**9), Receiver()
    away.name = "away"
    spool = Spool(database, [away, here])
    spool.start()
    written(spool, 1, 2)
    until(lambda: here.taken == [1, 2])
    until(lambda: spool.waiting() == {"away": 2, "there": 0})
    stopping = threading.Thread(target=spool.close)
    stopping.start()  # in the middle of a pause
    stopping.join(5)
    assert not stopping.is_alive()
