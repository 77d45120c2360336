"""Concurrent requests as batches, worked on by threads; a bounded queue."""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import islice
from typing import Generic, TypeVar

from methods.pipeline.judging import isolate_errors

SIZES = (1, 4, 16)  # of batches: networks are compiled for each
LARGEST = SIZES[-1]  # items of a batch
WAIT = 0.5  # seconds between two looks at whether waiting is over

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Busy(Exception):
    """There is no place left; try again later."""


class Unavailable(Exception):
    """Nothing works now, as the text says; try again later."""


class Batcher(Generic[Item, Answer]):
    """Threads that work on what has come, in batches of `SIZES`: none is filled up.

    Args:
        work: of a batch, returns an answer for each item. Where it fails for a batch,
            items are worked on one by one, and one that fails has the error; they all
            have it if it is `Unavailable`.
        places: items that are let in and not yet answered, at most.
        workers: threads, which share what waits.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Answer]],
        places: int,
        workers: int = 1,
    ):
        self.places = places
        self.taken = 0
        self._work = work
        self._lock = threading.Condition()
        self._queue: queue.SimpleQueue[tuple[Item, Future[Answer]] | None] = (
            queue.SimpleQueue()
        )
        self._threads = [
            threading.Thread(target=self._run, name="judge", daemon=True)
            for _ in range(workers)
        ]
        for thread in self._threads:
            thread.start()

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
        """Answer what is queued, then end the threads."""
        self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            batch = [first]
            for entry in islice(iter(self._next, None), self._share() - 1):
                batch.append(entry)
            self._answer(batch)
        self._queue.put(None)  # for the next thread

    def _next(self) -> "tuple[Item, Future[Answer]] | None":
        """Return what waits; None if nothing does, or it is the end."""
        try:
            entry = self._queue.get_nowait()
        except queue.Empty:
            return None
        if entry is None:
            self._queue.put(None)  # is seen after this batch
        return entry

    def _share(self) -> int:
        """Return how many items a thread takes, one of `SIZES`: its share of them."""
        share = (self._queue.qsize() + 1) // len(self._threads)
        return max(size for size in SIZES if size <= max(share, 1))

    def _answer(self, batch: list[tuple[Item, "Future[Answer]"]]) -> None:
        def work(
            entries: list[tuple[Item, Future[Answer]]],
        ) -> Sequence[Answer] | Unavailable:
            try:
                return self._work([item for item, _ in entries])
            except Unavailable as error:
                return error

        for entries, answers in isolate_errors(work, batch, lambda x: [[y] for y in x]):
            if isinstance(answers, Exception):
                for _, future in entries:
                    future.set_exception(answers)
                continue
            for (_, future), answer in zip(entries, answers, strict=True):
                future.set_result(answer)
