"""Results to browsers as they are made: server-sent events."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from .station import answer
from .store import Result

WAITING = 256  # events that a slow browser may be behind before it has to begin anew
BEAT = 15.0  # seconds between two signs of life, which also find lost connections


class Events:
    """The browsers that listen.

    A browser that is too slow, or that was disconnected, connects again by itself, and
    the page then asks for the newest results.
    """

    def __init__(self) -> None:
        self._listeners: set[
            tuple[asyncio.AbstractEventLoop, asyncio.Queue[str | None]]
        ] = set()

    def publish(self, result: Result) -> None:
        """Send a result to all browsers, from any thread."""
        self._send(f"data: {json.dumps(answer(result))}\n\n")

    def tell(self, kind: str, content: Mapping[str, Any]) -> None:
        """Send an event that is no result to all browsers, from any thread."""
        self._send(f"event: {kind}\ndata: {json.dumps(content)}\n\n")

    def _send(self, text: str) -> None:
        for loop, queue in list(self._listeners):
            loop.call_soon_threadsafe(_offer, queue, text)

    def close(self) -> None:
        """End all streams, from any thread."""
        for loop, queue in list(self._listeners):
            loop.call_soon_threadsafe(_end, queue)

    async def stream(self) -> AsyncIterator[str]:
        """Yield what one browser gets."""
        queue: asyncio.Queue[str | None] = asyncio.Queue(WAITING)
        listener = asyncio.get_running_loop(), queue
        self._listeners.add(listener)
        try:
            yield ": connected\n\n"
            while True:
                try:
                    text = await asyncio.wait_for(queue.get(), BEAT)
                except asyncio.TimeoutError:
                    yield ": alive\n\n"
                    continue
                if text is None:
                    return
                yield text
        finally:
            self._listeners.discard(listener)


def _offer(queue: asyncio.Queue[str | None], text: str) -> None:
    if queue.full():
        _end(queue)
    else:
        queue.put_nowait(text)


def _end(queue: asyncio.Queue[str | None]) -> None:
    while not queue.empty():
        queue.get_nowait()
    queue.put_nowait(None)
