"""Concurrent requests as batches, worked on by one thread; a bounded queue."""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Generic, TypeVar

from methods.pipeline.judging import isolate_errors

LARGEST = 16  # items of a batch
WAIT = 0.5  # seconds between two looks at whether waiting is over

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Busy(Exception):
    """There is no place left; try again later."""


class Batcher(Generic[Item, Answer]):
    """A thread that works on whatever has come, at most `LARGEST` items at once.

    Args:
        work: of a batch, returns an answer for each item. Where it fails for a batch,
            items are worked on one by one, and one that fails has the error.
        places: items that are let in and not yet answered, at most.
    """

    def __init__(self, work: Callable[[Sequence[Item]], Sequence[Answer]], places: int):
        self.places = places
        self.taken = 0
        self._work = work
        self._lock = threading.Condition()
        self._queue: queue.SimpleQueue[tuple[Item, Future[Answer]] | None] = (
            queue.SimpleQueue()
        )
        self._thread = threading.Thread(target=self._run, name="judge", daemon=True)
        self._thread.start()

    @contextmanager
    def admitted(self, count: int) -> Iterator[None]:
        """Hold places for as many items as are submitted meanwhile.

        Raises:
            Busy: there are too few.
        """
        with self._lock:
            if self.taken + count > self.places:
                raise Busy
            self.taken += count
        with self._held(count):
            yield

    @contextmanager
    def awaited(self, ended: threading.Event) -> Iterator[bool]:
        """Wait for a place for one item; yield False if `ended` is set before."""
        with self._lock:
            while self.taken >= self.places and not ended.is_set():
                self._lock.wait(WAIT)
            free = not ended.is_set()
            self.taken += free
        with self._held(int(free)):
            yield free

    @contextmanager
    def _held(self, count: int) -> Iterator[None]:
        try:
            yield
        finally:
            with self._lock:
                self.taken -= count
                self._lock.notify_all()

    def submit(self, item: Item) -> "Future[Answer]":
        """Queue an item, whose place is held."""
        future: Future[Answer] = Future()
        self._queue.put((item, future))
        return future

    def close(self) -> None:
        """Answer what is queued, then end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            batch = [first]
            while len(batch) < LARGEST and not self._queue.empty():
                if (entry := self._queue.get()) is None:  # after this batch
                    self._queue.put(None)
                    break
                batch.append(entry)
            self._answer(batch)

    def _answer(self, batch: list[tuple[Item, "Future[Answer]"]]) -> None:
        def work(entries: list[tuple[Item, Future[Answer]]]) -> Sequence[Answer]:
            return self._work([item for item, _ in entries])

        for entries, answers in isolate_errors(work, batch, lambda x: [[y] for y in x]):
            if isinstance(answers, Exception):
                entries[0][1].set_exception(answers)
                continue
            for (_, future), answer in zip(entries, answers, strict=True):
                future.set_result(answer)
