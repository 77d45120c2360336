"""Messages to an MQTT broker, each exactly once (MQTT 3.1.1, quality of service 2).

The steps of a delivery are kept in the spool, where usual clients keep them in memory:
a process that is killed between two steps goes on where it was.
"""

import socket
import ssl
import struct
import time
from dataclasses import dataclass

from processing.errors import UsageError, shortened

from .spool import Message, Release, Undelivered

TIMEOUT = 10.0  # seconds that the broker has for an answer
KEPT_ALIVE = 60  # seconds after which a broker takes a silent client for lost
CONNECT, CONNACK, PUBLISH, PUBREC, PUBREL, PUBCOMP, DISCONNECT = 1, 2, 3, 5, 6, 7, 14
EXACTLY_ONCE = 0b0100  # flags of PUBLISH
RESERVED = 0b0010  # flags of PUBREL
REFUSALS = {
    1: "it does not know MQTT 3.1.1",
    2: "it does not take this client",
    3: "it is not available",
    4: "wrong user or password",
    5: "this user may not connect",
}


@dataclass(frozen=True)
class Broker:
    """Where and as whom to connect.

    Attributes:
        host, port: of the broker.
        client: name of the session, which the broker keeps.
        topic: messages go to TOPIC/verdict and TOPIC/drift.
        user, password: or None.
        tls: whether the connection is encrypted, and the broker's certificate checked.
    """

    host: str
    port: int
    client: str
    topic: str
    user: str | None = None
    password: bytes | None = None
    tls: bool = False


class Mqtt:
    """A receiver of messages, each exactly once, one after the other.

    The number of a packet follows from that of its message: sent again after whatever
    happened, the broker knows it, until the station has noted that the broker has it.

    Args:
        broker: that passes them on.
    """

    name = "mqtt"

    def __init__(self, broker: Broker):
        self.broker = broker
        self._socket: socket.socket | None = None
        self._fresh = False
        self._last = 0.0

    def deliver(self, message: Message, release: Release) -> None:
        """Publish a message."""
        try:
            if time.monotonic() - self._last > KEPT_ALIVE / 2:
                self.close()  # instead of signs of life
            if self._socket is None:
                self._connect()
            self._publish(message, release)
            self._last = time.monotonic()
        except Exception as error:
            self.close()
            if not isinstance(error, OSError):
                raise
            where = f"{self.broker.host}:{self.broker.port}"
            raise Undelivered(f"cannot reach {where}: {error}") from error

    def close(self) -> None:
        """End the connection; the broker keeps the session."""
        if self._socket:
            try:
                self._send(DISCONNECT, 0, b"")
            except OSError:
                pass
            finally:
                self._socket.close()
                self._socket = None

    def _publish(self, message: Message, release: Release) -> None:
        """Go through the four packets, or the last two; see MQTT 3.1.1, 4.3.3.

        Where the broker has lost the session, nobody knows what became of a message
        that was released: it is sent again.
        """
        packet = struct.pack("!H", message.number % 65535 + 1)
        if not message.released or self._fresh:
            topic = _text(f"{self.broker.topic}/{message.kind}")
            body = topic + packet + message.body.encode()
            self._send(PUBLISH, EXACTLY_ONCE, body)
            self._await(PUBREC, packet)
            release()
        self._send(PUBREL, RESERVED, packet)
        self._await(PUBCOMP, packet)
        self._fresh = False

    def _connect(self) -> None:
        broker = self.broker
        where = broker.host, broker.port
        connection = socket.create_connection(where, TIMEOUT)
        if broker.tls:
            context = ssl.create_default_context()
            connection = context.wrap_socket(connection, server_hostname=broker.host)
        self._socket = connection
        flags = 0
        fields = _text(broker.client)
        if broker.user is not None:
            flags, fields = flags | 0x80, fields + _text(broker.user)
        if broker.password is not None:
            flags, fields = flags | 0x40, fields + _counted(broker.password)
        head = _text("MQTT") + struct.pack("!BBH", 4, flags, KEPT_ALIVE)
        self._send(CONNECT, 0, head + fields)
        answer = self._await(CONNACK, b"")
        if answer[1]:
            raise Undelivered(
                f"the broker refuses: {REFUSALS.get(answer[1], answer[1])}"
            )
        self._fresh = not answer[0] & 1

    def _send(self, kind: int, flags: int, body: bytes) -> None:
        assert self._socket
        length, rest = b"", len(body)
        while True:
            rest, digit = divmod(rest, 128)
            length += bytes([digit | (0x80 if rest else 0)])
            if not rest:
                break
        self._socket.sendall(bytes([kind << 4 | flags]) + length + body)

    def _await(self, kind: int, packet: bytes) -> bytes:
        """Return the answer of a kind to a packet; others answer what was before."""
        while True:
            head = self._read(1)[0]
            length = shift = 0
            while True:
                digit = self._read(1)[0]
                length |= (digit & 0x7F) << shift
                shift += 7
                if digit < 0x80:
                    break
            body = self._read(length)
            if head >> 4 == kind and body.startswith(packet):
                return body

    def _read(self, count: int) -> bytes:
        assert self._socket
        data = b""
        while len(data) < count:
            part = self._socket.recv(count - len(data))
            if not part:
                raise ConnectionError("the broker ended the connection")
            data += part
        return data


def _text(text: str) -> bytes:
    return _counted(text.encode())


def _counted(data: bytes) -> bytes:
    return struct.pack("!H", len(data)) + data


def host_and_port(text: str, tls: bool) -> tuple[str, int]:
    """Return the two of HOST, HOST:PORT or [IPv6]:PORT.

    Raises:
        UsageError: it is none of them.
    """
    host, _, port = text.rpartition(":") if _has_port(text) else (text, "", "")
    host = host.removeprefix("[").removesuffix("]")
    number = port or ("8883" if tls else "1883")
    known = number.isascii() and number.isdecimal() and 0 < int(number) < 65536
    if not host or not known or not host.isprintable() or set(host) & set("/@ "):
        raise UsageError(
            f"--mqtt: expected HOST or HOST:PORT. Received: {shortened(ascii(text))}"
        )
    return host, int(number)


def _has_port(text: str) -> bool:
    return text.count(":") == 1 or "]:" in text


def check_topic(topic: str) -> str:
    """Return a topic; a `UsageError` if messages cannot be published to it."""
    if not topic or len(topic) > 200 or set(topic) & set("+#\0") or topic[0] == "$":
        raise UsageError(
            "--mqtt-topic: expected at most 200 characters without + # and a first $. "
            f"Received: {shortened(ascii(topic))}"
        )
    return topic
