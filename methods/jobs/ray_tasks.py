"""Calls of a function as tasks of a Ray cluster (https://docs.ray.io).

All nodes need this package, and the folders that the calls name at the same paths.
"""

import logging
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib.util import find_spec
from itertools import islice
from typing import Any, TypeVar

from processing.errors import UserError, one_line

LOCAL, AUTO = "local", "auto"  # this machine alone; the cluster that it is part of
CONNECT = 5.0  # seconds
RETRIES = 3  # of a call whose node dies
WAITING = 2  # calls that are made for each that has room
MEMORY = 6 * 2**30  # bytes a call: a training run at 256x256 took up to 5.3 GB

Item = TypeVar("Item")
Result = TypeVar("Result")

log = logging.getLogger(__name__)


class Lost(str):
    """Why a call has no result."""


def started(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    address: str,
    memory: int = MEMORY,
    *,
    ordered: bool = False,
) -> tuple[int, Iterator[tuple[Item, Result | Lost]]]:
    """Call `work` for each item on some node, as many at once as there is room for.

    A call takes all cores that it finds: it gets as many as the smallest node has, a
    GPU if there are any, and memory. If its node dies, it is made again elsewhere.

    Args:
        work: a function of this package, or a partial of one, that runs in the folder
            that this process is in.
        items: read as there is room.
        address: of the cluster's head (host:port), `AUTO` or `LOCAL`.
        memory: bytes a call; what the smallest node has, if that is less.
        ordered: results in the order of `items`, not as they come in.

    Returns:
        How many run at once, and items with their results. A call that raises an
        error, or whose nodes die again and again, has the reason as its result.

    Raises:
        UserError: Ray is not installed, or there is no such cluster.
    """
    ray = connected(address)
    nodes = resources_of_nodes(ray)
    cpus = min(node["CPU"] for node in nodes)
    gpus = sum(node.get("GPU", 0) for node in nodes)
    share = min(memory, *(node["memory"] for node in nodes))
    fitting = sum(min(node["CPU"] // cpus, node["memory"] // share) for node in nodes)
    at_once = int(min(fitting, gpus) if gpus else fitting)
    log.info("%d nodes, %d runs at once", len(nodes), at_once)
    resources = {"num_cpus": cpus, "num_gpus": min(gpus, 1), "memory": share}
    remote = ray.remote(max_retries=RETRIES, **resources)(_in_folder)
    call = partial(remote.remote, ray.put(work), os.getcwd(), int(cpus))
    return at_once, _results(ray, call, iter(items), WAITING * at_once, ordered)


def connected(address: str) -> Any:
    """Return the package, connected to a cluster.

    Args:
        address: see `started`.

    Raises:
        UserError: Ray is not installed, or there is no such cluster.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would ask the network
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    check_cluster(address)
    import ray

    here = {"include_dashboard": False} if address == LOCAL else {"address": address}
    try:
        ray.init(log_to_driver=False, configure_logging=False, **here)
    except (OSError, ValueError, RuntimeError) as error:
        raise _no_cluster(address, error) from error
    return ray


def check_cluster(
    address: str, extra: str = "cluster", packages: Iterable[str] = ("ray",)
) -> None:
    """Raise `UserError` if nothing listens at an address, for which Ray tries minutes.

    Args:
        address: see `started`.
        extra: of this package, that brings other packages.
        packages: that are needed.
    """
    if missing := [package for package in packages if not find_spec(package)]:
        raise UserError(
            f"--ray needs the package {missing[0]}: "
            f"pip install 'keras-anomaly[{extra}]'"
        )
    if address not in (LOCAL, AUTO):
        try:
            host, _, port = address.rpartition("/")[2].rpartition(":")
            socket.create_connection((host, int(port)), CONNECT).close()
        except (OSError, ValueError, OverflowError) as error:
            raise _no_cluster(address, error) from error


def _no_cluster(address: str, error: Exception) -> UserError:
    return UserError(
        f"--ray {address}: expected host:port of a Ray cluster, auto, or {LOCAL}: "
        f"{_line(error)}"
    )


def resources_of_nodes(ray: Any) -> list[dict[str, float]]:
    """Return what each node that can work has: "CPU", perhaps "GPU", "memory"."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [node for node in nodes if node.get("CPU")]


def limit_threads(cpus: int) -> None:
    """Let TensorFlow, not yet imported, take so many cores, as Ray has OpenMP do."""
    for threads in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(threads, str(cpus))


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _in_folder(
    work: Callable[[Item], Result], folder: str, cpus: int, item: Item
) -> Result:
    limit_threads(cpus)
    os.chdir(folder)
    return work(item)


def _results(
    ray: Any,
    call: Callable[[Item], Any],
    items: Iterator[Item],
    most: int,
    ordered: bool,
) -> Iterator[tuple[Item, Any]]:
    """Yield items and results; whatever happens, nothing runs on afterwards."""
    running: dict[Any, Item] = {}
    try:
        while True:
            for item in islice(items, most - len(running)):
                running[call(item)] = item
            if not running:
                return
            waited = list(running)[:1] if ordered else list(running)
            [reference], _ = ray.wait(waited, num_returns=1)
            item = running.pop(reference)
            try:
                yield item, ray.get(reference)
            except ray.exceptions.RayTaskError as error:
                yield item, Lost(one_line(error.cause))
            except ray.exceptions.RayError as error:
                tries = RETRIES + 1
                yield item, Lost(f"lost with its node {tries} times: {_line(error)}")
    finally:
        ray.shutdown()
