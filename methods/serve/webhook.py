"""Messages by HTTP POST to one address."""

import hashlib
import hmac
import http.client
import ssl
from urllib.parse import urlsplit

from processing.errors import UsageError, shortened

from .spool import Message, NeverTaken, Release, Undelivered

TIMEOUT = 10.0  # seconds
FOR_GOOD = {400, 410, 413, 415, 422}  # other statuses may be of a wrong setting
SIGNATURE = "X-Signature-256"


class Webhook:
    """A receiver of messages, each at least once.

    Args:
        url: http or https; redirects are not followed.
        secret: that signs the bodies, or None.

    Raises:
        UsageError: the URL is none to post to.
    """

    name = "webhook"

    def __init__(self, url: str, secret: bytes | None = None):
        check_url(url)
        parts = urlsplit(url)
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname or "", parts.port
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._secret = secret

    def deliver(self, message: Message, release: Release) -> None:
        """Post a message; 2xx says that it was taken, `FOR_GOOD` that it never will."""
        body = message.body.encode()
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": message.id,
            "User-Agent": "keras-anomaly",
        }
        if self._secret:
            headers[SIGNATURE] = f"sha256={signature(self._secret, body)}"
        connection = self._connection()
        try:
            connection.request("POST", self._path, body, headers)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            raise Undelivered(f"cannot reach {self._host}: {error}") from error
        finally:
            connection.close()
        if not 200 <= status < 300:
            kind = NeverTaken if status in FOR_GOOD else Undelivered
            raise kind(f"{self._host} answered {status}")

    def close(self) -> None:
        """Do nothing: each message has a connection of its own."""

    def _connection(self) -> http.client.HTTPConnection:
        if self._secure:
            context = ssl.create_default_context()
            where = self._host, self._port
            return http.client.HTTPSConnection(*where, timeout=TIMEOUT, context=context)
        return http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT)


def signature(secret: bytes, body: bytes) -> str:
    """Return the HMAC-SHA256 of a body, in hexadecimal digits."""
    return hmac.new(secret, body, hashlib.sha256).hexdigest()


def check_url(url: str) -> None:
    """Raise `UsageError` unless a URL is one to post to."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        known = False
    if not known or not url.isascii() or not url.isprintable() or " " in url:
        raise UsageError(
            "--webhook: expected http://HOST/PATH or https://HOST/PATH. Received: "
            f"{shortened(ascii(url))}"
        )
    if parts.username is not None or parts.password is not None:
        raise UsageError("--webhook: expected a URL without a password in it")
