"""The driver of a station's replicas, in a process of its own.

A driver ends with its cluster; a station must not.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from methods.jobs.ray_tasks import connected, resources_of_nodes
from processing.errors import UsageError, UserError, one_line

from .batching import Unavailable
from .replica import Replica, Wanted

LOOK = 5.0  # seconds between two looks at the cluster
GONE = 10  # seconds without the cluster after which the driver ends
TRIES = 3  # of a batch whose replica dies
PATIENCE = 300.0  # seconds that replicas have to load a model and judge a batch
HEALTH = 2.0  # seconds between two looks at a replica
GRACE = 10.0  # seconds that a replica has to end


class Driver:
    """The replicas of a station on a cluster.

    Args:
        address: see `ray_tasks.started`.
        station: name of it, of which there is one at a time.
        name: of the replicas; begins with that of the station.
        count: of replicas; None for one on each node.

    Raises:
        UserError: there is no such cluster.
        UsageError: the cluster has too few cores.
    """

    def __init__(self, address: str, station: str, name: str, count: int | None):
        os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", str(GONE))
        self._ray = connected(address)
        from ray import serve

        logging.getLogger("ray.serve").setLevel(logging.WARNING)
        self._serve = serve
        self.name = name
        nodes = resources_of_nodes(self._ray)
        self.count = count or len(nodes)
        self._resources = resources(nodes, self.count)
        serve.start(proxy_location="Disabled")  # nothing listens for HTTP
        for other in serve.status().applications:
            if other.startswith(station):  # a killed machine left it
                serve.delete(other)
        self._handle: Any = None

    def prepare(self, wanted: Sequence[Wanted]) -> None:
        """Have all replicas load what judges now.

        As many are asked at once as there are, each of which takes one request at a
        time; one that is missed all the same loads it for its first photo.

        Raises:
            UserError: they cannot.
            Unavailable: no replica answered.
        """
        if self._handle is None:
            self._deploy(wanted)
        with ThreadPoolExecutor(self.count) as pool:
            asked = [pool.submit(self._ask, "load", wanted) for _ in range(self.count)]
        for future in asked:
            future.result()

    def judge(self, wanted: Wanted, images: Sequence[np.ndarray]) -> Any:
        """Return the verdicts on images.

        Raises:
            UserError: the error that a replica had.
            Unavailable: no replica answered.
        """
        return self._ask("judge", wanted, images)

    def _ask(self, method: str, *arguments: Any) -> Any:
        """Return the answer of any replica."""
        errors = self._ray.exceptions
        for _ in range(TRIES):
            try:
                response = getattr(self._handle, method).remote(*arguments)
                return response.result(timeout_s=PATIENCE)
            except errors.RayTaskError as error:
                raise UserError(one_line(error.cause)) from error
            except errors.RayActorError:
                continue  # another replica takes it
            except (TimeoutError, errors.RayError) as error:
                raise Unavailable(f"no replica answers ({one_line(error)})") from error
        raise Unavailable(f"replicas died {TRIES} times")

    def alive(self) -> bool:
        """Return whether the cluster knows the node that this process is on."""
        own = self._ray.get_runtime_context().get_node_id()
        return own in {x["NodeID"] for x in self._ray.nodes() if x["Alive"]}

    def close(self) -> None:
        """End the replicas."""
        self._serve.delete(self.name)
        self._ray.shutdown()

    def _deploy(self, wanted: Sequence[Wanted]) -> None:
        deployment = self._serve.deployment(
            name="judge",
            num_replicas=self.count,
            max_ongoing_requests=1,
            ray_actor_options=self._resources,
            health_check_period_s=HEALTH,
            graceful_shutdown_timeout_s=GRACE,
        )
        cores = int(self._resources["num_cpus"])
        application = deployment(Replica).bind(cores, wanted)
        try:
            self._handle = self._serve.run(
                application, name=self.name, route_prefix=None
            )
        except RuntimeError as error:
            raise UserError(f"--ray: {one_line(error)}") from error


def resources(nodes: Sequence[Mapping[str, float]], count: int) -> dict[str, float]:
    """Return what a replica takes of nodes: an equal share of their cores, and a GPU.

    Raises:
        UsageError: there are too few cores.
    """
    cores = int(min(node["CPU"] for node in nodes))
    share = cores // -(-count // len(nodes))
    if share < 1:
        raise UsageError(
            f"--replicas: expected at most {cores * len(nodes)}, the cores of the "
            f"cluster. Received: {count}"
        )
    gpus = sum(node.get("GPU", 0) for node in nodes)
    return {"num_cpus": share, "num_gpus": int(gpus >= count)}


def main(line: Connection, *driver: Any) -> None:
    """Do what a station asks for until it ends.

    Each request is a number, the name of a method and its arguments; each answer the
    number, and what the method returned or raised. The answer to 0 is how many replicas
    there are, or why there are none.

    Args:
        line: to the station.
        driver: arguments of `Driver`.
    """
    for ending in (signal.SIGINT, signal.SIGTERM):  # the station tells when
        signal.signal(ending, signal.SIG_IGN)
    try:
        made = Driver(*driver)
    except Exception as error:  # whatever it is, the station is told
        line.send((0, _told(error)))
        return
    threading.Thread(target=_watch, args=(made,), daemon=True).start()
    line.send((0, made.count))
    answer(line, made)
    made.close()
    os._exit(0)  # whatever has not returned


def _told(error: Exception) -> Exception:
    """Return what the station is told of an error."""
    known = isinstance(error, UserError | Unavailable)
    return error if known else UserError(f"--ray: {one_line(error)}")


def _watch(driver: Driver) -> None:
    """End this process once its node is gone: perhaps a new cluster has its address."""
    while True:
        time.sleep(LOOK)
        try:
            alive = driver.alive()
        except Exception:  # nobody says so
            alive = False
        if not alive:
            os._exit(1)


def answer(line: Connection, driver: Any) -> None:
    """Answer requests until the station says that it ends, or is gone."""
    sending = threading.Lock()

    def work(number: int, method: str, *arguments: Any) -> None:
        try:
            found = getattr(driver, method)(*arguments)
        except Exception as error:
            found = _told(error)
        with sending:
            line.send((number, found))

    pool = ThreadPoolExecutor(driver.count + 1)
    try:
        while request := line.recv():
            pool.submit(work, *request)
    except EOFError:
        pass
    pool.shutdown(wait=False, cancel_futures=True)
