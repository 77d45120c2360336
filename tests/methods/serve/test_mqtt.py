import shutil
import socket
import struct
import subprocess
import threading
import time

import pytest

from methods.serve import spool as module
from methods.serve.database import Database
from methods.serve.mqtt import Broker, Mqtt, check_topic, host_and_port
from methods.serve.spool import Message, Spool, Undelivered
from processing.errors import UsageError

from .conftest import until
from .test_spool import written

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


class Mosquitto:
    """A real broker that keeps its sessions on the disk."""

    def __init__(self, folder):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.config = folder / "mosquitto.conf"
        self.config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nuser root\n"
            f"persistence true\npersistence_location {folder}/\n"
        )
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [MOSQUITTO, "-c", self.config], stderr=subprocess.DEVNULL
        )
        until(self._answers)

    def _answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


@pytest.fixture
def mosquitto(tmp_path):
    if not MOSQUITTO:
        pytest.skip("mosquitto is not installed")
    running = Mosquitto(tmp_path)
    yield running
    running.stop()


@pytest.fixture
def told(mosquitto):
    """Return the list of what a client of another library is told."""
    client = pytest.importorskip("paho.mqtt.client")
    subscriber = client.Client(
        client.CallbackAPIVersion.VERSION2, "other", clean_session=False
    )
    found, subscribed = [], threading.Event()
    subscriber.reconnect_delay_set(0.05, 0.2)
    subscriber.on_connect = lambda *_: subscriber.subscribe("line/1/#", qos=2)
    subscriber.on_subscribe = lambda *_: subscribed.set()
    subscriber.on_message = lambda *x: found.append((x[2].topic, x[2].payload))
    subscriber.connect("127.0.0.1", mosquitto.port)
    subscriber.loop_start()
    assert subscribed.wait(10)
    yield found
    subscriber.disconnect()
    subscriber.loop_stop()


def receiver(mosquitto, **changes):
    return Mqtt(Broker("127.0.0.1", mosquitto.port, "station-1", "line/1", **changes))


def message(number, released=False):
    return Message(number, f"a{number}", "verdict", f"body {number}", released)


def nothing():
    pass


def test_each_message_arrives_once_across_restarts_of_both(
    mosquitto, told, tmp_path, monkeypatch
):
    monkeypatch.setattr(module, "pause", lambda attempts: 0.05)
    database = Database(tmp_path / "x.sqlite")
    spool = Spool(database, [receiver(mosquitto)])
    spool.start()
    for number in range(90):
        written(spool, number)
        if number == 30:
            mosquitto.stop()
        if number == 45:
            mosquitto.start()
        if number == 60:
            until(lambda: len(told) > 20)
            spool.close()
            spool = Spool(database, [receiver(mosquitto)])
            spool.start()
    until(lambda: spool.waiting() == {"mqtt": 0})
    until(lambda: len(told) >= 90)
    spool.close()
    assert {topic for topic, _ in told} == {"line/1/verdict"}
    bodies = [body.split(b'"verdict": ')[-1] for _, body in told]
    assert bodies == [b"%d}" % number for number in range(90)]
    database.close()


class Killed(Exception):
    pass


@pytest.mark.parametrize("broker_restarts", [False, True])
@pytest.mark.parametrize("step", ["sent", "noted", "released"])
def test_a_kill_between_any_two_packets_sends_nothing_twice(
    mosquitto, told, step, broker_restarts
):
    """At `noted` the broker has the message, and the disk says so."""
    first, noted = receiver(mosquitto), []

    def kill():
        raise Killed

    def awaited(kind, packet, await_=first._await):
        if (kind, step) in ((5, "sent"), (7, "released")):
            raise Killed
        return await_(kind, packet)

    def note():
        noted.append(1)
        if step == "noted":
            raise Killed

    first._await = awaited
    first.close = nothing  # a kill says no goodbye
    with pytest.raises(Killed):
        first.deliver(message(7), note)
    if broker_restarts:
        time.sleep(0.2)
        mosquitto.stop()
        mosquitto.start()
    second = receiver(mosquitto)
    second.deliver(message(7, released=bool(noted)), nothing)
    second.deliver(message(8), nothing)
    second.close()
    Mqtt.close(first)
    until(lambda: len(told) >= 2)
    time.sleep(0.2)
    assert [body for _, body in told] == [b"body 7", b"body 8"]


def test_a_broker_without_the_session_has_a_released_message_again(mosquitto, told):
    """Lost is worse than twice."""
    lone = receiver(mosquitto)
    lone.deliver(message(1, released=True), nothing)
    lone.close()
    until(lambda: told == [("line/1/verdict", b"body 1")])


def test_user_and_password_are_sent_and_a_refusal_is_told(tmp_path):
    got = []

    def refuse(listener):
        connection, _ = listener.accept()
        with connection:
            got.append(connection.recv(1000))
            connection.sendall(bytes([0x20, 2, 0, 4]))
            connection.recv(100)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=refuse, args=[listener])
        thread.start()
        where = "127.0.0.1", listener.getsockname()[1], "me", "t", "eve", b"pass"
        with pytest.raises(Undelivered, match="refuses: wrong user or password"):
            Mqtt(Broker(*where)).deliver(message(1), nothing)
        thread.join()
    fields = b"".join(struct.pack("!H", len(x)) + x for x in (b"me", b"eve", b"pass"))
    head = b"\0\4MQTT" + bytes([4, 0xC0, 0, 60])
    assert got == [bytes([0x10, len(head + fields)]) + head + fields]


def test_nobody_there():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(Undelivered, match=f"cannot reach 127.0.0.1:{port}: .*refused"):
        Mqtt(Broker("127.0.0.1", port, "me", "t")).deliver(message(1), nothing)


@pytest.mark.parametrize(
    ("text", "tls", "found"),
    [
        ("broker", False, ("broker", 1883)),
        ("broker", True, ("broker", 8883)),
        ("10.0.0.1:99", False, ("10.0.0.1", 99)),
        ("[::1]:99", False, ("::1", 99)),
        ("::1", False, ("::1", 1883)),
    ],
)
def test_hosts_and_ports(text, tls, found):
    assert host_and_port(text, tls) == found


@pytest.mark.parametrize("text", ["", ":1", "a:0", "a:x", "a:99999", "mqtt://a", "u@a"])
def test_hosts_that_are_none(text):
    with pytest.raises(UsageError, match=r"--mqtt: expected HOST or HOST:PORT\. Rec"):
        host_and_port(text, False)


@pytest.mark.parametrize("topic", ["", "a/#", "+/a", "$SYS/x", "x" * 201])
def test_topics_that_are_none(topic):
    with pytest.raises(UsageError, match="--mqtt-topic: expected"):
        check_topic(topic)
