"""Who may ask the station for what: token, cookie, forged requests, sizes, headers."""

import hashlib
import hmac
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import LOOPBACK

COOKIE = "station"
CSRF = "X-CSRF-Token"
OPEN = ("/", "/healthz")  # without a token; the page is then that for signing in
STATIC = "/static/"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'self'; "
    "script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Access:
    """What lets a request in.

    Without a token everybody on this machine may ask, but no page of another site that
    their browser shows: such pages cannot know the CSRF token, nor read an answer, and
    names of other hosts that lead here (DNS rebinding) are refused.

    Args:
        token: that programs send as `Authorization: Bearer`, or None. Browsers have a
            cookie that is made of it, from which it cannot be found.
    """

    def __init__(self, token: str | None):
        self.csrf = secrets.token_urlsafe(32)
        self._token = token
        self._key = hashlib.sha256((token or self.csrf).encode()).digest()

    @property
    def cookie(self) -> str:
        """The cookie of a browser that knew the token."""
        return hmac.new(self._key, b"browser", hashlib.sha256).hexdigest()

    def refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Return status and reason if a request is refused."""
        headers = Headers(scope=scope)
        if self._token is None and _host(headers.get("host", "")) not in LOOPBACK:
            return 421, "expected localhost as the host"
        path = scope["path"]
        scope["known"] = self._is_known(headers)
        if not scope["known"] and path not in OPEN and not path.startswith(STATIC):
            return 401, "expected the header Authorization: Bearer TOKEN"
        if scope["method"] not in ("GET", "HEAD") and not self._may_write(headers):
            return 403, f"expected the header {CSRF} of the page"
        return None

    def has_token(self, headers: Headers) -> bool:
        """Return whether the token is in a header."""
        if self._token is None:
            return False
        sent = headers.get("authorization", "")
        return _equal(sent, f"Bearer {self._token}")

    def _is_known(self, headers: Headers) -> bool:
        if self._token is None or self.has_token(headers):
            return True
        cookies = cookie_parser(headers.get("cookie", ""))
        return _equal(cookies.get(COOKIE, ""), self.cookie)

    def _may_write(self, headers: Headers) -> bool:
        """Return whether a writing request is of a program or of our own page.

        Browsers send an origin with all of them.
        """
        if self.has_token(headers) or _equal(headers.get(CSRF, ""), self.csrf):
            return True
        return self._token is None and "origin" not in headers


class Guard:
    """ASGI middleware: refuses by `Access`, limits bodies, adds `HEADERS`.

    Args:
        app: behind it.
        access: of requests.
        largest: bytes of a body.
    """

    def __init__(self, app: ASGIApp, access: Access, largest: int):
        self.app = app
        self.access = access
        self.largest = largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.largest:
                raise HTTPException(413, f"expected at most {self.largest} bytes")
            return message

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = self.access.refusal(scope)
        if refusal is None:
            await self.app(scope, limited, with_headers)
            return
        status, text = refusal
        more = {"WWW-Authenticate": "Bearer"} if status == 401 else None
        await JSONResponse({"detail": text}, status, more)(scope, receive, with_headers)


def _host(header: str) -> str:
    """Return the name in a Host header, without port and brackets."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].lower()


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
