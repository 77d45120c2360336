"""The station's side of its replicas on a Ray cluster."""

import itertools
import logging
import multiprocessing
import secrets
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

import numpy as np

from processing.errors import UserError, reason

from . import ray_driver
from .batching import Unavailable
from .pauses import pause
from .replica import Wanted

if TYPE_CHECKING:
    from methods.detector.judge import Verdict

GRACE = 20.0  # seconds that the driver has to end
STARTING = "the replicas are not there yet"
GONE = "the cluster is gone"
ENDED = "the driver of the cluster ended"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cluster:
    """Where replicas judge.

    Attributes:
        address: see `ray_tasks.started`.
        replicas: how many; None for one on each node.
    """

    address: str
    replicas: int | None = None


class Replicas:
    """Judges of a station on a Ray cluster, as its `ray_driver` reaches them.

    Where the cluster is gone, it is looked for again and again.

    Args:
        cluster: that has them.
        station: name of the station.
        driver: is run in the child.

    Attributes:
        count: of replicas.

    Raises:
        UserError: there is no cluster, or no Ray.
    """

    def __init__(
        self,
        cluster: Cluster,
        station: str,
        driver: Callable[..., None] = ray_driver.main,
    ):
        self._driver = driver
        self._about = cluster.address, station
        self._current: dict[str, Wanted] = {}
        self._answers: dict[int, Future] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._line: Connection | None = None
        self._child: Any = None
        self._why = STARTING
        self._first: Future[int] = Future()
        self._count = cluster.replicas
        self._thread = threading.Thread(target=self._run, name="replicas", daemon=True)
        self._thread.start()
        self.count = self._count = self._first.result()

    @property
    def there(self) -> int:
        """How many replicas the cluster is told to have; 0 while it is gone."""
        return self.count if self._line else 0

    def verdicts(self, wanted: Wanted, images: Sequence[np.ndarray]) -> "list[Verdict]":
        """Return the verdicts on images.

        Raises:
            UserError: they cannot be judged.
            Unavailable: there are no replicas now.
        """
        return self._ask("judge", wanted, images).result()

    def prepare(self, place: str, wanted: Wanted) -> None:
        """Have all replicas load what is to judge in a place.

        Raises:
            UserError: they cannot.
            Unavailable: there are no replicas now.
        """
        current = self._current | {place: wanted}
        self._ask("prepare", [*current.values()]).result()
        self._current = current

    def close(self) -> None:
        """End the replicas."""
        self._ended.set()
        with self._lock:
            if self._line:
                self._line.send(None)
        self._thread.join(GRACE)
        if self._thread.is_alive():
            self._child.kill()
            self._thread.join()

    def _ask(self, *request: Any) -> Future:
        with self._lock:
            if self._line is None:
                raise Unavailable(self._why)
            return self._send(self._line, *request)

    def _send(self, line: Connection, *request: Any) -> Future:
        number, future = next(self._numbers), Future[Any]()
        self._answers[number] = future
        try:
            line.send((number, *request))
        except OSError as error:
            del self._answers[number]
            raise Unavailable(GONE) from error
        return future

    def _run(self) -> None:
        attempts = 0
        while not self._ended.is_set():
            attempts = 0 if self._session() else attempts + 1
            if not self._first.done():
                self._first.set_exception(UserError(f"--ray: {ENDED}"))
            if self._first.exception():
                return
            if not self._ended.is_set() and attempts <= 1:
                log.warning("warning: %s; trying again", self._why)
            self._ended.wait(pause(attempts))

    def _session(self) -> bool:
        """Run a child until it ends; return whether its replicas judged."""
        context = multiprocessing.get_context("spawn")
        line, theirs = context.Pipe()
        name = f"{self._about[1]}-{secrets.token_hex(4)}"
        arguments = theirs, *self._about, name, self._count
        child = context.Process(target=self._driver, args=arguments, daemon=True)
        child.start()
        theirs.close()
        self._child, judged = child, False
        try:
            self._begin(line, line.recv()[1])
            while True:
                self._take(*line.recv())
                judged = self._line is not None
        except (EOFError, OSError):
            self._stop()
        line.close()
        child.join()
        return judged

    def _begin(self, line: Connection, found: int | Exception) -> None:
        """Take what a new child says: how many replicas there are, or an error."""
        if isinstance(found, Exception):
            self._why = reason(found)
            if not self._first.done():
                self._first.set_exception(found)
        elif not self._current:
            self._open(line)
            self._first.set_result(found)
        else:
            prepared = self._send(line, "prepare", [*self._current.values()])
            prepared.add_done_callback(partial(self._prepared, line))

    def _prepared(self, line: Connection, future: Future) -> None:
        if error := future.exception():
            self._why = str(error)
            line.close()  # the child ends
        else:
            log.info("--ray: %d replicas judge again", self.count)
            self._open(line)

    def _open(self, line: Connection) -> None:
        with self._lock:
            self._line = line

    def _take(self, number: int, answer: Any) -> None:
        future = self._answers.pop(number)
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)

    def _stop(self) -> None:
        """Tell all who wait that the child is gone."""
        with self._lock:
            if self._line:
                self._line, self._why = None, GONE
            waiting, self._answers = self._answers, {}
        for future in waiting.values():
            future.set_exception(Unavailable(self._why))
